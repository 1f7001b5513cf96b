"""SELECT and EXAMINE (RFC 9051 section 6.3.2, 6.3.3)."""

from __future__ import annotations

from mailkit.imap import modseq, news, replies, selection, uidonly
from mailkit.imap.commands import SELECTED
from mailkit.imap.folders import tree
from mailkit.imap.responses import mailbox_id
from mailkit.maildir import folder as folders
from mailkit.maildir.marks import SEEN
from mailkit.maildir.table import NEW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.maildir.view import View


WRITING = "eistw"
"""Rights any of which makes a mailbox READ-WRITE; flags are shared by all who see it (RFC 4314 section 5.2)."""


async def select(state: Session, reader: Reader) -> str:
    """mailbox [parameters]."""
    return await enter(state, reader, readonly=False)


async def examine(state: Session, reader: Reader) -> str:
    """mailbox; nothing may be changed, and \\Recent stays."""
    return await enter(state, reader, readonly=True)


async def enter(state: Session, reader: Reader, readonly: bool) -> str:
    """Leave the old folder, whatever becomes of the new one, and describe the new one."""
    name = reader.mailbox()
    enabling, resync = modseq.read_select(state, reader)
    reader.end()
    leave(state)
    if enabling:
        modseq.enable(state)
    mailbox = await tree.mailbox(state, name, "r")
    readonly = readonly or not set(WRITING) & set(mailbox.granted())
    state.view = await state.conn.offload(opened, mailbox.directory, readonly)
    state.mailbox = mailbox
    state.state = SELECTED
    describe(state, await listed(state, name) if news.rev2(state) else b"")
    if resync is not None:
        await news.tell_flags(state, modseq.catch_up(state, state.view, resync))
    return "[READ-ONLY] Read only" if state.view.readonly else "[READ-WRITE] Selected"


def opened(path: str, readonly: bool) -> View:
    """The view of a folder. Blocking."""
    folder = folders.open(path)
    try:
        view = folder.view(readonly or not folder.writable)
        if view.readonly:
            view.recent = unclaimed(view)
        return view
    except BaseException:
        folder.close()
        raise


def unclaimed(view: View) -> set[int]:
    """UIDs of messages that no session has been told of as \\Recent, nor will be by an EXAMINE."""
    table = view.folder.table
    if not table.fresh:
        return set()
    return {uid for uid, where in zip(table.uids, table.where, strict=True) if where & NEW}


def leave(state: Session) -> None:
    """No folder is selected any more; [CLOSED] parts what concerned the old one from the new (RFC 9051 section 7.1)."""
    if state.view is not None:
        selection.release(state)
        replies.tell(state, "The mailbox selected before is closed", "CLOSED")


async def listed(state: Session, name: str) -> bytes:
    """The LIST response of the folder: its attributes are those that LIST would say (RFC 9051 section 6.3.2)."""
    from mailkit.imap.commands import list as lists  # few clients have enabled IMAP4rev2
    from mailkit.imap.folders import listing

    request = lists.Request()
    request.patterns = [name]
    known = await tree.attempt(state, listing.Known, tree.of(state), [name])
    found = listing.entries(known, request) or [listing.Entry(name, [], selectable=True)]
    return b"* LIST " + lists.shown(state, found[0])


def describe(state: Session, listing: bytes) -> None:
    """The untagged responses of SELECT; listing: that of LIST."""
    view = state.view
    assert view is not None
    folder = view.folder
    news.tell_defined(state)
    state.conn.write(b"* %d EXISTS\r\n" % view.count)
    if news.rev2(state):
        # RFC 9051 section 6.3.2: LIST is required, RECENT and UNSEEN are gone.
        state.conn.write(listing)
    else:
        state.conn.write(b"* %d RECENT\r\n" % len(view.recent))
        unseen = 0 if uidonly.enabled(state) else first_unseen(view)
        if unseen:
            replies.tell(state, "The first unseen message", f"UNSEEN {unseen}")
    replies.tell(state, "UIDs are valid", f"UIDVALIDITY {folder.uidvalidity}")
    replies.tell(state, "The next UID", f"UIDNEXT {folder.uidnext}")
    replies.tell(state, "Its name for ever", f"MAILBOXID ({mailbox_id(folder.guid).decode('ascii')})")
    replies.tell(state, "How URLs are authorized", "URLMECH INTERNAL")  # RFC 4467 section 8
    modseq.tell_highest(state, view)


def first_unseen(view: View) -> int:
    """The number of the first message without \\Seen, 0 when there is none."""
    table, rows = view.rows(1, view.count)
    if not table.unseen:
        return 0
    marks = table.marks
    return next((number for number, row in enumerate(rows, 1) if row >= 0 and not marks[row] & SEEN), 0)
