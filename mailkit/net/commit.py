"""Group commit: under the event loop, whoever waits for the disk shares the next round.

While one round runs in a thread the next one gathers. A round makes its files durable, renames them, and makes the
directories durable; a large one does each of the two with a single syncfs(2) instead of an fsync for every file.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from mailkit import files

_GATHER_S = 0.002  # a round that begins with fewer files than the last one had waits so long for the others
_FEW = 4  # so many files cost less one by one
_DIRTY_MOST_KIB = 64 * 1024
# statfs(2): local file systems whose syncfs(2) is known to wait for everything. Others, above all FUSE, do not say.
_TRUSTED = frozenset((0xEF53, 0x58465342, 0x9123683E))  # ext2/3/4, XFS, btrfs


class Together:
    """Many files durable by one syncfs(2): one commit of the journal and one flush of the disk's cache for all.

    fsync costs a flush for each file. Measured on ext4, 100 files of 4 KiB: 4 to 8 ms instead of 17 to 230, and a
    third of the CPU. Since Linux 5.8 syncfs reports write errors as fsync does. It also waits for what other programs
    have written to that file system, so it is used only while little there waits to be written.
    """

    def __init__(self) -> None:
        self._trusted: dict[int, bool] = {}
        self._libc: ctypes.CDLL | None = None
        try:
            if _release() >= (5, 8):
                self._libc = ctypes.CDLL(None)
                self._libc.syncfs  # noqa: B018  # AttributeError where the C library lacks it
        except (OSError, AttributeError):
            self._libc = None

    def __call__(self, fds: list[int]) -> bool:
        """Make these open files durable; False when it was not done."""
        if self._libc is None or len(fds) < _FEW or _dirty_kib() > _DIRTY_MOST_KIB:
            return False
        places = {os.fstat(fd).st_dev: fd for fd in fds}
        if not all(self._is_trusted(device, fd) for device, fd in places.items()):
            return False
        return all(self._libc.syncfs(fd) == 0 for fd in places.values())

    def _is_trusted(self, device: int, fd: int) -> bool:
        if device not in self._trusted:
            assert self._libc is not None
            facts = ctypes.create_string_buffer(256)  # struct statfs; f_type is the first word
            known = self._libc.fstatfs(fd, facts) == 0
            kind = int.from_bytes(facts.raw[: ctypes.sizeof(ctypes.c_long)], "little" if _LITTLE else "big")
            self._trusted[device] = known and kind in _TRUSTED
        return self._trusted[device]


_LITTLE = ctypes.c_uint16(1).value.to_bytes(2, "little") == bytes(ctypes.c_uint16(1))


def _release() -> tuple[int, ...]:
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


def _dirty_kib() -> int:
    """How much the whole machine has yet to write; more than anybody likes where that cannot be known (a sandbox
    with its own /proc)."""
    try:
        with open("/proc/meminfo", "rb") as file:
            text = file.read()
    except OSError:
        return _DIRTY_MOST_KIB + 1
    found = [text.find(name) for name in (b"Dirty:", b"Writeback:")]
    return sum(int(text[at : at + 30].split()[1]) for at in found if at >= 0)


class Rounds:
    """The `files.committer` of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._batch: list[tuple[tuple[int, str, str], asyncio.Future[None]]] = []
        self._directories: list[tuple[set[str], asyncio.Future[None]]] = []
        self._running = False
        self._expected = 1  # how many files the last round had
        self._gathering: asyncio.TimerHandle | None = None
        self._together = Together()
        self._thread = ThreadPoolExecutor(1, "commit")  # of its own: password hashes must not hold up the disk

    def publish(self, fd: int, tmp: str, final: str) -> asyncio.Future[None]:
        """See `files.publish`."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._batch.append(((fd, tmp, final), done))
        if self._gathering is not None and len(self._batch) >= self._expected:
            self._gathering.cancel()
            self._start()
        else:
            self._kick()
        return done

    def settle(self, directories: Iterable[str]) -> asyncio.Future[None]:
        """See `files.settle`."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._directories.append((set(directories), done))
        self._kick()
        return done

    def _kick(self) -> None:
        """Begin a round, though not at once: whoever else has octets in this turn of the loop comes into it, and after
        a round for several, as many are waited for a little."""
        if not self._running:
            self._running = True
            if len(self._batch) >= self._expected or self._directories:
                self._loop.call_soon(self._start)
            else:
                self._gathering = self._loop.call_later(_GATHER_S, self._start)

    def _start(self) -> None:
        self._gathering = None
        batch, self._batch = self._batch, []
        self._expected = max(1, len(batch))
        directories, self._directories = self._directories, []
        work = self._loop.run_in_executor(self._thread, self._round, [entry for entry, _ in batch], directories)
        work.add_done_callback(lambda done: self._finish(done, batch, directories))

    def _round(
        self, entries: list[tuple[int, str, str]], directories: list[tuple[set[str], asyncio.Future[None]]]
    ) -> tuple[list[OSError | None], list[OSError | None]]:
        published = files.publish_all(entries, self._together)
        failed = files.sync_dirs({path for wanted, _ in directories for path in wanted}, self._together)
        return published, [next((failed[path] for path in wanted if path in failed), None) for wanted, _ in directories]

    def _finish(
        self,
        work: asyncio.Future[tuple[list[OSError | None], list[OSError | None]]],
        batch: list[tuple[tuple[int, str, str], asyncio.Future[None]]],
        directories: list[tuple[set[str], asyncio.Future[None]]],
    ) -> None:
        waiting = [done for _, done in batch] + [done for _, done in directories]
        failed = work.exception()
        results: list[BaseException | None]
        results = [failed] * len(waiting) if failed is not None else [*work.result()[0], *work.result()[1]]
        for done, error in zip(waiting, results, strict=True):
            if done.cancelled():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
        self._running = False
        if self._batch or self._directories:
            self._kick()
