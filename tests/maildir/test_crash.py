"""Whatever a folder was doing when it died: no message is lost or doubled, no UID is told twice, the next open works."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from mailkit import clock
from mailkit.exits import Temp
from mailkit.maildir import index, marks, uidlist
from mailkit.maildir.folder import Folder
from mailkit.net import blocking
from tests.harness.crash import Crash, crashes, refusals
from tests.maildir import boxes


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock whose holder died is broken at once; every change writes a snapshot and maybe a new log; the harness keeps
    book of what was fsynced, the disk need not."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(clock, "sleep", lambda seconds: None)
    monkeypatch.setattr(uidlist, "LOCK_STALE_S", -10)
    monkeypatch.setattr(index, "_REPLAY", 1)
    monkeypatch.setattr(index, "_SMALL_LOG", 300)


def prepare(directory: Path) -> None:
    """Messages 1 to 3 with pieces, one more in new/; a folder .Box with message 1."""
    box = boxes.make(directory / "m")
    boxes.deliver(box, 3)
    folder = boxes.alone(box)
    folder.view().close()
    list(folder.parts(folder.table, range(3), (0,), boxes.build))
    boxes.deliver(boxes.make(directory / "m/.Box"))
    boxes.alone(f"{box}/.Box").view().close()
    boxes.deliver(box)
    for path in ("m", "m/cur", "m/new", "m/.Box", "m/.Box/cur"):
        fd = os.open(directory / path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)


def whole(directory: str, when: object) -> Folder:
    """The folder as the next process finds it; its numbers must agree with its files and its list."""
    folder = boxes.alone(directory)
    folder.view().close()
    assert len(folder.table) == len(boxes.files_in(directory)), when
    for uid in folder.table.uids:
        assert folder.read(uid).startswith(b"From: "), when
    read = uidlist.read(directory)
    assert read is not None, when
    assert read[0].sound, when
    listed = read[0].uids
    for row, uid in enumerate(folder.table.uids):
        assert listed[folder.table.detail.base(row)] == uid, when
    return folder


def after(crash: Crash, name: str = "m") -> Folder:
    """The same after a crash."""
    directory = str(crash.directory / name)
    folder = whole(directory, crash)
    assert not any(name.endswith((".lock", ".stale")) for name in os.listdir(directory)) or not crash.done
    return folder


def run(tmp_path: Path, scenario: Any) -> Any:
    return crashes(tmp_path, lambda directory: scenario(boxes.alone(str(directory / "m"))), prepare)


def test_taking_in_new_messages(tmp_path: Path) -> None:
    for crash in run(tmp_path, lambda folder: list(folder.view().uids)):
        folder = after(crash)
        assert list(folder.table.uids)[:3] == [1, 2, 3]
        assert len(folder.table) == 4
        if crash.done:
            assert crash.result == list(folder.table.uids)


def test_a_uid_that_was_told_is_never_another_messages(tmp_path: Path) -> None:
    """The list is on disk before anybody hears of a UID."""
    told: dict[str, dict[int, bytes]] = {}

    def scenario(folder: Folder) -> None:
        seen = told.setdefault(folder.directory, {})
        folder.view()
        seen.update((uid, folder.read(uid)) for uid in folder.table.uids)
        (uid,) = boxes.append(folder)
        seen[uid] = folder.read(uid)

    for crash in run(tmp_path, scenario):
        folder = after(crash)
        boxes.append(folder)
        for uid, text in told[str(crash.directory / "m")].items():
            if folder.row(uid) is not None:
                assert folder.read(uid) == text, crash
        assert folder.uidnext > max(told[str(crash.directory / "m")], default=0)


def test_append(tmp_path: Path) -> None:
    for crash in run(tmp_path, lambda folder: boxes.append(folder, 2, marks.SEEN)):
        folder = after(crash)
        assert {1, 2, 3} <= set(folder.table.uids)
        assert 4 <= len(folder.table) <= 6
        if crash.done:
            assert all(boxes.flags_of(folder)[uid] == b"\\Seen" for uid in crash.result)


def test_store(tmp_path: Path) -> None:
    def scenario(folder: Folder) -> None:
        folder.sync()
        folder.store([1, 3], add=marks.FLAGGED | folder.mask([b"$Junk"]))

    for crash in run(tmp_path, scenario):
        folder = after(crash)
        assert set(boxes.flags_of(folder).values()) <= {b"", b"\\Flagged $Junk"}, crash
        if crash.done and crash.n:
            assert list(boxes.flags_of(folder).values()).count(b"\\Flagged $Junk") in (0, 2)


def test_expunge(tmp_path: Path) -> None:
    def scenario(folder: Folder) -> list[int]:
        folder.sync()
        return folder.expunge([1, 3])

    for crash in run(tmp_path, scenario):
        folder = after(crash)
        assert 2 in folder.table.uids
        assert 2 <= len(folder.table) <= 4


@pytest.mark.parametrize("verb", ["copy", "move"])
def test_copy_and_move(tmp_path: Path, verb: str) -> None:
    def scenario(folder: Folder) -> tuple[list[int], list[int]]:
        folder.sync()
        box = boxes.alone(f"{folder.directory}/.Box")
        return blocking.run(getattr(folder, verb)([1, 2], box))

    for crash in run(tmp_path, scenario):
        here, there = after(crash), after(crash, "m/.Box")
        texts = [here.read(uid) for uid in here.table.uids] + [there.read(uid) for uid in there.table.uids]
        assert len(texts) >= 5, crash
        if verb == "move":
            assert len(texts) <= (5 if crash.done else 7), crash
        if crash.done:
            assert crash.result[0] == [1, 2]
            assert set(crash.result[1]) <= set(there.table.uids)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("verb", ["append", "copy", "move", "expunge", "store"])
def test_a_disk_that_refuses_once_loses_nothing(verb: str, number: int, tmp_path: Path) -> None:
    """And what was said to have failed has left nothing, but a move that cannot be taken back any more (`sync_dir`)."""

    def scenario(directory: Path) -> None:
        folder, box = boxes.alone(str(directory / "m")), boxes.alone(str(directory / "m/.Box"))
        folder.sync()
        if verb == "append":
            boxes.append(folder, 2)
        elif verb in ("copy", "move"):
            blocking.run(getattr(folder, verb)([1, 2], box))
        elif verb == "expunge":
            folder.expunge([1, 3])
        else:
            folder.store([1, 3], add=marks.FLAGGED)

    wanted = {"append": (6, 1), "copy": (4, 3), "move": (2, 3), "expunge": (2, 1), "store": (4, 1)}[verb]
    for directory, refused, error in refusals(tmp_path, scenario, prepare, number):
        for lock in directory.rglob("*.lock"):
            os.utime(lock, (1, 1))
        found = tuple(len(whole(str(directory / name), f"{refused}: {error!r}").table) for name in ("m", "m/.Box"))
        if error is None:
            assert found == wanted, refused
        elif verb == "expunge":
            assert found in ((4, 1), (3, 1), (2, 1)), refused
        else:
            assert found == (4, 1) or (found == wanted and (verb, refused) == ("move", "sync_dir")), refused


def test_keeping_pieces(tmp_path: Path) -> None:
    def scenario(folder: Folder) -> list[bytes | None]:
        folder.sync()
        return list(folder.parts(folder.table, range(len(folder.table)), (0, 7), boxes.build))

    for crash in run(tmp_path, scenario):
        folder = after(crash)
        found = list(folder.parts(folder.table, range(4), (0, 7), boxes.build))
        made = [boxes.made_of(folder.read(uid)) for uid in folder.table.uids]
        assert found == [pieces[0] + pieces[7] for pieces in made], crash


def test_adopting_a_folder_without_list_or_index(tmp_path: Path) -> None:
    def strip(directory: Path) -> None:
        prepare(directory)
        for name in ("dovecot-uidlist", "mailkit-log", "mailkit-index"):
            (directory / "m" / name).unlink()

    for crash in crashes(tmp_path, lambda directory: boxes.alone(str(directory / "m")).sync(), strip):
        assert list(after(crash).table.uids) == [1, 2, 3, 4]


def test_a_lock_left_by_the_dead_is_broken_after_two_minutes_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uidlist, "LOCK_STALE_S", 120)
    box = boxes.make(tmp_path / "m")
    lock = tmp_path / "m/dovecot-uidlist.lock"
    lock.write_text("1:elsewhere")
    with pytest.raises(Temp), uidlist.locked(box, wait_s=0):
        raise AssertionError("broke a lock in use")
    os.utime(lock, (lock.stat().st_mtime - 200,) * 2)
    with uidlist.locked(box, wait_s=1):
        assert lock.read_text() != "1:elsewhere"
