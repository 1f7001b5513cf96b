"""A new queue entry: streamed in, durable when commit returns.

What is on disk if we die: before commit, nothing or a file in tmp/ that the runner removes after 36 hours; after
commit the entry in new/. The message was not accepted until commit returned, so nothing is ever lost here.

A message that is held in memory is written under a name that says how to tell that it is whole (queue.name), and is
admitted: a power failure may take back its name in new/, and queue.recovery gives it that again. So commit waits for
one sync where it shares one with others. A larger one is published, which takes two.
"""

from __future__ import annotations

import os

from mailkit import clock, files
from mailkit.control import Home
from mailkit.exits import Temp
from mailkit.queue import entry, spare
from mailkit.queue.name import Name

DIRECTORIES = ("tmp", "new", "cur", "hold", "failed", "free", "ready")
_HELD_MOST = 128 << 10  # octets kept in memory: a small message costs one write, an aborted one none


class Spool:
    """One message on its way into the queue: begin, write..., then commit or abort."""

    __slots__ = ("_due", "_envelope", "_fd", "_held_octets", "_parts", "_queue", "_tmp", "id", "size")

    def __init__(self, home: Home) -> None:
        self._queue = home.queue
        self._reset()

    def _reset(self) -> None:
        self._fd = -1
        self._tmp = ""
        self._envelope: entry.Envelope | None = None  # until it is written
        self._parts: list[bytes] = []
        self._held_octets = 0
        self._due = 0
        self.id = ""
        self.size = 0  # octets of the message so far

    def begin(self, envelope: entry.Envelope, due: float | None = None, id: str = "") -> str:
        """Start an entry; returns its id, a new one unless given. `due`: Unix seconds of the first attempt, now unless
        given.

        ValueError when the envelope has no recipients.
        """
        if not envelope.recipients:
            raise ValueError("a queue entry needs a recipient")
        self.abort()
        now = clock.now()
        envelope.params.setdefault("arrived", str(int(now)))
        self._due = int(now if due is None else due)
        self.id = id or clock.token(8)
        self._tmp = f"{self._queue}/tmp/{self.id}"
        self._envelope = envelope
        return self.id

    @property
    def held(self) -> bytes | None:
        """The message so far, while all of it is in memory."""
        return b"".join(self._parts) if self._envelope is not None else None

    def write(self, data: bytes) -> None:
        """Add octets of the message, lines ending in LF. Temp when the disk refuses them."""
        self._parts.append(bytes(data))
        self.size += len(data)
        self._held_octets += len(data)
        if self._held_octets >= _HELD_MOST:
            self._spill()

    async def commit(self) -> str:
        """Make it durable; returns the id. Temp when that failed: then nothing was queued."""
        id = self.id
        name = Name(self._due, 0, id, self.size)
        is_held = self._envelope is not None
        if is_held:
            data = self._gathered()
            self._parts = [data]
            self._tmp = f"{self._queue}/tmp/{name.sealed(data)}"
        self._spill(whole=is_held)
        fd, self._fd = self._fd, -1
        try:
            await (files.admit if is_held else files.publish)(fd, self._tmp, f"{self._queue}/new/{name}")
        except OSError as error:
            tmp = self._tmp
            self._reset()
            _forget(tmp)
            raise _refused(error, tmp)
        self._reset()
        return id

    def abort(self) -> None:
        """Forget it: nothing is queued. Harmless at any time."""
        fd, tmp = self._fd, self._tmp
        self._reset()
        if fd >= 0:
            os.close(fd)
            _forget(tmp)

    def _spill(self, whole: bool = False) -> None:
        """Write what is held. whole: that is all of the entry."""
        data = self._gathered()
        try:
            reused = self._fd < 0 and self._opened(whole and len(data) <= spare.LARGEST)
            files.write(self._fd, data)
            if reused:
                files.truncate(self._fd, len(data))
        except OSError as error:
            tmp = self._tmp
            self.abort()
            raise _refused(error, tmp)
        self._parts.clear()
        self._held_octets = 0

    def _gathered(self) -> bytes:
        """What is held, led by the envelope if that is not written yet."""
        envelope, self._envelope = self._envelope, None
        head = [entry.encode(envelope)] if envelope is not None else []
        return b"".join(head + self._parts)

    def _opened(self, small: bool) -> bool:
        """Open the file in tmp/. True when it is a spare one, which holds something yet."""
        if small:
            self._fd = spare.take(self._queue, self._tmp)
        is_spare = self._fd >= 0
        if not is_spare:
            self._fd = files.create(self._tmp)
            if os.geteuid() == 0:
                _give(self._fd, f"{self._queue}/tmp")
        files.lock(self._fd)  # whoever has it already looks whether the file is whole, and finds that it is not
        return is_spare


def _give(fd: int, directory: str) -> None:
    """What root queues by hand belongs to whom the queue belongs to: the runner must be able to read it."""
    owner = os.stat(directory)
    if (owner.st_uid, owner.st_gid) != (0, 0):
        files.chown(fd, owner.st_uid, owner.st_gid)


def prepare(home: Home) -> None:
    """Make the queue's directories where they are missing."""
    files.mkdir(home.queue, exist_ok=True)
    for name in DIRECTORIES:
        files.mkdir(os.path.join(home.queue, name), exist_ok=True)
    drop = os.path.join(home.queue, "drop")
    if not os.path.isdir(drop):
        files.mkdir(drop)
        os.chmod(drop, 0o1733)  # queue.drop says why
        os.chmod(home.queue, 0o711)


def _forget(tmp: str) -> None:
    try:
        files.unlink(tmp, missing_ok=True)
    except OSError:
        pass  # the runner clears tmp/


def _refused(error: OSError, tmp: str) -> Temp:
    detail = f"queue {error.filename or tmp}: {error.strerror}"
    if files.full(error):
        return Temp("no room to queue the message", code="4.3.1", detail=detail)
    return Temp("the queue cannot be written now", code="4.3.0", detail=detail)
