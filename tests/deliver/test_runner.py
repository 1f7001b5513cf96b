"""The runner: what is due is delivered, once; what fails waits, is told, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from mailkit import clock, files, log
from mailkit.control import Home
from mailkit.deliver import attempt, notice, remote
from mailkit.deliver import runner as runner_module
from mailkit.deliver.outcome import TRACED, Outcome
from mailkit.deliver.runner import Runner
from mailkit.net import blocking
from mailkit.queue import claim, inject, inspection, listing
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.name import Name
from mailkit.queue.watch import Arrivals
from tests.deliver.homes import MESSAGE, mailbox, make, queue, waiting
from tests.harness.crash import crashes, refusals

LATER = Outcome("temp", "4.2.1", "try later", remote="mx.example.net")
NEVER = Outcome("perm", "5.1.1", "no such user", remote="mx.example.net")
SILENT = Outcome("temp", "4.4.1", "connection refused")
OK = Outcome("ok", "2.0.0", "queued", remote="mx.example.net")


class World:
    """Everything outside: `says` gives the outcomes for a domain; reports are noted instead of written."""

    def __init__(self) -> None:
        self.says: Callable[[str, str], Outcome] = lambda domain, address: OK
        self.sent: list[tuple[str, list[str]]] = []
        self.reports: list[tuple[str, list[str]]] = []
        self.codes: list[str] = []
        self.most_at_once: dict[str, int] = {}
        self._now: dict[str, int] = {}
        self.gate: asyncio.Event | None = None

    async def attempt(
        self, home: Home, domain: str, sender: str, recipients: list[Recipient], *rest: Any, **options: Any
    ) -> list[Outcome]:
        self._now[domain] = self._now.get(domain, 0) + 1
        self.most_at_once[domain] = max(self.most_at_once.get(domain, 0), self._now[domain])
        if self.gate is not None and domain.startswith("slow"):
            await self.gate.wait()
        await asyncio.sleep(0)
        self._now[domain] -= 1
        self.sent.append((domain, [recipient.address for recipient in recipients]))
        return [self.says(domain, recipient.address) for recipient in recipients]

    async def tell(self, home: Home, claimed: Any, message: Any, kind: str, results: Any) -> None:
        self.reports.append((kind, [recipient.address for recipient, _ in results]))
        self.codes += [found.code for _, found in results]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(remote, "attempt", world.attempt)
    monkeypatch.setattr(notice, "tell", world.tell)
    return world


def once(home: Home) -> None:
    asyncio.run(Runner(home, once=True).run())


@contextlib.asynccontextmanager
async def running(home: Home) -> AsyncIterator[Runner]:
    runner = Runner(home)
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        runner.stop()
        await task


async def until(condition: Callable[[], object]) -> None:
    """Wait for something the runner does; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


def age(home: Home, seconds: float) -> None:
    """Make every waiting entry due now, and as old as that."""
    for directory, found in waiting(home):
        path = Path(home.queue, directory, str(found))
        data = path.read_bytes()
        start = data.index(b"arrived ") + len(b"arrived ")
        path.write_bytes(data[:start] + b"%10d" % (clock.now() - seconds) + data[start + 10 :])
        path.rename(path.with_name(str(found.at(0))))


def test_mail_for_users_here_is_delivered_and_gone(home: Home, world: World) -> None:
    queue(home, "bob@example.test", "alice@example.test")
    queue(home, "bob+x@example.test")
    once(home)
    assert len(mailbox(home, "bob")) == 2
    assert mailbox(home, "alice") == [b"Return-Path: <alice@example.net>\nDelivered-To: alice@example.test\n" + MESSAGE]
    assert waiting(home) == []


def test_each_domain_elsewhere_gets_its_recipients_together(home: Home, world: World) -> None:
    queue(home, "a@one.example", "b@two.example", "c@one.example")
    once(home)
    assert sorted(world.sent) == [
        ("one.example", ["a@one.example", "c@one.example"]),
        ("two.example", ["b@two.example"]),
    ]
    assert waiting(home) == []


def test_what_is_not_due_waits(home: Home, world: World) -> None:
    queue(home, "bob@example.test")
    ((_, found),) = waiting(home)
    os.rename(
        Path(home.queue, "new", str(found)), Path(home.queue, "cur", str(found.at(int(clock.now()) + 1000, attempts=1)))
    )
    once(home)
    assert mailbox(home, "bob") == []
    assert len(waiting(home)) == 1


def test_what_is_held_or_failed_is_left_alone(home: Home, world: World) -> None:
    for part in ("hold", "failed"):
        queue(home, "bob@example.test")
        (found,) = listing.entries(home, "new")
        os.rename(Path(home.queue, "new", str(found)), Path(home.queue, part, str(found)))
    once(home)
    assert sorted(directory for directory, _ in waiting(home)) == ["failed", "hold"]


def test_temporary_trouble_is_tried_again_later_for_those_who_need_it(home: Home, world: World) -> None:
    world.says = lambda domain, address: LATER if address.startswith("b") else OK
    queue(home, "a@one.example", "b@one.example", "bob@example.test")
    once(home)
    ((directory, found),) = waiting(home)
    assert (directory, found.attempts) == ("cur", 1)
    assert 200 < found.due - clock.now() < 400
    got = claim.claim(home, directory, str(found))
    assert got is not None
    assert [(one.address, one.status) for one in got.envelope.recipients] == [
        ("a@one.example", "D"),
        ("b@one.example", "T"),
        ("bob@example.test", "D"),
    ]
    got.release()
    data = Path(home.queue, directory, str(found)).read_text()
    assert "note b@one.example: 4.2.1 try later" in data
    assert world.reports == []
    world.sent.clear()
    world.says = lambda domain, address: OK
    age(home, 60)
    once(home)
    assert world.sent == [("one.example", ["b@one.example"])]
    assert len(mailbox(home, "bob")) == 1
    assert waiting(home) == []


def test_permanent_trouble_is_reported_and_marked(home: Home, world: World) -> None:
    world.says = lambda domain, address: NEVER
    queue(home, "a@one.example", "nobody@example.test")
    once(home)
    assert [kind for kind, _ in world.reports] == [notice.FAILED]
    assert sorted(world.reports[0][1]) == ["a@one.example", "nobody@example.test"]
    assert waiting(home) == []


def test_delay_is_told_once_and_giving_up_is_told_last(home: Home, world: World) -> None:
    world.says = lambda domain, address: LATER
    queue(home, "a@one.example")
    for hours in (1, 5, 9, 100):
        age(home, hours * 3600)
        once(home)
    assert world.reports == [(notice.DELAYED, ["a@one.example"])]
    age(home, 5 * 86400)
    once(home)
    assert world.reports[1:] == [(notice.FAILED, ["a@one.example"])]
    assert waiting(home) == []


@pytest.mark.parametrize(
    ("mode", "told"), [("R", (notice.FAILED, "5.4.7")), ("RT", (notice.FAILED, "5.4.7")), ("N", (notice.DELAYED, "4.4.7"))]
)
def test_a_deadline_is_the_end_or_a_reason_to_tell(mode: str, told: tuple[str, str], home: Home, world: World) -> None:
    """RFC 2852 4.1.3."""
    world.says = lambda domain, address: LATER
    queue(home, "a@one.example", params={"by": f"{int(clock.now()) + 3600};{mode}"})
    once(home)
    assert (len(world.sent), world.reports) == (1, [])
    for directory, found in waiting(home):
        path = Path(home.queue, directory, str(found))
        head, _, rest = path.read_bytes().partition(b"\nby ")
        path.write_bytes(head + b"\nby %d" % (clock.now() - 1) + rest[rest.index(b";") :])
    age(home, 3601)
    once(home)
    assert [(kind, code) for (kind, _), code in zip(world.reports, world.codes, strict=True)] == [told]
    assert len(world.sent) == (1 if mode.startswith("R") else 2)
    assert bool(waiting(home)) is (mode == "N")


def test_a_trace_is_told_where_nobody_asked_for_success(home: Home, world: World) -> None:
    """RFC 2852 4.1.4."""
    world.says = lambda domain, address: Outcome("ok", "2.0.0", "queued", "mx.example.net", TRACED)
    queue(home, "a@one.example", Recipient("b@one.example", params={"notify": "NEVER"}))
    once(home)
    assert world.reports == [(notice.DELIVERED, ["a@one.example"])]


def test_a_report_that_cannot_be_queued_is_tried_again(
    home: Home, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailkit.exits import Temp

    async def refuse(*args: Any) -> None:
        raise Temp("no room", code="4.3.1")

    monkeypatch.setattr(notice, "tell", refuse)
    queue(home, "nobody@example.test")

    async def scenario() -> None:
        async with running(home) as runner:
            await until(lambda: runner._waiting and not runner.active)

    asyncio.run(scenario())
    ((_, found),) = waiting(home)
    got = claim.claim(home, "new", str(found))
    assert got is not None and len(got.envelope.pending) == 1
    got.release()


def test_success_is_told_where_it_was_asked_for(home: Home, world: World) -> None:
    queue(home, Recipient("bob@example.test", params={"notify": "SUCCESS,FAILURE"}), "alice@example.test")
    once(home)
    assert world.reports == [(notice.DELIVERED, ["bob@example.test"])]


def test_an_alias_goes_through_the_queue_again(tmp_path: Path, world: World) -> None:
    home = make(tmp_path, aliases="bob@example.test: bob, alice, carol@one.example\n")
    queue(home, "bob@example.test")
    once(home)
    assert len(mailbox(home, "bob")) == len(mailbox(home, "alice")) == 1
    assert world.sent == [("one.example", ["carol@one.example"])]
    assert waiting(home) == []


def test_a_silent_destination_is_left_alone_and_its_mail_waits(home: Home, world: World) -> None:
    world.says = lambda domain, address: SILENT
    for i in range(4):
        queue(home, f"a{i}@dead.example")
    once(home)
    assert 1 <= len(world.sent) <= 3
    assert [directory for directory, _ in waiting(home)] == ["cur"] * 4


def test_who_asks_for_another_try_gets_it_also_at_a_silent_destination(home: Home, world: World) -> None:
    """The administrator has mended the way there: it would have been left alone for up to an hour."""
    world.says = lambda domain, address: SILENT
    lines: list[str] = []

    async def scenario(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(log, "sink", lines.append)
        queue(home, "a@dead.example")
        async with running(home) as runner:
            await until(lambda: world.sent and waiting(home)[0][0] == "cur")
            queue(home, "b@dead.example")
            await until(lambda: [directory for directory, _ in waiting(home)] == ["cur"] * 2)
            assert len(world.sent) == 1 and runner.destinations["dead.example"].dead()
            for item in [*inspection.items(home)]:  # both at once: one tries, and both wait again
                assert inspection.release(home, item) == "done"
            await until(lambda: len(world.sent) > 1 and not any(found.wished for _, found in waiting(home)))
            world.says = lambda domain, address: OK
            assert [inspection.release(home, item) for item in [*inspection.items(home)]] == ["done"] * 2
            await until(lambda: not waiting(home))

    with pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(scenario(monkeypatch))
    assert {address for _, (address,) in world.sent} == {"a@dead.example", "b@dead.example"}
    assert [line for line in lines if line.startswith("defer ") and " alone=1" in line]


def test_those_who_wait_for_a_silent_destination_do_not_come_back_together(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make(tmp_path, retryfirst="1", retrymost="1")
    chances = iter(i / 20 for i in range(1000))
    monkeypatch.setattr(clock, "random", lambda: next(chances) % 1)
    world.says = lambda domain, address: SILENT
    for i in range(12):
        queue(home, f"a{i}@dead.example")
    once(home)
    left_alone = [found.due - clock.now() for _, found in waiting(home) if found.due > clock.now() + 30]
    assert len(left_alone) >= 9
    assert max(left_alone) - min(left_alone) >= 2


def test_a_destination_gets_no_more_than_its_places(tmp_path: Path, world: World) -> None:
    home = make(tmp_path, concurrencydestination="3")
    for i in range(30):
        queue(home, f"a{i}@one.example")
    once(home)
    assert len(world.sent) == 30
    assert world.most_at_once["one.example"] <= 3


def test_a_slow_destination_holds_up_nobody(tmp_path: Path, world: World) -> None:
    home = make(tmp_path, concurrencylocal="5", concurrencyremote="5", concurrencydestination="3")

    async def scenario() -> None:
        world.gate = asyncio.Event()
        for i in range(40):
            queue(home, f"a{i}@slow.example")
        async with running(home):
            await until(lambda: world.most_at_once.get("slow.example"))
            for i in range(20):
                queue(home, f"b{i}@quick.example")
            queue(home, "bob@example.test")
            await until(lambda: mailbox(home, "bob") and len(world.sent) == 20)
            world.gate.set()
            await until(lambda: waiting(home) == [])
        assert len(world.sent) == 60

    asyncio.run(scenario())


def test_a_destination_that_was_quick_and_stalls_holds_up_nobody(tmp_path: Path, world: World) -> None:
    home = make(tmp_path, concurrencylocal="5", concurrencyremote="5", concurrencydestination="3")

    async def scenario() -> None:
        async with running(home):
            queue(home, "a@slow.example")
            await until(lambda: len(world.sent) == 1)
            world.gate = asyncio.Event()
            for i in range(40):
                queue(home, f"a{i}@slow.example")
            await until(lambda: world.most_at_once["slow.example"] > 1)
            for i in range(20):
                queue(home, f"b{i}@quick.example")
            await until(lambda: len(world.sent) == 21)
            world.gate.set()
            await until(lambda: waiting(home) == [])
        assert len(world.sent) == 61

    asyncio.run(scenario())


def test_new_mail_is_delivered_at_once_without_looking(tmp_path: Path, world: World) -> None:
    home = make(tmp_path, pollseconds="1h")

    async def scenario() -> None:
        async with running(home):
            await asyncio.sleep(0.01)
            for i in range(1, 4):
                queue(home, "bob@example.test")
                await until(lambda count=i: len(mailbox(home, "bob")) == count)  # type: ignore[misc]
        assert waiting(home) == []

    asyncio.run(scenario())


def test_what_comes_in_quick_succession_is_read_together(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is delivered at once, those behind it a moment later, all by one look."""
    home = make(tmp_path, pollseconds="1h")
    monkeypatch.setattr(runner_module, "_GATHER_S", 2.0)
    reads: list[int] = []
    read = Arrivals.read

    def counted(arrivals: Arrivals) -> list[tuple[str, Name]]:
        found = read(arrivals)
        reads.append(len(found))
        return found

    monkeypatch.setattr(Arrivals, "read", counted)

    async def scenario() -> None:
        async with running(home):
            await asyncio.to_thread(queue, home, "bob@example.test")
            await until(lambda: mailbox(home, "bob"))
            began = len(reads)
            for _ in range(3):
                await asyncio.to_thread(queue, home, "alice@example.test")
            await until(lambda: len(mailbox(home, "alice")) == 3)
            assert reads[began:] == [3]

    asyncio.run(scenario())


def test_mail_that_a_power_failure_put_back_is_delivered(home: Home, world: World) -> None:
    """It was accepted, and its name in new/ was not on disk yet."""
    queue(home, "bob@example.test")
    (found,) = listing.entries(home, "new")
    path = Path(home.queue, "new", str(found))
    path.rename(Path(home.queue, "tmp", found.sealed(path.read_bytes())))
    once(home)
    assert len(mailbox(home, "bob")) == 1 and os.listdir(f"{home.queue}/tmp") == []


def test_a_queue_put_in_the_place_of_another_is_watched_too(tmp_path: Path, world: World) -> None:
    home = make(tmp_path, pollseconds="1h")

    async def scenario() -> None:
        async with running(home) as runner:
            await asyncio.sleep(0.01)
            os.rename(home.queue, home.queue + ".old")
            shutil.copytree(home.queue + ".old", home.queue)
            runner._look_at = 0.0
            runner._wake.set()
            await until(lambda: runner._look_at)
            queue(home, "bob@example.test")
            await until(lambda: mailbox(home, "bob"))

    asyncio.run(scenario())


def test_mail_of_a_time_when_the_clock_was_ahead_does_not_wait_for_it(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the user wants to be held until tomorrow is held all the same."""
    home = make(tmp_path)
    year_s = 365 * 86400
    monkeypatch.setattr(clock, "now", lambda: time.time() + year_s)
    queue(home, "bob@example.test")
    ((_, found),) = waiting(home)
    os.utime(Path(home.queue, "new", str(found)), (found.due, found.due))
    monkeypatch.setattr(clock, "now", time.time)
    wanted = inject.Spool(home)
    wanted.begin(Envelope("alice@example.net", [Recipient("bob@example.test")]), due=time.time() + 86400)
    wanted.write(MESSAGE)
    blocking.run(wanted.commit())
    once(home)
    assert len(mailbox(home, "bob")) == 1 and len(waiting(home)) == 1


def test_a_clock_that_goes_back_while_it_runs_holds_up_nothing(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    home = make(tmp_path, pollseconds="1h", retryfirst="1s")
    ahead = [365 * 86400.0]
    monkeypatch.setattr(clock, "now", lambda: time.time() + ahead[0])
    world.says = lambda domain, address: LATER

    async def scenario() -> None:
        async with running(home) as runner:
            queue(home, "a@one.example")
            await until(lambda: listing.find(home, waiting(home)[0][1].id, ("cur",)) and not runner.active)
            ((_, found),) = waiting(home)
            os.utime(Path(home.queue, "cur", str(found)), (found.due, found.due))
            ahead[0] = 0.0
            world.says = lambda domain, address: OK
            runner._wake.set()
            await until(lambda: waiting(home) == [])

    asyncio.run(scenario())
    assert any("state=clock-went-back by_s=31536000" in line for line in lines)


def test_without_inotify_the_directories_are_looked_at(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    home = make(tmp_path, pollseconds="0")

    def refuse(home: Home) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("mailkit.deliver.runner.Arrivals", refuse)

    async def scenario() -> None:
        async with running(home):
            await asyncio.sleep(0.01)
            queue(home, "bob@example.test")
            await until(lambda: mailbox(home, "bob"))

    asyncio.run(scenario())
    assert any("instead=polling" in line for line in lines)


def test_hands_may_hold_release_hasten_and_remove_while_it_runs(home: Home, world: World) -> None:
    world.says = lambda domain, address: LATER

    def only() -> Name:
        ((_, found),) = waiting(home)
        return found

    async def scenario() -> None:
        async with running(home) as runner:
            queue(home, "a@one.example")
            await until(lambda: listing.find(home, only().id, ("cur",)) and not runner.active)
            found = only()
            # an earlier time
            os.rename(Path(home.queue, "cur", str(found)), Path(home.queue, "cur", str(found.at(1))))
            await until(lambda: only().attempts == 2 and not runner.active)
            # hold and release
            found = only()
            os.rename(Path(home.queue, "cur", str(found)), Path(home.queue, "hold", str(found.at(1))))
            world.says = lambda domain, address: OK
            os.rename(Path(home.queue, "hold", str(found.at(1))), Path(home.queue, "new", str(found.at(1))))
            await until(lambda: waiting(home) == [])
            assert len(world.sent) == 3
            # remove
            world.says = lambda domain, address: LATER
            queue(home, "b@one.example")
            await until(lambda: listing.find(home, only().id, ("cur",)) and not runner.active)
            os.unlink(Path(home.queue, "cur", str(only())))
            queue(home, "bob@example.test")
            await until(lambda: mailbox(home, "bob"))
        assert waiting(home) == []

    asyncio.run(scenario())


def test_two_runners_deliver_everything_once(home: Home, world: World) -> None:
    async def scenario() -> None:
        async with running(home), running(home):
            for i in range(60):
                queue(home, "bob@example.test", message=MESSAGE + b"%d\n" % i)
            await until(lambda: waiting(home) == [])

    asyncio.run(scenario())
    assert len(mailbox(home, "bob")) == len(set(mailbox(home, "bob"))) == 60


def test_a_damaged_entry_does_not_stop_the_others(home: Home, world: World) -> None:
    Path(home.queue, "new", "1.0.abc,S=5").write_bytes(b"rubbish")
    queue(home, "bob@example.test")
    once(home)
    assert len(mailbox(home, "bob")) == 1
    assert [directory for directory, _ in waiting(home)] == ["failed"]


def test_an_error_nobody_expected_costs_no_mail(
    home: Home, world: World, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(domain: str, address: str) -> Outcome:
        raise RuntimeError("a bug")

    world.says = broken
    queue(home, "a@one.example")
    queue(home, "bob@example.test")

    async def scenario() -> None:
        async with running(home) as runner:
            await until(lambda: mailbox(home, "bob") and runner._waiting and not runner.active)
            assert runner.destinations.busy == 0

    asyncio.run(scenario())
    assert [directory for directory, _ in waiting(home)] == ["new"]
    assert any("a bug" in line and "trace=" in line for line in lines)


def test_stopping_finishes_what_is_in_flight(tmp_path: Path, world: World) -> None:
    home = make(tmp_path)

    async def scenario() -> None:
        world.gate = asyncio.Event()
        queue(home, "a@slow.example")
        runner = Runner(home)
        task = asyncio.create_task(runner.run())
        await until(lambda: world.most_at_once)
        runner.stop()
        queue(home, "bob@example.test")
        world.gate.set()
        await task

    asyncio.run(scenario())
    assert world.sent == [("slow.example", ["a@slow.example"])]
    assert len(waiting(home)) == 1
    assert mailbox(home, "bob") == []


def test_stopping_waits_no_longer_than_its_grace(tmp_path: Path, world: World) -> None:
    home = make(tmp_path, stopgrace="0")

    async def scenario() -> None:
        world.gate = asyncio.Event()
        queue(home, "a@slow.example")
        runner = Runner(home)
        task = asyncio.create_task(runner.run())
        await until(lambda: world.most_at_once)
        runner.stop()
        await task

    asyncio.run(scenario())
    ((directory, found),) = waiting(home)
    assert (directory, found.attempts) == ("new", 0)


def test_a_disk_that_refuses_holds_the_entry_until_it_recovers(
    home: Home, world: World, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    full = True

    def fault(called: str, *args: Any) -> None:
        if full and (called == "overwrite" or (called in ("unlink", "rename") and "/queue/new/" in args[0])):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "fault", fault)
    monkeypatch.setattr(attempt, "DISK_WAIT_S", 0.01)
    queue(home, "bob@example.test")

    async def scenario() -> None:
        nonlocal full
        async with running(home):
            await until(lambda: any("verdict=waits" in line for line in lines))
            full = False
            await until(lambda: waiting(home) == [])

    asyncio.run(scenario())
    assert len(mailbox(home, "bob")) == 1


def test_a_crash_loses_nothing_and_repeats_only_what_was_in_flight(tmp_path: Path, world: World) -> None:
    """bob is delivered here, a@one.example elsewhere, b@one.example has to wait; the runner dies at every call of
    `files`, and a second one finishes the work."""

    def prepare(directory: Path) -> None:
        world.sent.clear()
        world.says = lambda domain, address: LATER if address.startswith("b") else OK
        queue(make(directory), "bob@example.test", "a@one.example", "b@two.example")

    def scenario(directory: Path) -> None:
        once(Home(str(directory)))

    for crash in crashes(tmp_path, scenario, prepare):
        home = Home(str(crash.directory))
        assert len(waiting(home)) == 1, crash
        world.says = lambda domain, address: OK
        age(home, 60)
        once(home)
        assert waiting(home) == [], crash
        assert 1 <= len(mailbox(home, "bob")) <= 2, crash
        sent = [address for _, addresses in world.sent for address in addresses]
        assert 1 <= sent.count("a@one.example") <= 2, crash
        assert sent.count("b@two.example") >= 1, crash
        repeated = (len(mailbox(home, "bob")) - 1) + (sent.count("a@one.example") - 1)
        if crash.variant == "kill":
            assert repeated <= 2, crash
        if crash.done:
            assert repeated == 0, crash


def test_a_disk_that_refuses_once_loses_nothing(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(directory: Path) -> None:
        world.sent.clear()
        world.says = lambda domain, address: LATER if address.startswith("b") else OK
        queue(make(directory, aliases="all@example.test: bob, c@three.example\n"), "all@example.test", "b@two.example")

    monkeypatch.setattr(attempt, "DISK_WAIT_S", 0.0)
    for directory, refused, error in refusals(tmp_path, lambda directory: once(Home(str(directory))), prepare):
        home = Home(str(directory))
        world.says = lambda domain, address: OK
        for _ in range(2):  # what the alias stands for is an entry of its own
            age(home, 60)
            once(home)
        assert waiting(home) == [] and error is None, refused
        assert 1 <= len(mailbox(home, "bob")) <= 2, refused
        sent = [address for _, addresses in world.sent for address in addresses]
        assert 1 <= sent.count("c@three.example") <= 2, refused
        assert 1 <= sent.count("b@two.example") <= 2, refused


def test_who_was_tried_is_not_tried_again_while_others_wait_for_a_place(tmp_path: Path, world: World) -> None:
    home = make(tmp_path, concurrencyremote="1")
    world.says = lambda domain, address: LATER if domain.startswith("later") else OK
    queue(home, "x@later.example", *(f"a@{i}.example" for i in range(5)))
    once(home)
    domains = [domain for domain, _ in world.sent]
    assert sorted(domains) == ["0.example", "1.example", "2.example", "3.example", "4.example", "later.example"]
    ((_, found),) = waiting(home)
    assert found.attempts == 1


def test_a_bug_in_one_delivery_leaves_the_others_marked(home: Home, world: World) -> None:
    def broken(domain: str, address: str) -> Outcome:
        if domain == "broken.example":
            raise RuntimeError("a bug")
        return OK

    world.says = broken
    queue(home, "a@broken.example", "b@one.example", "bob@example.test")

    async def scenario() -> None:
        async with running(home) as runner:
            await until(lambda: runner._waiting and not runner.active)

    asyncio.run(scenario())
    ((directory, found),) = waiting(home)
    got = claim.claim(home, directory, str(found))
    assert got is not None
    assert [one.status for one in got.envelope.recipients] == ["T", "D", "D"]
    got.release()


def test_an_entry_that_cannot_be_opened_is_looked_at_again(
    home: Home, world: World, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    real, full = claim.claim, True

    def claim_later(*args: Any) -> Any:
        if full:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(*args)

    monkeypatch.setattr(claim, "claim", claim_later)
    monkeypatch.setattr("mailkit.deliver.runner._TROUBLE_WAIT_S", 0)
    queue(home, "bob@example.test")

    async def scenario() -> None:
        nonlocal full
        async with running(home):
            await until(lambda: any("Too many open files" in line for line in lines))
            full = False
            await until(lambda: mailbox(home, "bob"))

    asyncio.run(scenario())


def test_a_queue_that_cannot_be_listed_is_looked_at_again(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    home = make(tmp_path, pollseconds="0")
    listed, refused = os.listdir, []

    def sick(path: str) -> list[str]:
        if path in (f"{home.queue}/new", f"{home.queue}/tmp") and path not in refused:
            refused.append(path)
            raise OSError(errno.EIO, "Input/output error", path)
        return listed(path)

    monkeypatch.setattr(os, "listdir", sick)

    async def scenario() -> None:
        queue(home, "alice@example.test")
        async with running(home):
            await until(lambda: mailbox(home, "alice"))

    asyncio.run(scenario())
    assert [line.partition(" error")[0] for line in lines if "Input/output" in line] == [
        "queue operation=clean",
        "queue operation=list directory=new",
    ]


def test_421_means_fewer_at_once(home: Home, world: World) -> None:
    busy = Outcome("temp", "4.7.0", "421 4.7.0 too many connections", remote="mx.example.net")
    world.says = lambda domain, address: busy
    queue(home, "a@one.example")

    async def scenario() -> None:
        runner = Runner(home, once=True)
        await runner.run()
        assert runner.destinations["one.example"].dead()

    asyncio.run(scenario())
