"""Message files opened in a row: the disk is asked for the next ones while one is worked on.

A folder that is read for the first time comes from a disk, where each file is a wait of its own; asked for together
they are one wait for all of them.
"""

from __future__ import annotations

import os

from mailkit.maildir import marks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import TypeVar

    from mailkit.maildir.folder import Folder
    from mailkit.maildir.table import Table

    Key = TypeVar("Key")

_FILES = 16
_ASKED_OCTETS = 1 << 17  # of each file, at most
FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""How a message is opened: whoever reads never waits, as for a FIFO in its place."""


def opened(folder: Folder, table: Table, rows: Sequence[int]) -> Generator[tuple[int, int | OSError]]:
    """Each of `rows` with a descriptor, which the caller closes, or with why there is none. Those that nobody came for
    are closed when the iterator is."""
    cur = _directory(f"{folder.directory}/cur") if len(rows) > 1 else -1
    try:
        yield from in_turn(rows, lambda row: _opened(folder, table, row, cur))
    finally:
        if cur >= 0:
            os.close(cur)


def named(directory: bytes, names: Sequence[bytes]) -> Generator[tuple[int, int | OSError]]:
    """The same of files in a directory: the place of each in `names`. None at all when it cannot be opened."""
    cur = _directory(directory)
    if cur < 0:
        return
    try:
        yield from in_turn(range(len(names)), lambda place: in_directory(names[place], cur))
    finally:
        os.close(cur)


def in_turn(keys: Sequence[Key], opened: Callable[[Key], int | OSError]) -> Generator[tuple[Key, int | OSError]]:
    """The same of files that `opened` opens, one for each key."""
    waiting: list[tuple[Key, int | OSError]] = []
    try:
        for start in range(0, len(keys), _FILES):
            for key in keys[start : start + _FILES]:
                waiting.append((key, opened(key)))
            if len(keys) > 1:
                _ask([fd for _, fd in waiting])
            waiting.reverse()
            while waiting:
                yield waiting.pop()
    finally:
        for _, fd in waiting:
            if isinstance(fd, int):
                os.close(fd)


def in_directory(name: bytes, directory: int) -> int | OSError:
    """A message by its name in an open directory."""
    try:
        return os.open(name, FLAGS, dir_fd=directory)
    except OSError as error:
        return error.with_traceback(None)  # which leads to who keeps it: a circle, and a mate collects none


def _directory(path: str | bytes) -> int:
    """So that its path is looked up once; -1 when it cannot be had."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return -1


def _opened(folder: Folder, table: Table, row: int, cur: int) -> int | OSError:
    if cur >= 0 and not table.where[row]:
        fd = in_directory(usual_name(table, row), cur)
        if isinstance(fd, int):
            return fd  # else renamed, most likely: looked for once more
    try:
        return folder.open_file(table.uids[row])
    except OSError as error:
        return error.with_traceback(None)


def usual_name(table: Table, row: int) -> bytes:
    """The name in cur/ of a row whose `where` says nothing else."""
    return table.detail.base(row) + marks.SUFFIX[table.marks[row]]


def usual_names(table: Table, rows: Sequence[int]) -> list[bytes]:
    """The same of many rows."""
    base, found = table.detail.base, table.marks
    return [base(row) + marks.SUFFIX[found[row]] for row in rows]


def _ask(waiting: list[int | OSError]) -> None:
    for fd in waiting:
        if isinstance(fd, int):
            try:
                os.posix_fadvise(fd, 0, _ASKED_OCTETS, os.POSIX_FADV_WILLNEED)
            except OSError:
                pass  # a file system that takes no advice, or no file
