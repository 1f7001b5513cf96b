"""The INBOX of one user as one POP3 session sees it: numbered, fixed, and changed only at the end.

What lives here: numbers to UIDs, sizes, unique names; the lock that keeps a second POP3 session out; the removal at
QUIT. What does not: how messages are stored (mailkit.maildir), what is said to the client.

Files, in the Maildir itself:

    mailkit-pop3.lock       flock(2)ed while a session has the maildrop (RFC 1939 4); IMAP and deliveries do not look at
                            it. Its mtime is the time of the last login (LOGIN-DELAY).
    mailkit-pop3.expunge    what a QUIT is removing, durable before the first message goes:

                            V1700000000
                            12
                            15

Invariant: of the messages marked at QUIT either all go or none (RFC 1939 6). No file system removes two files at once,
so a removal that a crash cut short is finished by the next login: the list is there or it is not.
"""

from __future__ import annotations

import os

from mailkit import clock, files, log
from mailkit.exits import Temp
from mailkit.maildir import folder, journal, reading, save
from mailkit.maildir.marks import SEEN
from mailkit.pop3 import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array

    from mailkit.maildir.table import Table
    from mailkit.users.passwd import User

_LOCK = "mailkit-pop3.lock"
_LIST = "mailkit-pop3.expunge"
_BATCH = 1000  # sizes that are told to the store at once


class Busy(Exception):
    """Another session has this maildrop."""


class TooSoon(Exception):
    """The last login was too short a time ago; `seconds` are left."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Maildrop:
    """An open maildrop. Messages are numbered from 1 in UID order.

    count, octets, sizes: of all messages, as the wire has them, marks left out. deleted, fetched: numbers.
    names: the unique name of each message (RFC 1939 7), None before `read_names`. changed: how many of their files we
    have renamed or removed.
    Everything here blocks for as long as a disk does: conn.offload it, but for `open`, which is for one message.
    """

    __slots__ = (
        "_folder", "_lock", "_path", "_uids", "changed", "count", "deleted", "fetched", "names", "octets", "sizes",
        "user",
    )  # fmt: skip

    def __init__(self, user: User, delay_s: int = 0) -> None:
        """Busy, TooSoon, OSError; Temp when the store cannot be locked."""
        self.user = user
        self._path = user.maildir
        save.ensure(self._path)
        self.changed = 0
        self._lock = _locked(self._path, delay_s)
        try:
            self._folder = folder.open(self._path)
        except BaseException:
            os.close(self._lock)
            raise
        try:
            self._folder.sync()
            self._finish_removal()
            # Other sessions add rows to the table behind our last one; ours are copied.
            table = self._folder.table
            self._uids = table.uids[:]
            self.count = len(self._uids)
            self.sizes = self._sizes(table)
        except BaseException:
            self.close()
            raise
        self.octets = sum(self.sizes)
        self.names: list[str] | None = None
        self.deleted: set[int] = set()
        self.fetched: set[int] = set()

    def close(self) -> None:
        """Let the next session in, if `unlock` has not. What is marked stays."""
        self._folder.close()
        self.unlock()

    def unlock(self) -> None:
        """Let the next session in, before `settle` and `close`."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    def settle(self) -> None:
        """After our own changes: do what the next session would have to wait for."""
        try:
            self._folder.settle(self.changed)
        except (OSError, Temp):
            pass  # the next session meets the same, and says so

    def open(self, number: int) -> int | None:
        """A descriptor of a message; None when another program has removed it."""
        try:
            return self._folder.open_file(self._uids[number - 1])
        except FileNotFoundError:
            return None

    def read_names(self) -> list[str]:
        """Find `names`."""
        self.names = names.of_messages(self._path, self._folder.uidvalidity, self._uids, self._bases)
        return self.names

    def remove(self) -> int:
        """Remove what is marked; how many messages that were. OSError when some could not be removed.

        A crash here leaves all, or a list from which the next login removes the rest.
        """
        if not self.deleted:
            return 0
        uids = [self._uids[number - 1] for number in sorted(self.deleted)]
        if len(uids) > 1:
            lines = [f"V{self._folder.uidvalidity}", *map(str, uids)]
            files.replace(os.path.join(self._path, _LIST), "\n".join(lines).encode() + b"\n")
        self._expunge(uids)
        return len(uids)

    def mark_fetched(self) -> None:
        """Messages that were retrieved have been seen. OSError."""
        uids = [self._uids[number - 1] for number in self.fetched - self.deleted]
        if uids:
            self.changed += len(uids)
            self._folder.store(uids, add=SEEN)

    def _expunge(self, uids: list[int]) -> None:
        """Remove these, durably, and then the list; also when the file system refuses, for it would refuse again."""
        self.changed += len(uids)
        try:
            self._folder.expunge(uids)
            for name in ("cur", "new"):
                files.sync_dir(os.path.join(self._path, name))
        finally:
            files.unlink(os.path.join(self._path, _LIST), missing_ok=True)

    def _finish_removal(self) -> None:
        """Do the rest of a removal that was cut short."""
        try:
            with open(os.path.join(self._path, _LIST), "rb") as file:
                first, *lines = file.read().split(b"\n")
        except FileNotFoundError:
            return
        uids = []
        # Numbers of an older life of this folder mean nothing now; neither does a list that others wrote into.
        if first == b"V%d" % self._folder.uidvalidity and all(line.isdigit() for line in lines[:-1]):
            uids = [int(line) for line in lines[:-1]]
        log.event("maildrop", user=self.user.address, verdict="resumed", messages=len(uids))
        try:
            self._expunge([uid for uid in uids if self._folder.row(uid) is not None])
        except OSError as error:
            detail = f"{error.filename}: {error.strerror}"
            log.event("maildrop", user=self.user.address, verdict="not-removed", error=detail)

    def _sizes(self, table: Table) -> array[int]:
        """Octets of each message with CRLF for every line end; what the store does not know yet is told to it."""
        sizes = table.detail.sizes[: self.count]
        unknown = [row for row, size in enumerate(sizes) if not size] if 0 in sizes else []
        for first in range(0, len(unknown), _BATCH):
            measured = []
            for row in unknown[first : first + _BATCH]:
                sizes[row] = self._measured(self._uids[row])
                measured.append((self._uids[row], sizes[row]))
            self._folder.commit([journal.sized(measured)])
        return sizes

    def _measured(self, uid: int) -> int:
        try:
            return reading.wire_size(self._folder.read(uid))
        except FileNotFoundError:
            return 0  # removed a moment ago: RETR will say so

    def _bases(self) -> list[bytes]:
        table = self._folder.table
        if table.uids[: self.count] != self._uids:  # some were removed since
            known = dict(zip(table.uids, table.detail.bases(), strict=False))
            return [known.get(uid, b"") for uid in self._uids]
        return table.detail.bases()[: self.count]


def _locked(maildir: str, delay_s: int) -> int:
    """A descriptor that holds the lock. Busy, TooSoon."""
    path = os.path.join(maildir, _LOCK)
    try:
        last = os.stat(path).st_mtime
    except FileNotFoundError:
        last = 0.0
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not files.lock(fd):
            raise Busy
        now = clock.now()
        if last <= now < last + delay_s:
            raise TooSoon(int(last + delay_s - now) + 1)
        files.utime(path, now)
    except BaseException:
        os.close(fd)
        raise
    return fd
