"""STATUS (RFC 9051 section 6.3.11).

Besides: APPENDLIMIT (RFC 7889), HIGHESTMODSEQ (RFC 7162), MAILBOXID (RFC 8474), DELETED-STORAGE (RFC 9208).
"""

from __future__ import annotations

from mailkit.imap import modseq
from mailkit.imap.capability import append_limit
from mailkit.imap.folders import tree
from mailkit.imap.messages.sections import unreadable
from mailkit.imap.responses import mailbox, mailbox_id, untagged
from mailkit.imap.wire import Bad
from mailkit.maildir import folder as folders
from mailkit.maildir.marks import DELETED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.maildir.folder import Folder

ITEMS = (
    "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "APPENDLIMIT", "HIGHESTMODSEQ",
    "DELETED-STORAGE", "MAILBOXID",
)  # fmt: skip


async def status(state: Session, reader: Reader) -> None:
    """mailbox SP "(" status-att *(SP status-att) ")"."""
    name = reader.mailbox()
    reader.space()
    items = read_items(reader)
    reader.end()
    path = await tree.path_of(state, name)
    if "HIGHESTMODSEQ" in items:
        modseq.enable(state)
    state.conn.write(await line(state, name, path, items))


def read_items(reader: Reader) -> list[str]:
    """The list of what is wanted. Bad: empty, or unknown items."""
    items = [word.decode("ascii").upper() for word in reader.words()]
    if not items or any(item not in ITEMS for item in items):
        raise Bad("STATUS knows " + " ".join(ITEMS))
    return items


async def line(state: Session, name: str, path: str, items: list[str]) -> bytes:
    """The STATUS response of one folder."""
    found = await tree.attempt(state, folders.status, path)
    size, deleted = found.size, 0
    if found.unsized and "SIZE" in items:
        size = await tree.attempt(state, total_size, path, 0)
    if found.deleted and "DELETED-STORAGE" in items:
        deleted = await tree.attempt(state, total_size, path, DELETED)
    numbers = {
        "MESSAGES": found.messages, "RECENT": found.fresh, "UIDNEXT": found.uidnext, "UIDVALIDITY": found.uidvalidity,
        "UNSEEN": found.unseen, "DELETED": found.deleted, "SIZE": size, "APPENDLIMIT": append_limit(state),
        "HIGHESTMODSEQ": found.highestmodseq, "DELETED-STORAGE": deleted,
    }  # fmt: skip
    identity = b"(%b)" % mailbox_id(found.guid.hex())
    values = [item.encode("ascii") + b" " + (b"%d" % numbers[item] if item in numbers else identity) for item in items]
    return untagged(b"STATUS", mailbox(name, state.utf8), b"(" + b" ".join(values) + b")")


def total_size(path: str, marks: int) -> int:
    """Octets of all messages with these marks, by reading those whose size nobody wrote down. Blocking."""
    folder = folders.open(path)
    try:
        folder.sync()
        table = folder.table
        chosen = [uid for uid, found in zip(table.uids, table.marks, strict=True) if found & marks == marks]
        return sum(size_of(folder, uid) for uid in chosen)
    finally:
        folder.close()


def size_of(folder: Folder, uid: int) -> int:
    """Octets of one message, 0 when it cannot be read."""
    try:
        return folder.size(uid)
    except OSError as error:
        unreadable(uid, error)
        return 0
