"""UNAUTHENTICATE (RFC 8437): back to before the login, for proxies that keep connections."""

from __future__ import annotations

from mailkit.imap import capability, identity, intake, selection
from mailkit.imap.wire import Bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def unauthenticate(state: Session, reader: Reader) -> str:
    """No arguments. Folder, saved search and what was enabled are forgotten, COMPRESS ends; TLS stays (section 3, 4.1).

    There is no NO: a client may have sent its next login already. BAD where it is not advertised.
    """
    reader.end()
    if state.bound:
        raise Bad("This process can serve nobody else; make a new connection")
    intake.unfollow(state)
    selection.release(state)
    identity.leave(state)
    if state.compressed:
        state.after = plain
    return f"[CAPABILITY {capability.line(state).decode('ascii')}] Logged out"


async def plain(state: Session) -> None:
    """The answer is queued, and the last that is deflated."""
    from mailkit.imap.deflate import Deflated

    assert isinstance(state.conn, Deflated)
    state.conn, ahead = await state.conn.end()
    state.compressed = False
    state.engine.feed(ahead)
