"""SUBSCRIBE and UNSUBSCRIBE (RFC 9051 section 6.3.7, 6.3.8)."""

from __future__ import annotations

from mailkit.imap.folders import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def subscribe(state: Session, reader: Reader) -> None:
    """mailbox, which must exist: a typing error would stay in every client's list for ever."""
    name = reader.mailbox()
    reader.end()
    await tree.mailbox(state, name, "l")
    await tree.attempt(state, tree.of(state).subscribe, name)


async def unsubscribe(state: Session, reader: Reader) -> None:
    """mailbox, there or not."""
    name = reader.mailbox()
    reader.end()
    await tree.attempt(state, tree.of(state).unsubscribe, name)
