"""UNAUTHENTICATE (RFC 8437): back to before the login, for proxies that keep connections."""

from __future__ import annotations

from mailkit.imap import capability, identity, intake, selection
from mailkit.imap.responses import No

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def unauthenticate(state: Session, reader: Reader) -> str:
    """No arguments. Folder, saved search and what was enabled are forgotten; TLS and COMPRESS stay."""
    reader.end()
    if state.bound:
        raise No("This process can serve nobody else; make a new connection", "CANNOT")
    intake.unfollow(state)
    selection.release(state)
    identity.leave(state)
    return f"[CAPABILITY {capability.line(state).decode('ascii')}] Logged out"
