"""NAMESPACE (RFC 2342, RFC 9051 section 6.3.10): one personal namespace without prefix, `/` between levels."""

from __future__ import annotations

from mailkit.imap.responses import untagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def namespace(state: Session, reader: Reader) -> None:
    """No arguments."""
    reader.end()
    state.conn.write(untagged(b'NAMESPACE (("" "/")) NIL NIL'))
