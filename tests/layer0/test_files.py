"""files: what is on disk when a program dies at any moment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailkit import files
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
