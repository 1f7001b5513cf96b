"""CANCELUPDATE (RFC 5267 section 4.3.5)."""

from __future__ import annotations

from mailkit.imap.responses import No
from mailkit.imap.searching import contexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def cancelupdate(state: Session, reader: Reader) -> str:
    """1*(SP tag), each quoted."""
    tags = [reader.quoted()]
    while not reader.done:
        reader.space()
        tags.append(reader.quoted())
    if not contexts.cancel(state, tags):
        raise No("Of such a search nothing was told any more", "CANNOT")
    return "No further updates"
