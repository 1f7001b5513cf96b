"""Lock files: held by one, broken when whoever held them is gone."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from mailkit import clock, files
from mailkit.dotlock import DotLock
from mailkit.exits import Temp


def test_dot_lock_is_held_by_one(tmp_path: Path) -> None:
    path = str(tmp_path / "x.lock")
    with DotLock(path):
        with pytest.raises(Temp), DotLock(path, wait_s=0):
            pass
        assert os.path.exists(path)
    assert os.listdir(tmp_path) == []


def test_a_kept_lock_has_one_file_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    lock, other = DotLock(str(path), kept=True), DotLock(str(path), wait_s=0, kept=True)
    inodes = set()
    for _ in range(2):
        with lock:
            inodes.add(path.stat().st_ino)
            assert path.stat().st_mtime > 1
            with pytest.raises(Temp), other:
                pass
        other.close()
        assert not path.exists()
        (own,) = tmp_path.iterdir()
        os.utime(own, (1, 1))  # others would take it for stale, were it not as new when it is linked again
    assert len(inodes) == 1
    own.unlink()  # by a cleaner
    with lock, pytest.raises(Temp), other:
        pass
    lock.close()
    other.close()
    assert os.listdir(tmp_path) == []


def gone() -> int:
    """The number of a process that has ended."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


@pytest.mark.parametrize(("pid", "host", "broken"), [("dead", "here", True), ("dead", "elsewhere", False), ("ours", "here", False),
                                                     ("x", "here", False), ("", "", False)])  # fmt: skip
def test_a_lock_of_a_process_that_died_here_is_broken_at_once(tmp_path: Path, pid: str, host: str, broken: bool) -> None:
    with DotLock(str(tmp_path / "lock")):
        here = (tmp_path / "lock").read_text().strip().partition(":")[2]
    number = {"dead": str(gone()), "ours": str(os.getpid())}.get(pid, pid)
    (tmp_path / "lock").write_text(f"{number}:{here if host == 'here' else host}\n")
    with contextlib.nullcontext() if broken else pytest.raises(Temp), DotLock(str(tmp_path / "lock"), wait_s=0.1):
        pass
    assert (tmp_path / "lock").exists() != broken


def test_process_numbers_of_another_namespace_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    monkeypatch.setattr(os, "readlink", lambda name: "pid:[4026532000]")
    with DotLock(str(path)):
        assert path.read_text() == f"{os.getpid()}:{clock.host()}-4026532000\n"
        content = path.read_text().replace(str(os.getpid()), str(gone()))
    path.write_text(content)
    monkeypatch.undo()
    with pytest.raises(Temp), DotLock(str(path), wait_s=0):
        pass


def test_stale_dot_lock_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.write_text("1:elsewhere\n")
    os.utime(path, (1, 1))
    with DotLock(str(path), wait_s=5):
        assert path.exists()
    assert os.listdir(tmp_path) == []


def test_who_was_too_slow_leaves_the_lock_of_the_next_holder(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "x.lock"
    slow = DotLock(str(path))
    slow.__enter__()
    os.utime(path, (1, 1))
    with DotLock(str(path), wait_s=0.1):
        slow.__exit__(None, None, None)
        with pytest.raises(Temp), DotLock(str(path), wait_s=0):
            pass
    assert os.listdir(tmp_path) == []
    assert lines == [f"lock file={path} verdict=lost stale_s=120"]


def test_of_two_who_break_a_lock_one_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, rename = tmp_path / "x.lock", os.rename
    path.write_text("1:elsewhere\n")
    os.utime(path, (1, 1))

    def overtaken(old: str, new: str) -> None:
        path.write_text("2:elsewhere\n")  # another broke it and has it; that lock goes aside, and a third comes
        rename(old, new)
        path.write_text("3:elsewhere\n")

    monkeypatch.setattr(os, "rename", overtaken)
    with pytest.raises(Temp), DotLock(str(path), wait_s=0):
        pass
    assert os.listdir(tmp_path) == ["x.lock"]
    assert path.read_text() == "3:elsewhere\n"


def test_a_lock_needs_no_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(operation: str, *args: object) -> None:
        if operation == "write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "fault", full)
    with DotLock(str(tmp_path / "lock")):
        assert os.listdir(tmp_path) == ["lock"]
    assert os.listdir(tmp_path) == []
