"""RENAME (RFC 9051 section 6.3.6); of INBOX it moves the messages, INBOX stays."""

from __future__ import annotations

from mailkit.imap.folders import target, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def rename(state: Session, reader: Reader) -> None:
    """mailbox SP mailbox. What is below it goes with it."""
    old = reader.mailbox()
    reader.space()
    new = reader.mailbox()
    reader.end()
    target.release(state)
    await tree.attempt(state, tree.of(state).rename, old, tree.new_name(state, new))
