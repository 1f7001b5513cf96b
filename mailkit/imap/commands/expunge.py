"""EXPUNGE (RFC 9051 section 6.4.3) and UID EXPUNGE (section 6.4.9, RFC 4315)."""

from __future__ import annotations

from mailkit.imap import intake, limits, modseq, selection
from mailkit.imap.folders import room
from mailkit.imap.wire import sets
from mailkit.maildir.marks import DELETED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.imap.wire.sets import Ranges

BLOCK, BLOCKS_MOST = 2500, 8
"""Messages for which the folder is ours; not more blocks than that, as each costs a new table of what is left."""


async def expunge(state: Session, reader: Reader) -> str | None:
    """No arguments. The EXPUNGE responses are told like everybody's, at the end of the command."""
    reader.end()
    intake.writable(state, "e")
    return modseq.after_removal(state, await expunge_deleted(state), "Expunged")


async def uid_expunge(state: Session, reader: Reader) -> str | None:
    """UID set: of the deleted messages only these."""
    asked = sets.read(reader)
    reader.end()
    intake.writable(state, "e")
    removed = await expunge_deleted(state, selection.numbers(state, asked, by_uid=True))
    return modseq.after_removal(state, removed, "Expunged")


async def expunge_deleted(state: Session, among: Ranges | None = None) -> bool:
    """Remove the messages of the view that are \\Deleted now, by whomever; were there any?"""
    view = state.view
    assert view is not None
    if view.folder.stale():
        await state.conn.offload(view.folder.sync)
    gone: list[int] = []
    for first, last in [(1, view.count)] if among is None else among:
        table, rows = view.rows(first, last)
        gone += [table.uids[row] for row in rows if row >= 0 and table.marks[row] & DELETED]
    if among is not None:
        gone = limits.newest(state, gone)
    if not gone:
        return False
    octets = room.total(view.folder, gone)
    removed: list[int] = []
    block = max(BLOCK, len(gone) // BLOCKS_MOST)
    for start in range(0, len(gone), block):
        # Another session may take \Deleted off one of them until the folder is ours to change.
        removed += await state.conn.offload(view.folder.expunge, gone[start : start + block], DELETED)
        await intake.breathe(state, min(start + block, len(gone)), len(gone))
    await room.went(state, octets - room.total(view.folder, set(gone).difference(removed)), len(removed))
    return bool(removed)
