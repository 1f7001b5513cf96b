"""DELETE (RFC 9051 section 6.3.5)."""

from __future__ import annotations

from mailkit.imap.folders import target, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def delete(state: Session, reader: Reader) -> None:
    """mailbox. Sessions that have it selected find it gone."""
    name = reader.mailbox()
    reader.end()
    target.release(state)
    await tree.attempt(state, tree.of(state).delete, name)
