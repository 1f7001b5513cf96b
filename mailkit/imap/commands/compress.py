"""COMPRESS (RFC 4978)."""

from __future__ import annotations

from mailkit.imap.wire import Bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def compress(state: Session, reader: Reader) -> str:
    """`DEFLATE`: everything after the answer is deflated, both ways."""
    mechanism = reader.word()
    reader.end()
    if mechanism != "DEFLATE":
        raise Bad("Only DEFLATE is known")  # RFC 4978 section 3, for both
    if state.compressed:
        raise Bad("Everything is deflated already")
    state.after = begin
    return "DEFLATE begins"


async def begin(state: Session) -> None:
    """The answer is queued: put the compressor in front of the connection."""
    from mailkit.imap.deflate import Deflated

    await state.conn.flush()
    state.conn = Deflated(state.conn)
    state.compressed = True
