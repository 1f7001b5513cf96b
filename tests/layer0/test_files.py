"""files: what is on disk when a program dies at any moment."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailkit import clock, files
from mailkit.exits import Temp
from tests.harness.crash import crashes
from tests.harness.transcript import run


@pytest.mark.parametrize("publish", [files.publish, files.admit])
def test_publish_shows_the_whole_file_or_none(tmp_path: Path, publish: Callable[..., Any]) -> None:
    def prepare(home: Path) -> None:
        (home / "tmp").mkdir()
        (home / "new").mkdir()

    def scenario(home: Path) -> str:
        fd = files.create(str(home / "tmp/a"))
        files.write(fd, b"line\n" * 100)
        run(publish(fd, str(home / "tmp/a"), str(home / "new/a")))
        return "250"

    seen = set()
    for crash in crashes(tmp_path, scenario, prepare):
        final = crash.directory / "new/a"
        if final.exists():
            assert final.read_bytes() == b"line\n" * 100, crash
        if crash.result == "250":
            assert final.exists()
        seen.add((crash.variant, crash.done, final.exists()))
    assert ("plug", False, False) in seen and ("kill", False, True) in seen and ("plug", True, True) in seen


def test_publish_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    fd = files.create(str(tmp_path / "tmp/a"))
    files.write(fd, b"x")
    with pytest.raises(FileNotFoundError):
        files.publish_now(fd, str(tmp_path / "tmp/a"), str(tmp_path / "nowhere/a"))
    assert os.listdir(tmp_path / "tmp") == []


def test_replace_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    def prepare(home: Path) -> None:
        (home / "passwd").write_bytes(b"old\n" * 50)

    def scenario(home: Path) -> bool:
        files.replace(str(home / "passwd"), b"new\n" * 80)
        return True

    for crash in crashes(tmp_path, scenario, prepare):
        now = (crash.directory / "passwd").read_bytes()
        assert now in (b"old\n" * 50, b"new\n" * 80), crash
        if crash.result:
            assert now == b"new\n" * 80


def test_dot_lock_is_held_by_one(tmp_path: Path) -> None:
    path = str(tmp_path / "x.lock")
    with files.DotLock(path):
        with pytest.raises(Temp), files.DotLock(path, wait_s=0):
            pass
        assert os.path.exists(path)
    assert os.listdir(tmp_path) == []


def test_a_kept_lock_has_one_file_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    lock, other = files.DotLock(str(path), kept=True), files.DotLock(str(path), wait_s=0, kept=True)
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
    with files.DotLock(str(tmp_path / "lock")):
        here = (tmp_path / "lock").read_text().strip().partition(":")[2]
    number = {"dead": str(gone()), "ours": str(os.getpid())}.get(pid, pid)
    (tmp_path / "lock").write_text(f"{number}:{here if host == 'here' else host}\n")
    with contextlib.nullcontext() if broken else pytest.raises(Temp), files.DotLock(str(tmp_path / "lock"), wait_s=0.1):
        pass
    assert (tmp_path / "lock").exists() != broken


def test_process_numbers_of_another_namespace_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    monkeypatch.setattr(os, "readlink", lambda name: "pid:[4026532000]")
    with files.DotLock(str(path)):
        assert path.read_text() == f"{os.getpid()}:{clock.host()}-4026532000\n"
        content = path.read_text().replace(str(os.getpid()), str(gone()))
    path.write_text(content)
    monkeypatch.undo()
    with pytest.raises(Temp), files.DotLock(str(path), wait_s=0):
        pass


def test_stale_dot_lock_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.write_text("1:elsewhere\n")
    os.utime(path, (1, 1))
    with files.DotLock(str(path), wait_s=5):
        assert path.exists()
    assert os.listdir(tmp_path) == []


def test_who_was_too_slow_leaves_the_lock_of_the_next_holder(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "x.lock"
    slow = files.DotLock(str(path))
    slow.__enter__()
    os.utime(path, (1, 1))
    with files.DotLock(str(path), wait_s=0.1):
        slow.__exit__(None, None, None)
        with pytest.raises(Temp), files.DotLock(str(path), wait_s=0):
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
    with pytest.raises(Temp), files.DotLock(str(path), wait_s=0):
        pass
    assert os.listdir(tmp_path) == ["x.lock"]
    assert path.read_text() == "3:elsewhere\n"


def test_flock_waits_and_gives_up(tmp_path: Path) -> None:
    path = str(tmp_path / "entry")
    first = files.create(path)
    second = os.open(path, os.O_RDWR)
    try:
        assert files.lock(first)
        assert not files.lock(second)
        os.close(first)
        assert files.lock(second)
    finally:
        os.close(second)


def test_a_lock_needs_no_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(operation: str, *args: object) -> None:
        if operation == "write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "fault", full)
    with files.DotLock(str(tmp_path / "lock")):
        assert os.listdir(tmp_path) == ["lock"]
    assert os.listdir(tmp_path) == []


def test_names_of_an_open_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, ...]] = []
    monkeypatch.setattr(files, "fault", lambda *args: done.append(args))
    (tmp_path / "a").write_bytes(b"1")
    with files.Directory(str(tmp_path)) as directory:
        directory.rename(b"a", b"b")
        assert (tmp_path / "b").read_bytes() == b"1"
        directory.unlink(b"b")
        with pytest.raises(FileNotFoundError):
            directory.rename(b"b", b"c")
    assert done[:2] == [("rename", f"{tmp_path}/a", f"{tmp_path}/b"), ("unlink", f"{tmp_path}/b")]
    assert not list(tmp_path.iterdir())


def test_ages_of_what_is_there_and_nothing_of_what_just_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, written in (("young", 300), ("old", 100)):
        files.append(str(tmp_path / name), b"")
        files.utime(str(tmp_path / name), written)
    monkeypatch.setattr(os, "listdir", lambda path, real=os.listdir: [*real(path), "gone"])
    assert files.ages(str(tmp_path)) == [(100, str(tmp_path / "old")), (300, str(tmp_path / "young"))]
    assert files.ages(str(tmp_path / "nowhere")) == []
