"""The same message only once, where that is wanted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.deliver import duplicates
from mailkit.deliver.runner import Runner
from tests.deliver.homes import mailbox, make, queue, waiting
from tests.harness import fakeclock
from tests.harness.crash import crashes

COPY = b"Message-ID: <1@example.net>\nSubject: x\n\nbody\n"


def once(home: Home) -> None:
    asyncio.run(Runner(home, once=True).run())


def test_a_copy_is_thrown_away_and_everything_else_comes(tmp_path: Path) -> None:
    home = make(tmp_path, duplicates="1h")
    queue(home, "bob@example.test", message=COPY)
    once(home)
    queue(home, "bob@example.test", message=COPY)
    queue(home, "bob+list@example.test", "alice@example.test", message=COPY)
    queue(home, "bob@example.test", message=COPY.replace(b"1@", b"2@"))
    queue(home, "bob@example.test", message=b"Subject: no id\n\n")
    queue(home, "bob@example.test", message=b"Subject: no id\n\n")
    once(home)
    assert len(mailbox(home, "bob")) == 5
    assert len(mailbox(home, "alice")) == 1
    assert waiting(home) == []


def test_by_default_every_copy_comes(home: Home) -> None:
    for _ in range(2):
        queue(home, "bob@example.test", message=COPY)
    once(home)
    assert len(mailbox(home, "bob")) == 2


def test_after_its_time_an_id_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = fakeclock.install(monkeypatch)
    directory = str(tmp_path)
    duplicates.note(directory, b"<1@x> bob@x", 60)
    assert duplicates.seen(directory, b"<1@x> bob@x", 60)
    assert not duplicates.seen(directory, b"<1@x> alice@x", 60)
    assert not duplicates.seen(directory, b"1@x> bob@x", 60)
    clock.advance(61)
    assert not duplicates.seen(directory, b"<1@x> bob@x", 60)


def test_the_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = fakeclock.install(monkeypatch)
    monkeypatch.setattr(duplicates, "_LONGEST", 500)
    for i in range(200):
        duplicates.note(str(tmp_path), b"<%d@x> bob@x" % i, 60)
        clock.advance(10)
    assert (tmp_path / "mailkit-delivered").stat().st_size < 1000
    assert duplicates.seen(str(tmp_path), b"<198@x> bob@x", 60)


def test_rubbish_in_the_file_hurts_nobody(tmp_path: Path) -> None:
    (tmp_path / "mailkit-delivered").write_bytes(b"\xff\0 x\n <1@x> bob@x\nno\n")
    assert not duplicates.seen(str(tmp_path), b"<1@x> bob@x", 10**9)


def test_a_crash_may_let_a_copy_through_and_never_loses_the_message(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        home = make(directory, duplicates="1h")
        queue(home, "bob@example.test", message=COPY)

    for crash in crashes(tmp_path, lambda directory: once(Home(str(directory))), prepare):
        home = Home(str(crash.directory))
        once(home)
        assert 1 <= len(mailbox(home, "bob")) <= 2, crash
        assert waiting(home) == [], crash
