"""NOOP and CHECK: nothing, but what happened to the folder is told (RFC 9051 section 6.1.2, RFC 3501 section 6.4.1)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def noop(state: Session, reader: Reader) -> None:
    """No arguments."""
    reader.end()


async def check(state: Session, reader: Reader) -> None:
    """No arguments. Every change is on disk when it is answered, so there is nothing to write out."""
    reader.end()
