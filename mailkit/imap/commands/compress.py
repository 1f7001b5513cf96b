"""COMPRESS (RFC 4978)."""

from __future__ import annotations

from mailkit.imap.responses import No

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def compress(state: Session, reader: Reader) -> str:
    """`DEFLATE`: everything after the answer is deflated, both ways."""
    mechanism = reader.word()
    reader.end()
    if mechanism != "DEFLATE":
        raise No("Only DEFLATE is known", "CANNOT")
    if state.compressed:
        raise No("Everything is deflated already", "COMPRESSIONACTIVE")
    state.after = begin
    return "DEFLATE begins"


async def begin(state: Session) -> None:
    """The answer is queued: put the compressor in front of the connection."""
    from mailkit.imap.deflate import Deflated

    await state.conn.flush()
    state.conn = Deflated(state.conn)
    state.compressed = True
