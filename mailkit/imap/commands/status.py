"""STATUS (RFC 9051 section 6.3.11), with SIZE (RFC 8438), DELETED and APPENDLIMIT (RFC 7889)."""

from __future__ import annotations

from mailkit.imap import modseq, tree
from mailkit.imap.capability import append_limit
from mailkit.imap.responses import mailbox, untagged
from mailkit.imap.wire import Bad
from mailkit.maildir import folder as folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader

ITEMS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "APPENDLIMIT", "HIGHESTMODSEQ")


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
    size = found.size
    if found.unsized and "SIZE" in items:
        size = await tree.attempt(state, total_size, path)
    numbers = {
        "MESSAGES": found.messages, "RECENT": found.fresh, "UIDNEXT": found.uidnext, "UIDVALIDITY": found.uidvalidity,
        "UNSEEN": found.unseen, "DELETED": found.deleted, "SIZE": size, "APPENDLIMIT": append_limit(state),
        "HIGHESTMODSEQ": found.highestmodseq,
    }  # fmt: skip
    values = [b"%b %d" % (item.encode("ascii"), numbers[item]) for item in items]
    return untagged(b"STATUS", mailbox(name, state.utf8), b"(" + b" ".join(values) + b")")


def total_size(path: str) -> int:
    """Octets of all messages, by reading those whose size nobody wrote down. Blocking."""
    folder = folders.open(path)
    try:
        folder.sync()
        return sum(folder.size(uid) for uid in folder.table.uids)
    finally:
        folder.close()
