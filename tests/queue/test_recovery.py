"""Whatever dies when: what was accepted is in the queue, or is put there; what was not is whole or nothing."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailkit import files
from mailkit.control import Home
from mailkit.exits import Temp
from mailkit.net.blocking import run
from mailkit.queue import claim, entry, listing, name, recovery
from mailkit.queue.entry import DONE, Envelope, Recipient
from mailkit.queue.inject import Spool
from mailkit.queue.name import Name
from mailkit.queue.spare import Keeper
from tests.harness import crash, fakeclock, syncers
from tests.queue.homes import prepared

MESSAGES = [b"Subject: %d\n\n" % i + b"%d" % i * (90 * i + 1) + b"\n" for i in range(3)]
NAME = Name(1763768464, 0, "6f1d2c7a90be3345", len(MESSAGES[0]))
DATA = entry.encode(Envelope("alice@example.test", [Recipient("bob@example.test"), Recipient("x@y")])) + MESSAGES[0]


def leave(home: Home, data: bytes = DATA, name: str = "") -> Path:
    """A file of somebody who died, in tmp/: by its name it should hold DATA."""
    path = Path(home.queue, "tmp", name or NAME.sealed(DATA))
    path.write_bytes(data)
    return path


def names(home: Home, part: str) -> list[str]:
    return sorted(os.listdir(os.path.join(home.queue, part)))


def spares(home: Home) -> list[str]:
    """The files of entries in free/."""
    return [name for name in names(home, "free") if name.count(".") == 2]


async def queue(home: Home, message: bytes) -> str:
    spool = Spool(home)
    spool.begin(Envelope("alice@example.test", [Recipient("bob@example.test")]))
    spool.write(message)
    return await spool.commit()


def finish(home: Home, keeper: Keeper) -> None:
    """What the runner does with all that is in new/."""
    for found in listing.entries(home, "new"):
        got = claim.claim(home, "new", str(found))
        assert got is not None
        got.mark(got.envelope.recipients, DONE)
        got.finish(keeper.place(got.name.id))
        if got.resting:
            keeper.rest()


def messages(home: Home) -> list[bytes]:
    """What would be delivered."""
    found = []
    for one in listing.entries(home, "new"):
        got = claim.claim(home, "new", str(one))
        assert got is not None, f"{one} is damaged"
        found += [got.head] * bool(got.envelope.pending)
        got.release()
    return found


def test_a_whole_file_is_queued(home: Home, lines: list[str]) -> None:
    leave(home)
    recovery.clear(home)
    assert (names(home, "tmp"), names(home, "new")) == ([], [str(NAME)])
    assert lines == [f"queue q={NAME.id} operation=recover verdict=queued"]
    assert messages(home) == [MESSAGES[0]]


def test_marks_and_notes_that_reached_the_disk_before_the_name_do_not_count(home: Home) -> None:
    path = leave(home)
    os.rename(path, os.path.join(home.queue, "new", str(NAME)))
    got = claim.claim(home, "new", str(NAME))
    assert got is not None
    got.note("x@y: 450 4.2.1 try later")
    got.mark(got.envelope.recipients[:1], DONE)
    got.release()
    os.rename(got.path, path)
    recovery.clear(home)
    again = claim.claim(home, "new", str(NAME))
    assert again is not None and [one.address for one in again.envelope.pending] == ["x@y"]
    again.release()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA[:-1],
        DATA + b"\n",
        bytes(len(DATA)),
        DATA[: len(DATA) // 2].ljust(len(DATA), b"\0"),
        DATA.replace(b"Subject", b"subject"),
        DATA.replace(b"bob@", b"rob@"),
        DATA.replace(b"\nT <x@y>", b"\nQ <x@y>"),
    ],
)
def test_what_is_not_whole_is_left_and_removed_in_time(
    home: Home, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    now = fakeclock.install(monkeypatch).time
    path = leave(home, data)
    for age_h, there in ((35, True), (37, False)):
        os.utime(path, (now - age_h * 3600,) * 2)
        recovery.clear(home)
        assert path.exists() is there
    assert names(home, "new") == []


def test_what_says_nothing_of_itself_is_removed_in_time(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    now = fakeclock.install(monkeypatch).time
    for age_h in (37, 35):
        path = leave(home, name=str(age_h))
        os.utime(path, (now - age_h * 3600,) * 2)
    recovery.clear(home)
    assert (names(home, "tmp"), names(home, "new")) == (["35"], [])


def test_what_is_whole_is_never_too_old(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may be without power for days."""
    path = leave(home)
    os.utime(path, (fakeclock.install(monkeypatch).time - 1e6,) * 2)
    assert recovery.left(home) == []
    recovery.clear(home)
    assert names(home, "new") == [str(NAME)]


def test_a_writer_that_lives_is_left_alone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = leave(home)
    os.utime(path, (fakeclock.install(monkeypatch).time - 1e6,) * 2)
    with open(path, "rb") as file:
        assert files.lock(file.fileno())
        recovery.clear(home)
        assert path.exists()
    recovery.clear(home)
    assert names(home, "new") == [str(NAME)]


@pytest.mark.parametrize("part", ["new", "tmp"])
def test_without_directories_nothing_is_lost(home: Home, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    os.utime(leave(home), (fakeclock.install(monkeypatch).time - 1e6,) * 2)
    directory = os.path.join(home.queue, part)
    os.rename(directory, directory + ".away")
    recovery.clear(home)
    os.rename(directory + ".away", directory)
    recovery.clear(home)
    assert names(home, "new") == [str(NAME)]


def test_what_the_disk_refuses_is_left_for_the_next_time(tmp_path: Path, lines: list[str]) -> None:
    refused = set()
    for directory, operation, error in crash.refusals(
        tmp_path, lambda directory: recovery.clear(Home(str(directory))), lambda at: leave(prepared(at)) and None
    ):
        home = Home(str(directory))
        assert error is None and f"queue q={NAME.id} operation=recover error=\"Input/output error\" verdict=later" in lines
        assert names(home, "new") == []
        recovery.clear(home)
        assert names(home, "new") == [str(NAME)]
        refused.add(operation)
    assert refused == {"lock", "rename"}


def test_a_file_that_cannot_be_read_is_not_removed(
    home: Home, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    path = leave(home)
    os.utime(path, (fakeclock.install(monkeypatch).time - 1e6,) * 2)

    def sick(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", sick)
        recovery.clear(home)
    assert path.exists() and "verdict=later" in lines[0]


def test_death_while_recovering(tmp_path: Path) -> None:
    for died in crash.crashes(
        tmp_path, lambda directory: recovery.clear(Home(str(directory))), lambda at: leave(prepared(at)) and None
    ):
        home = Home(str(died.directory))
        recovery.clear(home)
        assert messages(home) == [MESSAGES[0]], died


def served(home: Home, work: Callable[[], Any], relied: bool = True) -> Any:
    """The result of `work()` in a loop with a syncer."""
    parts = (Path(home.queue, part) for part in ("cur", "new", "free", "tmp"))
    return syncers.run(work, syncers.syncs(*parts, relied=relied))[0]


@pytest.mark.parametrize("relied", [True, False])
def test_what_was_accepted_survives_death_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relied: bool
) -> None:
    """Three messages: the file of the first is used again for the third, the second comes in between."""
    syncers.trust(monkeypatch)
    accepted: list[int] = []
    delivered: list[int] = []

    def prepare(directory: Path) -> None:
        accepted.clear()
        delivered.clear()
        prepared(directory)

    def scenario(directory: Path) -> None:
        home = Home(str(directory))

        async def one(i: int) -> None:
            await queue(home, MESSAGES[i])
            accepted.append(i)

        async def work() -> None:
            keeper = Keeper(home)
            await one(0)
            delivered.append(0)
            finish(home, keeper)
            await asyncio.gather(one(1), keeper.release())
            await one(2)

        served(home, work, relied)

    recovered = 0
    for died in crash.crashes(tmp_path, scenario, prepare):
        home = Home(str(died.directory))
        before = len(names(home, "new"))
        recovery.clear(home)
        recovered += len(names(home, "new")) - before
        found = messages(home)
        assert len(found) == len(set(found)) and set(found) <= set(MESSAGES), died
        assert {MESSAGES[i] for i in accepted if i not in delivered} <= set(found), died
        assert names(home, "failed") == [], died
        assert not died.done or (sorted(accepted), spares(home), names(home, "tmp")) == ([0, 1, 2], [], [])
    assert recovered


@pytest.mark.parametrize("relied", [True, False])
def test_a_disk_that_refuses_is_told_and_nothing_is_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relied: bool
) -> None:
    syncers.trust(monkeypatch)
    for directory, operation, error in crash.refusals(
        tmp_path,
        lambda directory: served(Home(str(directory)), lambda: queue(Home(str(directory)), MESSAGES[1]), relied),
        prepared,
    ):
        home = Home(str(directory))
        recovery.clear(home)
        assert isinstance(error, Temp) or messages(home) == [MESSAGES[1]], operation
        assert not (isinstance(error, Temp) and messages(home)), operation


def test_a_runner_may_look_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes nothing from a writer; in the moment before the rename it may, and then the writer says so."""
    syncers.trust(monkeypatch)
    seen = []
    for n in range(1, 8):
        home = prepared(tmp_path / str(n))
        calls: list[str] = []

        def fault(operation: str, *_: object, home: Home = home, calls: list[str] = calls, n: int = n) -> None:
            calls.append(operation)
            if len(calls) == n:
                recovery.clear(home)

        monkeypatch.setattr(files, "fault", fault)
        try:
            run(queue(home, MESSAGES[1]))
        except Temp:
            seen.append(calls[n - 1])
        monkeypatch.setattr(files, "fault", None)
        assert messages(home) == [MESSAGES[1]] and names(home, "tmp") == []
    assert seen == ["rename"]


def test_a_file_used_again_is_not_taken_for_the_new_message(home: Home) -> None:
    """Its name says what it is to hold before it holds it."""
    keeper = Keeper(home)
    run(queue(home, MESSAGES[1]))
    finish(home, keeper)
    run(keeper.release())
    (file,) = (Path(home.queue, "free", name) for name in spares(home))
    file.rename(Path(home.queue, "tmp", NAME.sealed(DATA)))
    recovery.clear(home)
    assert names(home, "new") == [] and len(names(home, "tmp")) == 1


def test_names_in_tmp_are_no_entries(home: Home) -> None:
    leave(home)
    assert list(listing.entries(home, "tmp")) == []
    assert name.parse(NAME.sealed(DATA)) is None
