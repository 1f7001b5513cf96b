"""What is ready for a mailbox: whole when it was accepted, whoever dies when, and never taken from its writer."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import clock, files
from mailkit.control import Home
from mailkit.exits import Temp
from mailkit.net.blocking import run
from mailkit.queue import entry, inspection, listing, ready
from mailkit.queue.ready import Ready
from tests.harness import crash, fakeclock, syncers
from tests.queue.homes import prepared

BASE = "1763768464.R6f1d2c7a90be3345.mail,S=%d,W=%d"
DATA = b"Return-Path: <alice@example.net>\nDelivered-To: bob@example.test\nSubject: x\n\nh\xc3\xa4llo\n"
ADDRESS = "bob@example.test"


def name(data: bytes = DATA) -> str:
    return ready.name(BASE % (len(data), len(data) + data.count(b"\n")), data, ADDRESS)


def place(home: Home) -> Path:
    return Path(home.queue, "ready")


def only(home: Home) -> Ready:
    (found,) = ready.entries(home)
    return found


def queued(home: Home) -> list[tuple[str, list[str], bytes]]:
    """Sender, recipients and text of the ordinary entries."""
    found = []
    for path in sorted(Path(home.queue, "new").iterdir()):
        about, at = entry.decode(data := path.read_bytes())
        found.append((about.sender, [one.address for one in about.recipients], data[at:]))
    return found


def test_the_name_says_all(home: Home) -> None:
    run(ready.put(home, name(), DATA))
    found = only(home)
    assert (found.base, found.address, found.octets) == (BASE % (len(DATA), len(DATA) + 5), ADDRESS, len(DATA))
    assert (found.name.id, found.name.due, found.name.size) == ("6f1d2c7a90be3345", 1763768464, len(DATA))
    assert found.crc == crc32(DATA)
    assert Path(ready.path(home, found)).read_bytes() == DATA == ready.whole(home, found)


@pytest.mark.parametrize("address", ["a/../b@example.test", "a,S=1@example.test", "ä@example.test", "x" * 200 + "@y.z", "A@b"])
def test_an_address_that_no_name_can_say(address: str) -> None:
    assert ready.name(BASE % (1, 1), DATA, address) == ""


@given(st.text(max_size=80) | st.text("0123456789abcdef.,=RSWCT@", max_size=80))
def test_any_name_is_ours_or_none(text: str) -> None:
    found = ready.parse(text)
    assert found is None or found.name.text == text


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA + b"\n", bytes(len(DATA)), DATA.replace(b"x", b"y")])
def test_what_is_not_whole_is_nothing_and_is_put_aside_in_time(
    home: Home, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    now = fakeclock.install(monkeypatch).time
    path = place(home) / name()
    path.write_bytes(data)
    assert ready.whole(home, only(home)) is None
    run(ready.adopt_all(home))
    assert queued(home) == [] and path.exists()
    for age_h, moved in ((35, False), (37, True)):
        os.utime(path, (now - age_h * 3600,) * 2)
        ready.clear(home)
        assert path.exists() is not moved
    aside = Path(home.queue, "failed", path.name)
    assert aside.read_bytes() == data if data else not aside.exists()  # it may have been accepted: never deleted
    assert [one.state for one in inspection.items(home)] == ["failed"] * bool(data)


def test_what_is_whole_is_never_left_over(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run(ready.put(home, name(), DATA))
    later = clock.now() + 1e6
    monkeypatch.setattr(clock, "now", lambda: later)
    assert ready.left(home) == []


def test_nobody_takes_it_from_its_writer(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every step of the writing, also when all octets are there and only the disk has not got them."""
    seen = []

    def fault(operation: str, *_: object) -> None:
        if operation != "lock":
            seen.append([operation, [ready.whole(home, one) for one in ready.entries(home)]])

    monkeypatch.setattr(files, "fault", fault)
    run(ready.put(home, name(), DATA))
    monkeypatch.setattr(files, "fault", None)
    assert seen == [["create", []], ["write", [None]], ["sync", [None]], ["sync_dir", [None]]]
    assert ready.whole(home, only(home)) == DATA


def test_it_becomes_an_entry(home: Home, lines: list[str]) -> None:
    run(ready.put(home, name(), DATA))
    (item,) = inspection.items(home)
    assert (item.state, item.sender, item.pending, item.trouble) == ("ready", "alice@example.net", [ADDRESS], "")
    assert listing.find(home, item.name.id) == ("ready", item.name) or item.name.text == name()
    run(ready.adopt_all(home))
    assert ready.entries(home) == []
    assert queued(home) == [("alice@example.net", [ADDRESS], b"Subject: x\n\nh\xc3\xa4llo\n")]
    (item,) = inspection.items(home)
    assert item.envelope is not None
    assert (item.name.id, item.arrived, item.envelope.params["body"]) == ("6f1d2c7a90be3345", 1763768464, "8BITMIME")
    assert lines == ["queue q=6f1d2c7a90be3345 operation=adopt to=bob@example.test"]


def test_what_cannot_be_understood_is_set_aside(home: Home, lines: list[str]) -> None:
    data = b"Subject: no sender\n\n"
    run(ready.put(home, name(data), data))
    (item,) = inspection.items(home)
    assert item.trouble == "not a message that is ready for a mailbox"
    run(ready.adopt_all(home))
    assert os.listdir(Path(home.queue, "failed")) == [name(data)]
    assert lines[0].startswith("damaged file=ready/1763768464.R")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_leaves_nothing(tmp_path: Path, number: int) -> None:
    for directory, operation, error in crash.refusals(
        tmp_path,
        lambda directory: run(ready.put(Home(str(directory)), name(), DATA)),
        prepared,
        number,
    ):
        assert isinstance(error, OSError), operation
        assert os.listdir(place(Home(str(directory)))) == [], operation


@pytest.mark.parametrize("relied", [True, False])
def test_a_disk_that_refuses_a_round_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relied: bool
) -> None:
    syncers.trust(monkeypatch)
    for directory, operation, error in crash.refusals(
        tmp_path, lambda directory: served(Home(str(directory)), relied), prepared
    ):
        found = [ready.whole(Home(str(directory)), one) for one in ready.entries(Home(str(directory)))]
        assert found == ([] if isinstance(error, OSError) else [DATA]), operation


def served(home: Home, relied: bool, then: Callable[[], None] = lambda: None) -> None:
    """Put it there in a loop with a syncer."""

    async def work() -> None:
        await ready.put(home, name(), DATA)
        then()

    syncers.run(work, syncers.syncs(place(home), relied=relied))


@pytest.mark.parametrize("how", ["alone", "relied", "one by one"])
def test_what_was_accepted_survives_death_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    syncers.trust(monkeypatch)
    accepted: list[bool] = []

    def prepare(directory: Path) -> None:
        accepted.clear()
        prepared(directory)

    def scenario(directory: Path) -> None:
        home = Home(str(directory))
        if how == "alone":
            run(ready.put(home, name(), DATA))
            accepted.append(True)
        else:
            served(home, how == "relied", lambda: accepted.append(True))

    for died in crash.crashes(tmp_path, scenario, prepare):
        home = Home(str(died.directory))
        found = [data for one in ready.entries(home) if (data := ready.whole(home, one)) is not None]
        assert found == [DATA] or not (found or accepted), died
        assert not died.done or accepted, died


def test_death_while_it_becomes_an_entry(tmp_path: Path) -> None:
    """It is there in one form or in both; done once more, it is one entry."""

    def prepare(directory: Path) -> None:
        run(ready.put(prepared(directory), name(), DATA))

    for died in crash.crashes(tmp_path, lambda directory: run(ready.adopt_all(Home(str(directory)))), prepare):
        home = Home(str(died.directory))
        run(ready.adopt_all(home))
        assert ready.entries(home) == [] and len(queued(home)) == 1, died


def test_an_entry_that_cannot_be_written_leaves_it_ready(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run(ready.put(home, name(), DATA))

    def full(operation: str, *_: object) -> None:
        if operation == "write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "fault", full)
    with pytest.raises(Temp):
        run(ready.adopt_all(home))
    monkeypatch.setattr(files, "fault", None)
    assert ready.whole(home, only(home)) == DATA


def test_many_at_once_share_rounds(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    syncers.trust(monkeypatch)

    async def work() -> None:
        names = [name().replace("6f1d", f"{number:04x}") for number in range(20)]
        await asyncio.gather(*(ready.put(home, one, DATA) for one in names))

    _, syncer = syncers.run(work, clock.monotonic)
    assert syncer.asked <= 2 and len(ready.entries(home)) == 20
