"""STARTTLS (RFC 9051 section 6.2.1)."""

from __future__ import annotations

from mailkit.imap.responses import No
from mailkit.imap.wire import Bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def starttls(state: Session, reader: Reader) -> str:
    """No arguments. What the client sent along in the clear is thrown away, not run afterwards."""
    reader.end()
    if state.conn.tls:
        raise Bad("TLS is active already")
    if not state.conn.can_starttls:
        raise No("There is no certificate here", "UNAVAILABLE")
    state.after = handshake
    return "Begin the handshake"


async def handshake(state: Session) -> None:
    """The answer is queued: forget what came in the clear and go to TLS."""
    state.engine.clear()
    await state.conn.starttls()
