"""One queue entry under its lock.

A claim holds flock(2) on the file, so of several runners (and mailq) one works on it. The lock belongs to the file,
not to the name: whoever renames the entry into hold/ or removes it while it is claimed changes only where it is next;
the claim notices when it wants to rename or remove it, and leaves it as that person left it, with what was done
marked in it.

What is on disk if we die at any step: the entry, with every recipient marked whose delivery was reported before. So
nothing is lost, and what may be repeated is what was in flight.
"""

from __future__ import annotations

import os

from mailkit import files, log
from mailkit.control import Home
from mailkit.queue import entry, name, spare
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.name import Name

_FIRST_READ = 64 << 10  # octets: envelope and message of most entries in one read


class Damaged(Exception):
    """The file is not a whole queue entry; the text says why."""


class Busy(Exception):
    """Somebody else is working on the entry."""


class Claim:
    """A locked entry. fd: the file, open for reading and writing. offset: where the message begins in it.
    head: the first octets of the message, all of them when it is small. It ends with finish, defer or release."""

    __slots__ = ("_queue", "envelope", "fd", "head", "name", "offset", "path", "resting")

    def __init__(self, queue: str, path: str, name: Name, fd: int, octets: int) -> None:
        self._queue = queue
        self.path = path
        self.name = name
        self.fd = fd
        self.resting = False
        self.envelope, self.offset, self.head = _read(fd, octets, name.size)

    def mark(self, recipients: list[Recipient], status: str, late: bool = False) -> None:
        """Write what became of recipients. It survives our death at once, and a power failure after `sync`.

        A disk that refuses is named in the log; the mark then lives in this object, which is kept until the entry
        could be finished or deferred. late: `finish` comes next, and writes the mark if the file is to stay.
        """
        for recipient in recipients:
            recipient.status = status
            if not late:
                self._overwrite(recipient.at, status.encode())

    def note(self, text: str) -> None:
        """Leave a line for people: why it is still here."""
        self._overwrite(entry.NOTE_AT, entry.note(text))

    def sync(self) -> None:
        """The marks are on disk. OSError."""
        files.sync(self.fd)

    def _overwrite(self, offset: int, data: bytes) -> None:
        try:
            files.overwrite(self.fd, offset, data, durable=False)
        except OSError as error:
            log.event("queue", q=self.name.id, operation="mark", error=error.strerror)

    def defer(self, due: float, attempts: int) -> bool:
        """Put it off until `due` (Unix seconds), with so many attempts counted, and let go.

        False when somebody moved or removed it meanwhile: then that stands. OSError: nothing changed, it is still
        ours.
        """
        later = self.name.at(int(due), attempts)
        path = f"{self._queue}/cur/{later}"
        moved = True
        try:
            if path != self.path:
                files.rename(self.path, path)
            self.name, self.path = later, path
        except FileNotFoundError:
            moved = False
        self.release()
        return moved

    def finish(self, keep: str = "") -> bool:
        """Everybody is marked: remove it and let go. False and OSError as for `defer`.

        The removal is not synced: after a power failure the last few deliveries may repeat; none is lost.
        keep: where the file may go to be used again (Keeper.place); it went there if `resting` says so.
        """
        removed = True
        try:
            if not (keep and self._kept(keep)):
                files.unlink(self.path)
        except FileNotFoundError:
            removed = False  # in hold/ perhaps: the marks keep everything from being repeated
            for recipient in self.envelope.recipients:
                self._overwrite(recipient.at, recipient.status.encode())
        self.release()
        return removed

    def _kept(self, place: str) -> bool:
        """Move the file to `place` if it may be used again and there is such a directory."""
        if spare.keepable(self.fd):
            try:
                files.rename(self.path, place)
                self.resting = True
            except FileNotFoundError:
                pass
        return self.resting

    def release(self) -> None:
        """Let go, leaving the entry where it is."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def claim(home: Home, directory: str, filename: str, parsed: Name | None = None) -> Claim | None:
    """Lock and read the entry HOME/queue/`directory`/`filename`. parsed: its name, where that is known.

    None when it is gone or damaged; a damaged one is moved to failed/ with a log line that says why. Busy when
    somebody else has it. OSError when the disk fails.
    """
    parsed = parsed or name.parse(filename)
    if parsed is None:
        return None
    path = f"{home.queue}/{directory}/{filename}"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not files.lock(fd):
            raise Busy(filename)
        status = os.fstat(fd)
        if not _is_at(path, status):
            os.close(fd)
            return None
        return Claim(home.queue, path, parsed, fd, status.st_size)
    except Damaged as damage:
        os.close(fd)
        set_aside(home, directory, filename, str(damage))
        return None
    except BaseException:
        os.close(fd)
        raise


def set_aside(home: Home, directory: str, filename: str, why: str) -> None:
    """Move an entry to failed/, where nothing touches it, and say why in the log."""
    target = os.path.join(home.queue, "failed", filename)
    log.event("damaged", file=f"{directory}/{filename}", why=why, moved="failed")
    try:
        files.rename(os.path.join(home.queue, directory, filename), target)
    except FileNotFoundError:
        pass  # whoever looks after the queue was faster


def _is_at(path: str, opened: os.stat_result) -> bool:
    """Is `path` still the name of the open file? Another runner may have finished it between our open and our lock."""
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (named.st_ino, named.st_dev) == (opened.st_ino, opened.st_dev)


def _read(fd: int, total: int, size: int) -> tuple[Envelope, int, bytes]:
    """Envelope, offset and first octets of the message, of `size` octets, in a file of `total`. Damaged."""
    data = os.pread(fd, _FIRST_READ, 0)
    while True:
        try:
            envelope, offset = entry.decode(data)
            break
        except EOFError as error:
            if len(data) >= min(total, entry.LARGEST):
                raise Damaged(str(error))
            data = os.pread(fd, min(total, len(data) * 4), 0)
        except ValueError as error:
            raise Damaged(str(error))
    if total - offset != size:
        raise Damaged(f"the message has {total - offset} octets, the name says {size}")
    return envelope, offset, data[offset:]
