"""Files used again: faster, and never two messages in one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mailkit import clock, files, filesystem
from mailkit.control import Home
from mailkit.net.blocking import run
from mailkit.queue import claim, listing, spare
from mailkit.queue.entry import DONE, Envelope, Recipient
from mailkit.queue.inject import Spool
from mailkit.queue.spare import Keeper
from tests.harness.crash import crashes
from tests.queue.homes import prepared

FIRST = b"Subject: first\n\n" + b"1" * 300 + b"\n"
SECOND = b"Subject: second\n\n2\n"


def queue(home: Home, message: bytes, recipient: str = "bob@example.test") -> str:
    spool = Spool(home)
    spool.begin(Envelope("alice@example.test", [Recipient(recipient)]))
    spool.write(message)
    return run(spool.commit())


def finish(home: Home, keeper: Keeper) -> None:
    """What the runner does with an entry in new/."""
    found = next(iter(listing.entries(home, "new")))
    got = claim.claim(home, "new", str(found))
    assert got is not None
    got.mark(got.envelope.recipients, DONE)
    got.finish(keeper.place(got.name.id))
    if got.resting:
        keeper.rest()


def contents(home: Home) -> list[tuple[str, bytes]]:
    """Recipient and message of each entry that can be delivered."""
    found = []
    for name in listing.entries(home, "new"):
        got = claim.claim(home, "new", str(name))
        if got is not None:
            found += [(one.address, got.head) for one in got.envelope.pending]
            got.release()
    return found


def files_of(home: Home, part: str) -> list[str]:
    return sorted(os.listdir(os.path.join(home.queue, part)))


def spares(home: Home) -> list[str]:
    """The files of entries in free/."""
    return [name for name in files_of(home, "free") if name.count(".") == 2]


def test_a_file_is_used_again_and_holds_only_the_new_message(home: Home) -> None:
    keeper = Keeper(home)
    queue(home, FIRST)
    (path,) = Path(home.queue, "new").iterdir()
    inode = path.stat().st_ino
    finish(home, keeper)
    run(keeper.release())
    assert len(spares(home)) == 1
    queue(home, SECOND, "carol@example.test")
    (path,) = Path(home.queue, "new").iterdir()
    assert path.stat().st_ino == inode
    assert contents(home) == [("carol@example.test", SECOND)]
    assert spares(home) == files_of(home, "tmp") == []


def test_a_file_that_rests_is_not_used(home: Home) -> None:
    keeper = Keeper(home)
    queue(home, FIRST)
    finish(home, keeper)
    run(keeper.release())
    queue(home, FIRST)  # takes it
    finish(home, keeper)
    resting = spares(home)
    queue(home, SECOND)
    assert spares(home) == resting and len(resting) == 1
    assert [message for _, message in contents(home)] == [SECOND]


def test_a_round_that_was_not_synced_is_never_free(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper(home)

    async def refuse(directories: object) -> None:
        raise OSError(5, "Input/output error")

    queue(home, FIRST)
    finish(home, keeper)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input"):
        patch.setattr(files, "settle", refuse)
        run(keeper.release())
    (lost,) = spares(home)
    queue(home, FIRST)
    finish(home, keeper)
    run(keeper.release())
    queue(home, SECOND)
    queue(home, SECOND)
    assert spares(home) == [lost]


def test_of_two_runners_each_speaks_for_its_own_files(home: Home) -> None:
    one, other = Keeper(home), Keeper(home)
    queue(home, FIRST)
    finish(home, one)
    (resting,) = spares(home)
    for _ in range(2):
        queue(home, FIRST)
        finish(home, other)
        run(other.release())
    queue(home, SECOND)
    assert spares(home) == [resting]


def test_a_larger_message_than_the_one_before(home: Home) -> None:
    keeper = Keeper(home)
    queue(home, SECOND)
    finish(home, keeper)
    run(keeper.release())
    queue(home, FIRST)
    assert contents(home) == [("bob@example.test", FIRST)]


def test_what_is_large_or_has_a_second_name_is_not_kept(home: Home) -> None:
    keeper = Keeper(home)
    queue(home, FIRST * 1000)
    finish(home, keeper)
    queue(home, FIRST)
    (path,) = Path(home.queue, "new").iterdir()
    backup = Path(home.path, "backup")
    os.link(path, backup)
    finish(home, keeper)
    run(keeper.release())
    assert spares(home) == []
    assert backup.read_bytes().endswith(FIRST)


def test_no_more_than_the_limit_are_kept(home: Home) -> None:
    Path(home.path, "control").mkdir()
    Path(home.path, "control", "spares").write_text("2\n")
    keeper = Keeper(home)
    ids = [queue(home, FIRST) for _ in range(5)]
    for _ in ids:
        finish(home, keeper)
    run(keeper.release())
    assert len(spares(home)) == 2


def test_when_some_of_many_were_used_others_are_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(home.path, "control").mkdir()
    Path(home.path, "control", "spares").write_text("2\n")
    keeper = Keeper(home)
    queue(home, FIRST)
    finish(home, keeper)
    run(keeper.release())  # a file and the one that names its round
    queue(home, FIRST)
    monkeypatch.setattr(clock, "monotonic", lambda: time.monotonic() + 10)
    finish(home, keeper)
    assert len(spares(home)) == 1


def test_a_spare_file_that_somebody_removed_is_not_missed(home: Home) -> None:
    keeper = Keeper(home)
    queue(home, FIRST)
    finish(home, keeper)
    run(keeper.release())
    spare._known[os.path.join(home.queue, "free")] = ["a.0.7", "a.0.8"]
    queue(home, SECOND)
    assert len(contents(home)) == 1


def test_what_rested_when_its_runner_died_is_removed_in_time(home: Home) -> None:
    old = {"dead.3.old": 7200, "dead.2.free": 7200, "gone.1": 7200, "17": 7200}
    for name, age in {"dead.2": 60, "dead.3.young": 60, **old}.items():
        path = Path(home.queue, "free", name)
        path.touch()
        os.utime(path, (clock.now() - age,) * 2)
    Keeper(home).clear()
    assert files_of(home, "free") == ["dead.2", "dead.2.free", "dead.3.young"]


def test_a_crash_never_mixes_two_messages(tmp_path: Path) -> None:
    """The first message is done and its file is used for the second; whatever the step of death, whatever is in the
    queue is one message whole, for its own recipient, and the second is there once it was accepted."""
    accepted: list[bool] = []

    def prepare(directory: Path) -> None:
        accepted.clear()
        queue(prepared(directory), FIRST, "bob@example.test")

    def scenario(directory: Path) -> None:
        home = Home(str(directory))
        keeper = Keeper(home)
        finish(home, keeper)
        run(keeper.release())
        queue(home, SECOND, "carol@example.test")
        accepted.append(True)

    whole = {("bob@example.test", FIRST), ("carol@example.test", SECOND)}
    for crash in crashes(tmp_path, scenario, prepare):
        home = Home(str(crash.directory))
        found = contents(home)
        assert set(found) <= whole and len(found) == len(set(found)), crash
        assert files_of(home, "failed") == [], crash
        assert spares(home) == [] or not crash.done, "the file was not used again"
        if accepted:
            assert ("carol@example.test", SECOND) in found, crash


def test_without_the_directory_nothing_is_kept(home: Home) -> None:
    os.rmdir(os.path.join(home.queue, "free"))
    keeper = Keeper(home)
    queue(home, FIRST)
    finish(home, keeper)
    run(keeper.release())
    assert contents(home) == []
    assert not os.path.exists(os.path.join(home.queue, "free"))


def test_nothing_is_used_again_where_other_machines_write(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper(home)
    queue(home, FIRST)
    finish(home, keeper)
    run(keeper.release())
    assert len(spares(home)) == 1
    monkeypatch.setattr(filesystem, "kind", lambda fd: 0x65735546)  # FUSE
    keeper = Keeper(home)
    queue(home, SECOND)
    finish(home, keeper)
    run(keeper.release())
    assert files_of(home, "new") == files_of(home, "cur") == []
    keeper.clear()
    assert files_of(home, "free") == []
