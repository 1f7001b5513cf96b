"""CLOSE and UNSELECT (RFC 9051 section 6.4.1, 6.4.2)."""

from __future__ import annotations

from mailkit.imap import selection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def close(state: Session, reader: Reader) -> None:
    """No arguments. Deleted messages go, and nothing is told about it."""
    from mailkit.imap.commands.expunge import expunge_deleted

    reader.end()
    assert state.view is not None
    assert state.mailbox is not None
    if not state.view.readonly and "e" in state.mailbox.rights():
        await expunge_deleted(state)
    await unselect(state, reader)


async def unselect(state: Session, reader: Reader) -> None:
    """No arguments. Deleted messages stay."""
    reader.end()
    selection.release(state)
