"""users.throttle and users.slots: shared counts in small files."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.exits import Temp
from mailkit.users import keys, slots, throttle
from tests.harness import fakeclock
from tests.harness.fakeclock import FakeClock
from tests.users.conftest import control

PEER, ALICE = "192.0.2.1", "alice@example.test"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    return fakeclock.install(monkeypatch, time.time())


@pytest.fixture(autouse=True)
def marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told of a password is one octet, by chance the same for two of them in one run of 255."""
    monkeypatch.setattr(keys, "secret", lambda home: b"the same in every run")


def fail(home: Home, times: int, peer: str = PEER, account: str = ALICE) -> None:
    for _ in range(times):
        throttle.failed(home, peer, account)


def test_delay_doubles_up_to_the_longest(home: Home) -> None:
    delays = []
    for _ in range(7):
        throttle.failed(home, PEER, ALICE)
        delays.append(throttle.delay(home, PEER, ALICE))
    assert delays == [1, 2, 4, 8, 15, 15, 15]
    assert throttle.delay(home, "192.0.2.2", "bob@example.test") == 0


def test_no_delay_where_the_admin_wants_none(home: Home) -> None:
    control(home, "authdelay", "0")
    fail(home, 3)
    assert throttle.delay(home, PEER, ALICE) == 0


def test_address_is_refused_at_its_limit_whatever_the_account(home: Home) -> None:
    for i in range(19):
        fail(home, 1, account=f"user{i}@example.test")
    assert not throttle.blocked(home, PEER, "")
    fail(home, 1, account="")
    assert throttle.blocked(home, PEER, "")
    assert throttle.blocked(home, PEER, "somebody@example.test")
    assert not throttle.blocked(home, "192.0.2.2", "")


def test_account_is_refused_at_its_limit_wherever_they_come_from(home: Home) -> None:
    for i in range(50):
        assert not throttle.blocked(home, "198.51.100.1", ALICE)
        fail(home, 1, peer=f"192.0.2.{i}")
    assert throttle.blocked(home, "198.51.100.1", ALICE)
    assert throttle.blocked(home, "198.51.100.1", ALICE.upper())
    assert not throttle.blocked(home, "198.51.100.1", "bob@example.test")


def test_nobody_is_locked_out_where_they_are_known(home: Home) -> None:
    throttle.succeeded(home, "198.51.100.1", ALICE)
    for i in range(60):
        fail(home, 1, peer=f"192.0.2.{i}")
    assert throttle.blocked(home, "203.0.113.9", ALICE)
    assert not throttle.blocked(home, "198.51.100.1", ALICE)
    fail(home, 440, peer="198.51.100.1")
    assert throttle.blocked(home, "198.51.100.1", ALICE)  # ten times the limit is one


def test_the_same_wrong_password_counts_once(home: Home) -> None:
    """Yesterday's password in a forgotten telephone, for ever."""
    for _ in range(100):
        throttle.failed(home, PEER, ALICE, "yesterday's")
    assert throttle.delay(home, PEER, ALICE) == 1
    throttle.failed(home, PEER, "bob@example.test", "yesterday's")
    throttle.failed(home, PEER, ALICE, "another")
    assert [path.stat().st_size for path in sorted(Path(home.run, "failed").iterdir())] == [3, 2, 1]


def test_most_guesses_are_counted(home: Home) -> None:
    control(home, "authperaddress", "0")
    for i in range(60):
        throttle.failed(home, PEER, ALICE, f"guess {i}")
    assert Path(home.run, "failed", ALICE).stat().st_size >= 40


def test_limits_may_be_off(home: Home) -> None:
    control(home, "authperaddress", "0")
    control(home, "authperaccount", "0")
    fail(home, 100)
    assert not throttle.blocked(home, PEER, ALICE)


def test_success_does_not_clear_the_count(home: Home) -> None:
    fail(home, 20)
    throttle.succeeded(home, PEER, "mallory@example.test")
    assert throttle.blocked(home, PEER, ALICE)


def test_failures_are_forgotten_after_the_window(home: Home, clock: FakeClock) -> None:
    fail(home, 20)
    clock.advance(14 * 60)
    assert throttle.blocked(home, PEER, ALICE)
    clock.advance(2 * 60)
    assert not throttle.blocked(home, PEER, ALICE)
    assert throttle.delay(home, PEER, ALICE) == 0


def test_old_count_does_not_wake_up(home: Home) -> None:
    fail(home, 10)
    for path in Path(home.run, "failed").iterdir():
        os.utime(path, (0, 0))
    fail(home, 1)
    assert throttle.delay(home, PEER, ALICE) == 1


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_what_counts_as_one_address(home: Home, one: str, other: str, is_same: bool) -> None:
    fail(home, 20, peer=one, account="")
    assert throttle.blocked(home, other, "") == is_same


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "", "::ffff:127.0.0.1"])
def test_front_end_on_this_machine_is_not_counted(home: Home, peer: str) -> None:
    fail(home, 30, peer=peer)
    assert not throttle.blocked(home, peer, "")
    assert throttle.delay(home, peer, ALICE) == 15


@pytest.mark.parametrize(
    "account", ["../../x@y", "a/b@c.test", ".hidden@x", "x" * 5000, "\0@x", "naïve@x.test", "\ud800@", "."]
)
def test_any_account_name_stays_in_its_directory(home: Home, account: str) -> None:
    before = {path for path in Path(home.path).rglob("*") if path.is_file()}
    fail(home, 2, account=account)
    assert throttle.delay(home, "", account) == 2
    made = {path for path in Path(home.path).rglob("*") if path.is_file()} - before
    assert {path.parent for path in made} == {Path(home.run, "failed")} and len(made) == 2


def test_sweep_removes_what_counts_no_more_and_the_oldest(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_MOST", 5)
    for i in range(9):
        fail(home, 1, peer="", account=f"user{i}@example.test")
        throttle.succeeded(home, PEER, f"user{i}@example.test")
    directory = Path(home.run, "failed")
    now = time.time()
    for i, path in enumerate(sorted(directory.iterdir())):
        os.utime(path, (now - 100 + i, now - 100 + i))
    os.utime(directory / "user7@example.test", (0, 0))
    throttle.sweep(home)
    assert sorted(path.name for path in directory.iterdir()) == [f"user{i}@example.test" for i in (3, 4, 5, 6, 8)]
    assert len(list(Path(home.run, "known").iterdir())) == 5


def test_failures_sweep_in_passing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(home, 1, peer="192.0.2.99", account="")
    os.utime(Path(home.run, "failed", "192.0.2.99"), (0, 0))
    monkeypatch.setattr("mailkit.clock.random", lambda: 0.0)
    fail(home, 1)
    assert not Path(home.run, "failed", "192.0.2.99").exists()


def test_disk_that_refuses_stops_no_login(home: Home, logged: list[str]) -> None:
    os.rmdir(home.run)
    Path(home.run).write_text("no directory")
    throttle.failed(home, PEER, ALICE)
    throttle.succeeded(home, PEER, ALICE)
    assert not throttle.blocked(home, PEER, ALICE)
    assert len(logged) == 2


def test_known_is_written_once_a_day(home: Home, clock: FakeClock) -> None:
    throttle.succeeded(home, PEER, ALICE)
    (path,) = Path(home.run, "known").iterdir()
    first = path.stat().st_mtime
    clock.advance(3600)
    throttle.succeeded(home, PEER, ALICE)
    assert path.stat().st_mtime == first
    clock.advance(86400)
    throttle.succeeded(home, PEER, ALICE)
    assert path.stat().st_mtime > first


def test_slots_bound_concurrent_checks(home: Home, clock: FakeClock) -> None:
    control(home, "verifications", "2")
    with slots.Slot(home), slots.Slot(home):
        with pytest.raises(Temp), slots.Slot(home, wait_s=1.0):
            raise AssertionError("a third one got in")
        assert sum(clock.slept) >= 1.0
    with slots.Slot(home, wait_s=0):
        pass


def test_slot_of_another_process_counts(home: Home) -> None:
    control(home, "verifications", "1")
    with slots.Slot(home):
        pass
    fd = os.open(os.path.join(home.run, "verify", "0"), os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(Temp), slots.Slot(home, wait_s=0):
        raise AssertionError("got in")
    os.close(fd)
    with slots.Slot(home, wait_s=0):
        pass


def test_slots_on_a_disk_that_refuses(home: Home, logged: list[str]) -> None:
    os.rmdir(home.run)
    Path(home.run).write_text("no directory")
    with slots.Slot(home):
        assert "slots" in logged[0]


def test_slots_without_limit(home: Home) -> None:
    control(home, "verifications", "0")
    with slots.Slot(home):
        assert not os.path.exists(os.path.join(home.run, "verify"))


def test_failures_of_a_time_when_the_clock_was_ahead_shut_nobody_out(home: Home, clock: FakeClock) -> None:
    fail(home, 20)
    assert throttle.blocked(home, PEER, ALICE)
    for path in Path(home.run, "failed").iterdir():
        os.utime(path, (clock.time + 86400, clock.time + 86400))
    assert not throttle.blocked(home, PEER, ALICE)
