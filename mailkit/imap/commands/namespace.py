"""NAMESPACE (RFC 2342, RFC 9051 section 6.3.10): the personal one without prefix, others' and public folders."""

from __future__ import annotations

from mailkit.imap.folders import tree
from mailkit.imap.folders.forest import OTHERS, PUBLIC
from mailkit.imap.responses import untagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def namespace(state: Session, reader: Reader) -> None:
    """No arguments."""
    reader.end()
    if not tree.of(state).shares:
        state.conn.write(untagged(b'NAMESPACE (("" "/")) NIL NIL'))
        return
    others, public = (b'(("%b/" "/"))' % name.encode("ascii") for name in (OTHERS, PUBLIC))
    state.conn.write(untagged(b'NAMESPACE (("" "/"))', others, public))
