"""Files of finished entries, written again for new ones.

    queue/free/.ID      an entry that is finished; that its old name is gone may not be on disk yet
    queue/free/17       a file to be used again; what it holds is of no meaning

Making and removing a file is what costs a small message most: on ext4 five times as much time, and twice the CPU, as
writing one that is there (its inode, its blocks and its place in the directory are found already). So the runner
keeps some files of finished entries, and inject takes them: rename into tmp/, overwrite, cut to length.

Invariant: a file comes to be used again only when its old name is gone from the disk. Otherwise a power failure could
bring the old name back, with the octets of two messages behind it. So it rests as .ID until the directories it
was in were synced.

There are no more than control/spares of them, none larger than LARGEST. Files with a second name are not kept:
somebody made that name to have the message. All may be deleted at any time.
"""

from __future__ import annotations

import os

from mailkit import clock, files
from mailkit.control import Home

LARGEST = 64 << 10  # octets of envelope and message
_LOOK_EVERY_S = 0.1
_PASSED = ("cur", "new", "free", "tmp")  # where names of a finished entry may be; one that moves on is on disk first

_known: dict[str, list[str]] = {}  # path of free/ -> names that were there when it was listed
_again: dict[str, float] = {}  # path of free/ -> when it is worth while to list it again; monotonic


def take(queue: str, tmp: str) -> int:
    """A descriptor for writing a spare file, at `tmp` now; -1 when there is none. To be cut to length at the end."""
    free = f"{queue}/free"
    names = _known.setdefault(free, [])
    if not names and clock.monotonic() >= _again.get(free, 0.0):
        names += _listed(free)
    while names:
        try:
            files.rename(f"{free}/{names.pop()}", tmp)
            return os.open(tmp, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            continue  # another process was faster
    return -1


def _listed(free: str) -> list[str]:
    try:
        found = [name for name in os.listdir(free) if not name.startswith(".")]
    except OSError:
        found = []  # not there; or GlusterFS, which may say EACCES while the other host renames: a new file will do
    if not found:
        _again[free] = clock.monotonic() + _LOOK_EVERY_S
    return found


def keepable(fd: int) -> bool:
    """May the file of a finished entry be used again?"""
    status = os.fstat(fd)
    return status.st_nlink == 1 and status.st_size <= LARGEST


class Keeper:
    """The runner's side: what rests, and what is free."""

    __slots__ = ("_free", "_queue", "_resting", "_slot", "most")

    def __init__(self, home: Home) -> None:
        self._queue = home.queue
        self._free = os.path.join(home.queue, "free")
        self._resting: list[str] = []
        self._slot = 0
        self.most = home.control.number("spares")

    def rest(self, name: str) -> None:
        """The file `name` in free/ was an entry until now."""
        self._resting.append(name)

    async def release(self) -> None:
        """Sync what has happened so far, and free what rested. OSError: then it rests until `clear` removes it."""
        while self._resting:
            resting, self._resting = self._resting, []
            await files.settle([os.path.join(self._queue, part) for part in _PASSED])
            for name in resting:
                self._slot = (self._slot + 1) % self.most
                files.rename(f"{self._free}/{name}", f"{self._free}/{self._slot}")

    def clear(self) -> None:
        """Remove what runners that died left resting: nothing rests for an hour."""
        old = clock.now() - 3600
        for changed, path in files.ages(self._free):
            if os.path.basename(path).startswith(".") and changed < old:
                files.unlink(path, missing_ok=True)
