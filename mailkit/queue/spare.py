"""Files of finished entries, written again for new ones.

    queue/free/6f1d2c7a.7.ID    what was an entry until it was finished in round 7 of the runner 6f1d2c7a
    queue/free/6f1d2c7a.7       an empty file: of the rounds up to this one the old names are gone from the disk

Making and removing a file is what costs a small message most: on ext4 five times as much time, and twice the CPU, as
writing one that is there (its inode, its blocks and its place in the directory are found already). So the runner
keeps some files of finished entries, and inject takes them: rename into tmp/, overwrite, cut to length.

Invariant: a file comes to be used again only when its old name is gone from the disk. Otherwise a power failure could
bring the old name back, with the octets of two messages behind it. So it rests until the directories it was in were
synced and the empty file says so: one rename for all of a round. What a file holds that is free has no meaning.

Only where no other machine writes (mailkit.filesystem): a client of a cluster file system that has read the file as one
entry may, for a second, read that again under the name of the next.

There are no more than about control/spares of them, none larger than LARGEST. Files with a second name are not kept:
somebody made that name to have the message. All may be deleted at any time.
"""

from __future__ import annotations

import os

from mailkit import clock, files
from mailkit.control import Home

LARGEST = 64 << 10  # octets of envelope and message
_LOOK_EVERY_S = 0.1
_COUNT_EVERY_S = 1.0
_STALE_S = 3600.0  # nothing rests for an hour
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
            names[:] = _listed(free)  # another process was faster, also with the next ones
    return -1


def _listed(free: str) -> list[str]:
    """What is free, beginning anywhere: processes that list it at one time do not try for the same names."""
    try:
        found = _usable(os.listdir(free))
    except OSError:
        found = []  # not there; or GlusterFS, which may say EACCES while the other host renames: a new file will do
    if not found:
        _again[free] = clock.monotonic() + _LOOK_EVERY_S
    first = int(clock.random() * len(found))
    return found[first:] + found[:first]


def _usable(names: list[str]) -> list[str]:
    """Those of the names in free/ that are free."""
    parts = [name.split(".") for name in names]
    synced = {words[0]: int(words[1]) for words in parts if len(words) == 2 and words[1].isdecimal()}
    kept = [words for words in parts if len(words) == 3 and words[1].isdecimal()]
    return [".".join(words) for words in kept if int(words[1]) <= synced.get(words[0], -1)]


def keepable(fd: int) -> bool:
    """May the file of a finished entry be used again?"""
    status = os.fstat(fd)
    return status.st_nlink == 1 and status.st_size <= LARGEST


class Keeper:
    """The runner's side: what rests, and what is free."""

    __slots__ = ("_count", "_count_at", "_free", "_queue", "_resting", "_round", "_runner", "most")

    def __init__(self, home: Home) -> None:
        self._queue = home.queue
        self._free = os.path.join(home.queue, "free")
        self._runner = clock.token(4)
        self._round = 0
        self._resting = 0  # files of this round
        self._count = 0  # files in free/ when they were counted, and those that came since
        self._count_at = 0.0  # monotonic
        self.most = home.control.number("spares") if _is_own(home.queue) else 0

    def place(self, id: str) -> str:
        """The path in free/ for the file of an entry that is finished now, "" when there are enough of them."""
        if self._count >= self.most and clock.monotonic() >= self._count_at:
            self._counted()
        return f"{self._free}/{self._runner}.{self._round}.{id}" if self._count < self.most else ""

    def rest(self) -> None:
        """A file was renamed to its `place`."""
        self._resting += 1
        self._count += 1

    async def release(self) -> None:
        """Sync what has happened so far, and free what rested. OSError: then it rests until `clear` removes it."""
        while self._resting:
            done, self._round, self._resting = self._round, self._round + 1, 0
            try:
                await files.settle([os.path.join(self._queue, part) for part in _PASSED])
            except OSError:
                self._runner = clock.token(4)  # no later round says anything of this one
                raise
            self._mark(done)
            self._counted()

    def _mark(self, done: int) -> None:
        """Say that this round is on disk, and so those before it are."""
        try:
            files.rename(f"{self._free}/{self._runner}.{done - 1}", f"{self._free}/{self._runner}.{done}")
        except FileNotFoundError:
            os.close(files.create(f"{self._free}/{self._runner}.{done}"))

    def _counted(self) -> None:
        self._count_at = clock.monotonic() + _COUNT_EVERY_S
        try:
            self._count = len(os.listdir(self._free))
        except OSError:
            self._count = self.most  # where nothing can be kept there are enough

    def clear(self) -> None:
        """Remove what runners that died left resting, and their empty files; all, where nothing is to be used again."""
        aged = files.ages(self._free)
        usable = {*_usable([os.path.basename(path) for _, path in aged])}
        for changed, path in aged:
            name = os.path.basename(path)
            is_old = name not in usable and not name.startswith(self._runner) and changed < clock.now() - _STALE_S
            if is_old or not self.most:
                files.unlink(path, missing_ok=True)


def _is_own(queue: str) -> bool:
    from mailkit import filesystem  # ctypes: the runner has it, who only writes entries does not

    return filesystem.is_own(queue)
