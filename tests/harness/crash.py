"""Crash tests: `mailkit.files` dies at its n-th call, for every n, until the scenario runs to its end.

    for crash in crashes(tmp_path, scenario):
        # scenario(directory) has run until `files` died at call crash.n (or to its end: crash.done is True)
        assert ... the state in crash.directory ...

Two variants each: "kill", the process dies and everything it wrote stays; "plug", the power fails as well: octets that
were not fsynced are gone (the file is cut to what was) and names that were not fsynced go back to what they were.

`refusals` is the same with a disk that refuses one call, and a program that lives on.
"""

from __future__ import annotations

import errno
import gc
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mailkit import files


class Dead(BaseException):
    """The process is gone."""


class Crash:
    """One run that died."""

    def __init__(self, directory: Path, n: int, variant: str, done: bool, operation: str, result: Any) -> None:
        self.directory = directory
        self.n = n
        self.variant = variant
        self.done = done
        self.operation = operation
        self.result = result

    def __repr__(self) -> str:
        return f"<{self.variant}: whole run>" if self.done else f"<{self.variant} at call {self.n}: {self.operation}>"


def crashes(
    tmp_path: Path, scenario: Callable[[Path], Any], prepare: Callable[[Path], Any] | None = None, most: int = 500
) -> Iterator[Crash]:
    """Run `scenario` on a fresh directory (after `prepare`, which is not broken) for each point of death."""
    gc.collect()
    gc.freeze()  # so that the collections below only look at what the scenarios made
    for variant in ("kill", "plug"):
        for n in range(1, most + 1):
            directory = tmp_path / f"{variant}{n}"
            directory.mkdir()
            if prepare is not None:
                prepare(directory)
            crash = _run(directory, scenario, n, variant, tmp_path / f"{variant}{n}.grave")
            yield crash
            shutil.rmtree(directory, ignore_errors=True)
            if crash.done:
                break
        else:
            raise AssertionError(f"the scenario needs more than {most} calls of files")
    gc.unfreeze()


def refusals(
    tmp_path: Path, scenario: Callable[[Path], Any], prepare: Callable[[Path], Any], number: int = errno.EIO
) -> Iterator[tuple[Path, str, Exception | None]]:
    """Run `scenario` on a fresh directory with the disk refusing the n-th call of `files`, and no other, for every n:
    (directory, what was refused, what the scenario raised)."""
    for n in itertools.count(1):
        directory = tmp_path / f"refused{n}"
        directory.mkdir()
        prepare(directory)
        calls: list[str] = []

        def fault(operation: str, *args: Any, n: int = n, calls: list[str] = calls) -> None:
            calls.append(operation)
            if len(calls) == n:
                raise OSError(number, os.strerror(number), str(args[-1]) if args else "")

        files.fault = fault
        error: Exception | None = None
        try:
            scenario(directory)
        except Exception as raised:
            error = raised
        finally:
            files.fault = None
        if len(calls) < n:
            return
        yield directory, calls[n - 1], error
        shutil.rmtree(directory, ignore_errors=True)


def _run(directory: Path, scenario: Callable[[Path], Any], n: int, variant: str, grave: Path) -> Crash:
    disk = _Disk(grave) if variant == "plug" else None
    count = 0
    last = ""
    open_before = _open_descriptors()

    def fault(operation: str, *args: Any) -> None:
        nonlocal count, last
        count += 1
        if count >= n:
            last = last or operation
            if count == n and operation == "write" and len(args[1]) > 1:
                os.write(args[0], bytes(args[1])[: len(args[1]) // 2])  # torn in the middle
                if disk is not None:
                    disk.saw(operation, *args)
            raise Dead(operation)
        if disk is not None:
            disk.saw(operation, *args)

    files.fault = fault
    result = None
    try:
        result = scenario(directory)
        died = False
    except Dead:
        died = True
    finally:
        files.fault = None
    gc.collect()  # what closes its own descriptor when it is collected must not do it later, to a stranger's
    ours = {str(handle) for handle in disk.handles.values()} if disk is not None else set()
    for fd in _open_descriptors() - open_before - ours:
        _close(int(fd))  # the process is gone: its descriptors and locks are too
    if disk is not None:
        if died:
            disk.fail()
        disk.forget()
    return Crash(directory, n, variant, not died, last, result)


def _open_descriptors() -> set[str]:
    """Our open descriptors, without the one that lists them: its number is the next one to be given out."""
    return {fd for fd in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{fd}")}


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        pass


class _Disk:
    """Remembers what has not reached the disk, and takes it back."""

    def __init__(self, grave: Path) -> None:
        self.grave = grave
        grave.mkdir()
        self.sizes: dict[int, int] = {}  # inode -> octets on disk
        self.handles: dict[int, int] = {}  # inode -> a descriptor that finds the file under any name
        self.names: list[tuple[set[str], Callable[[], None]]] = []  # directories that must be synced; how to undo

    def saw(self, operation: str, *args: Any) -> None:
        getattr(self, "_" + operation, lambda *args: None)(*args)

    def _create(self, path: str) -> None:
        self._remember({os.path.dirname(path)}, lambda: _quietly(os.unlink, path))

    def _write(self, fd: int, data: bytes) -> None:
        stat = os.fstat(fd)
        self.sizes.setdefault(stat.st_ino, stat.st_size)
        if stat.st_ino not in self.handles:
            self.handles[stat.st_ino] = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)

    def _truncate(self, fd: int, length: int) -> None:
        self._write(fd, b"")

    def _sync(self, fd: int) -> None:
        inode = os.fstat(fd).st_ino
        self.sizes.pop(inode, None)

    def _sync_dir(self, path: str) -> None:
        kept = []
        for directories, undo in self.names:
            directories.discard(os.path.abspath(path))
            if directories:
                kept.append((directories, undo))
        self.names = kept

    def _rename(self, old: str, new: str) -> None:
        saved = self._bury(new)
        itself = self._bury(old) if os.path.dirname(old) != os.path.dirname(new) else ""

        def undo() -> None:
            _quietly(os.rename, new, old)
            if saved:
                _quietly(os.link, saved, new)

        if not itself:
            self._remember({os.path.dirname(old), os.path.dirname(new)}, undo)
            return

        # Between two directories each name is lost, or comes back, with its own directory.
        def undo_new() -> None:
            _quietly(os.unlink, new)
            if saved:
                _quietly(os.link, saved, new)

        self._remember({os.path.dirname(old)}, lambda: _quietly(os.link, itself, old))
        self._remember({os.path.dirname(new)}, undo_new)

    def _link(self, old: str, new: str) -> None:
        self._remember({os.path.dirname(new)}, lambda: _quietly(os.unlink, new))

    def _unlink(self, path: str) -> None:
        saved = self._bury(path)
        if saved:
            self._remember({os.path.dirname(path)}, lambda: _quietly(os.link, saved, path))

    def _mkdir(self, path: str) -> None:
        pass  # directories are made at set-up; losing them is the scenario of a missing directory

    def _bury(self, path: str) -> str:
        if not os.path.isfile(path):
            return ""
        saved = str(self.grave / str(len(os.listdir(self.grave))))
        os.link(path, saved)
        return saved

    def _remember(self, directories: set[str], undo: Callable[[], None]) -> None:
        self.names.append(({os.path.abspath(d) for d in directories}, undo))

    def fail(self) -> None:
        for _, undo in reversed(self.names):
            undo()
        for inode, size in self.sizes.items():
            os.ftruncate(self.handles[inode], size)

    def forget(self) -> None:
        for handle in self.handles.values():
            _close(handle)
        shutil.rmtree(self.grave, ignore_errors=True)


def _quietly(function: Callable[..., Any], *args: Any) -> None:
    try:
        function(*args)
    except OSError:
        pass
