"""CAPABILITY: what this server can do (RFC 9051 section 6.1.1)."""

from __future__ import annotations

from mailkit.imap import capability as capabilities
from mailkit.imap.responses import untagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def capability(state: Session, reader: Reader) -> None:
    """No arguments."""
    reader.end()
    state.conn.write(untagged(b"CAPABILITY", capabilities.line(state)))
