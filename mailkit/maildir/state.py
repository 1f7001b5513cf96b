"""What is known of a folder as a whole: the numbers of STATUS, and how the directories looked when they were read.

A State is packed at the end of everything written to mailkit-log: STATUS reads the last octets of one file. All times
are nanoseconds since 1970 as stat(2) gives them; 0 means never.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

_FORM = struct.Struct("<8I3Q6q4Qq16s")
OCTETS = _FORM.size
CUR, NEW = 1, 2  # bits of `dirty`
GRAIN_NS = 20_000_000
_TRUSTED_COST_NS = 2_000_000
_COST_FACTOR = 200


class State:
    """messages, unseen, deleted, fresh (in new/), size (known octets), unsized (messages of unknown size), uidnext,
    uidvalidity, highestmodseq; floor: the expunge history is whole for all that came after this modseq.

    cur_changed, new_changed: ctime of the directories, our own changes included. dirty: bits of directories that
    changed so shortly before or after they were listed that their time cannot vouch for the listing.
    cur_listed, new_listed: when; cur_cost, new_cost: how long it took.
    list_inode, list_octets, list_mtime, list_lines: dovecot-uidlist as far as it was read. keywords_mtime: likewise.
    top: the highest UID this index ever had.
    """

    __slots__ = (
        "cur_changed", "cur_cost", "cur_listed", "deleted", "dirty", "floor", "fresh", "guid", "highestmodseq",
        "list_inode", "list_lines", "list_mtime", "list_octets", "messages", "new_changed", "new_cost", "new_listed",
        "size", "top", "uidnext", "uidvalidity", "unseen", "unsized",
    )  # fmt: skip

    def __init__(self) -> None:
        self.uidvalidity = self.messages = self.unseen = self.deleted = self.fresh = self.unsized = 0
        self.uidnext = 1
        self.list_lines = 0
        self.size = self.highestmodseq = self.floor = 0
        self.cur_changed = self.new_changed = self.cur_listed = self.new_listed = self.cur_cost = self.new_cost = 0
        self.list_inode = self.list_octets = self.top = self.dirty = 0
        self.list_mtime = 0
        self.guid = bytes(16)

    def pack(self) -> bytes:
        """The fixed form."""
        return _FORM.pack(
            self.uidvalidity, self.uidnext, self.messages, self.unseen, self.deleted, self.fresh, self.unsized,
            self.list_lines, self.size, self.highestmodseq, self.floor,
            self.cur_changed, self.new_changed, self.cur_listed, self.new_listed, self.cur_cost, self.new_cost,
            self.list_inode, self.list_octets, self.top, self.dirty, self.list_mtime, self.guid,
        )  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes, offset: int = 0) -> State:
        """From the fixed form."""
        self = cls()
        (
            self.uidvalidity, self.uidnext, self.messages, self.unseen, self.deleted, self.fresh, self.unsized,
            self.list_lines, self.size, self.highestmodseq, self.floor,
            self.cur_changed, self.new_changed, self.cur_listed, self.new_listed, self.cur_cost, self.new_cost,
            self.list_inode, self.list_octets, self.top, self.dirty, self.list_mtime, self.guid,
        ) = _FORM.unpack_from(data, offset)  # fmt: skip
        return self

    def saw_list(self, status: os.stat_result, lines: int) -> None:
        """dovecot-uidlist was read or written as it is now."""
        self.list_inode, self.list_octets, self.list_mtime = status.st_ino, status.st_size, status.st_mtime_ns
        self.list_lines = lines

    def knows_list(self, status: os.stat_result) -> bool:
        """dovecot-uidlist is as it was."""
        return (self.list_inode, self.list_octets, self.list_mtime) == (
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
        )

    def must_list_cur(self, changed: int, now: int) -> bool:
        """cur/ has to be listed: it changed, or it may have changed behind a time stamp that cannot tell.

        Doubt is cleared up once, when the tick of the clock is over; before, another listing would leave the same.
        """
        if changed != self.cur_changed:
            return True
        return bool(self.dirty & CUR) and settled(changed, now) and _due(now, self.cur_listed, self.cur_cost)

    @property
    def costly_doubt(self) -> bool:
        """cur/ will have to be listed once more, and others will wait for that."""
        return bool(self.dirty & CUR) and self.cur_cost >= _TRUSTED_COST_NS

    def must_list_new(self, changed: int, now: int) -> bool:
        """The same for new/, which is small, and where a message must not wait for the clock."""
        if changed != self.new_changed:
            return True
        return bool(self.dirty & NEW) and _due(now, self.new_listed, self.new_cost)


def _due(now: int, listed: int, cost: int) -> bool:
    """A doubtful directory is listed again when that is cheap, else so rarely that it is 1/200 of time.

    Only our own change, and one by others in the same tick of the clock, leave it doubtful; a later one shows itself.
    """
    return cost < _TRUSTED_COST_NS or not 0 <= now - listed < cost * _COST_FACTOR


def settled(changed: int, looked: int) -> bool:
    """A change after the look at `looked` would have another time: `changed` is older than the clock's grain.

    Linux stamps with a tick of 1 to 10 ms; a stamp of whole seconds is of a file system that has no finer ones.
    """
    grain = 2_000_000_000 if changed % 1_000_000_000 == 0 else GRAIN_NS
    return looked - changed > grain
