"""REPLACE and UID REPLACE (RFC 8508): a new version of a message takes the place of the old one."""

from __future__ import annotations

from mailkit.imap import intake, modseq, replies, selection
from mailkit.imap.commands.append import store
from mailkit.imap.folders import room
from mailkit.imap.responses import No
from mailkit.imap.wire import sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def replace(state: Session, reader: Reader) -> str | None:
    """number SP mailbox [SP flags] [SP date-time] SP message, as APPEND takes it."""
    return await run(state, reader, by_uid=False)


async def uid_replace(state: Session, reader: Reader) -> str | None:
    """The same with a UID."""
    return await run(state, reader, by_uid=True)


async def run(state: Session, reader: Reader, by_uid: bool) -> str | None:
    """Store the new message, then remove the old one: a crash between leaves both (RFC 8508 section 3.4)."""
    asked = sets.read(reader)
    reader.space()
    intake.writable(state, "te")
    chosen = selection.uids(state, selection.numbers(state, asked, by_uid))
    if len(chosen) != 1:
        raise No("REPLACE is of one message that is there", "NONEXISTENT")
    view = state.view
    assert view is not None
    octets = room.total(view.folder, chosen)
    text = await store(state, reader, most=1, freed=octets)
    replies.tell(state, text)
    gone = await state.conn.offload(view.folder.expunge, chosen)
    await room.went(state, octets, len(gone))
    return modseq.after_removal(state, bool(gone), "UID REPLACE completed" if by_uid else "REPLACE completed")
