"""Message files opened in a row: which they are, and that none stays open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.maildir import ahead, folder
from mailkit.maildir.folder import Folder
from tests.maildir import boxes

MANY = 40


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Folder]:
    """A folder with more messages than are opened at once."""
    box = boxes.make(tmp_path / "Maildir")
    boxes.deliver(box, MANY)
    opened = folder.open(box)
    opened.view().close()
    yield opened
    opened.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def inode(path: str) -> int:
    return os.stat(path).st_ino


def test_each_row_has_its_file(many: Folder) -> None:
    before, found = descriptors(), []
    for row, fd in ahead.opened(many, many.table, range(MANY)):
        assert isinstance(fd, int)
        found.append((row, os.fstat(fd).st_ino))
        os.close(fd)
    assert found == [(row, inode(many.row_path(row))) for row in range(MANY)]
    assert descriptors() == before


def test_what_nobody_came_for_is_closed(many: Folder) -> None:
    before = descriptors()
    files = ahead.opened(many, many.table, range(MANY))
    _, fd = next(files)
    assert descriptors() > before + 1, "the next ones are open"
    assert isinstance(fd, int)
    os.close(fd)
    del files
    assert descriptors() == before


def test_a_file_that_was_renamed_is_found_and_one_that_is_gone_says_so(many: Folder) -> None:
    renamed, gone = many.row_path(1), many.row_path(2)
    os.rename(renamed, renamed.partition(":")[0] + ":2,F")
    os.unlink(gone)
    found = dict(ahead.opened(many, many.table, [1, 2, 3]))
    assert isinstance(found[2], FileNotFoundError)
    for row in (1, 3):
        fd = found[row]
        assert isinstance(fd, int)
        os.close(fd)


def test_one_file_alone(many: Folder) -> None:
    [(row, fd)] = ahead.opened(many, many.table, [5])
    assert isinstance(fd, int)
    assert (row, os.fstat(fd).st_ino) == (5, inode(many.row_path(5)))
    os.close(fd)
