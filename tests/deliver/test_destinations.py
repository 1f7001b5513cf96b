"""How many at once, who waits, who is left alone."""

from __future__ import annotations

import asyncio

import pytest

from mailkit.deliver import destinations
from mailkit.deliver.destinations import Destination, Destinations
from tests.harness import fakeclock
from tests.harness.fakeclock import FakeClock


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    return fakeclock.install(monkeypatch)


def test_success_opens_the_window_to_the_limit() -> None:
    one = Destination(4)
    assert one.places() == destinations.FIRST
    for _ in range(20):
        one.worked()
    assert one.places() == 4
    one.busy = 3
    assert one.places() == 1


def test_a_failure_among_others_halves_the_window_and_kills_nothing(time: FakeClock) -> None:
    one = Destination(20)
    for _ in range(200):
        one.worked()
    one.busy = 5
    one.failed("timeout")
    assert not one.dead()
    assert one.places() == 10 - 5


def test_a_destination_that_fails_alone_is_left_alone_for_longer_and_longer(time: FakeClock) -> None:
    one = Destination(20)
    pauses = []
    for _ in range(9):
        one.failed("connection refused")
        assert one.places() == 0
        pauses.append(one.dead_until - time.time)
        time.time = one.dead_until
        assert one.places() == 1  # one tries
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    one.worked()
    assert one.text == ""
    one.failed("connection refused")
    assert one.dead_until - time.time == 60


def test_places_are_counted_for_one_and_for_all() -> None:
    every = Destinations(limit=5, total=3)
    assert every.take("a") and every.take("a") and not every.take("a")
    assert every.take("b") and not every.take("c")
    every.give("a", 1)
    assert every.take("c")


def test_parked_entries_come_back_when_there_is_room_in_turn() -> None:
    every = Destinations(limit=1, total=2)
    assert every.take("a") and every.take("b")
    for i in range(3):
        every.park("a", f"a{i}")
        every.park("b", f"b{i}")
    assert every.ready() == []
    every.give("a", 1)
    assert every.ready() == ["a0"]
    assert every.take("a")
    every.give("b", 1)
    assert every.ready() == ["b0"]


def test_a_place_is_offered_to_one_entry_at_a_time() -> None:
    every = Destinations(limit=1, total=9)
    assert every.take("a")
    for id in ("1", "2", "3"):
        every.park("a", id)
    every.give("a", 1)
    assert every.ready() == ["1"]
    assert every.take("a")
    assert every.ready() == []
    every.give("a", 1)
    assert every.ready() == ["2"]
    # It was cancelled meanwhile and never asks for its place.
    assert every.ready() == ["3"]


def test_a_full_house_lets_each_destination_in_by_turns() -> None:
    every = Destinations(limit=9, total=1)
    assert every.take("x")
    for i in range(2):
        for name in "abc":
            every.park(name, f"{name}{i}")
    seen = []
    for _ in range(6):
        every.give("x", 1)
        seen += every.ready()
        assert every.take("x")
    assert seen == ["a0", "b0", "c0", "a1", "b1", "c1"]


def test_one_of_thousands_is_called_when_its_place_is_free() -> None:
    every = Destinations(limit=1, total=5000)
    for i in range(1000):
        assert every.take(f"d{i}")
        every.park(f"d{i}", str(i))
    every.ready()
    every.give("d777", 1)
    assert every.ready() == ["777"]


def test_nobody_is_forgotten_where_nothing_happens() -> None:
    every = Destinations(limit=1, total=5000)
    for i in range(100):
        assert every.take(f"d{i}")
        every.park(f"d{i}", f"{i}a")
        every.park(f"d{i}", f"{i}b")
        every.give(f"d{i}", 1)
    called = every.ready()
    assert len(called) == 100
    for _ in range(5):  # they are cancelled, and never ask for their place
        called += every.ready()
    assert len(set(called)) == 200


def test_those_who_wait_for_a_dead_destination_all_come_back_to_be_deferred(time: FakeClock) -> None:
    every = Destinations(limit=1, total=1)
    assert every.take("a")
    for i in range(3):
        every.park("a", str(i))
    every.give("a", 1)
    every["a"].failed("no route to host")
    assert every.ready() == ["0", "1", "2"]
    assert not every.take("a")


def test_what_nobody_uses_is_forgotten(time: FakeClock) -> None:
    every = Destinations(limit=1, total=9)
    every["idle"].worked()
    every.take("busy")
    every["dead"].failed("x")
    time.advance(601)
    every.forget()
    assert len(every) == 2
    time.advance(3600)
    every.forget()
    assert len(every) == 1


def test_who_waits_goes_by_priority_then_in_turn() -> None:
    every = Destinations(4, 100)
    for id, priority in (("late", -1), ("first", 0), ("urgent", 9), ("second", 0), ("pressing", 1)):
        every.park("a", id, priority)
    assert every["a"].parked == 5
    assert every.ready() == ["urgent", "pressing"]  # as many as a new destination has places
    every["a"].coming = 0
    assert every.ready() == ["first", "second"]
    every["a"].coming = 0
    assert every.ready() == ["late"]
    assert every["a"].parked == 0


def fast(limit: int = 1, total: int = 99) -> Destinations:
    """All destinations, of which "a" has answered quickly once and is busy now."""
    every = Destinations(limit, total)
    assert every.take("a")
    every.give("a", 0.001)
    assert every.take("a")
    return every


def test_a_place_that_will_be_free_soon_is_waited_for_in_line() -> None:
    async def wait() -> None:
        every = fast()
        assert not every.take("a")
        assert every.soon("a")
        first, second = every.turn("a"), every.turn("a")
        every.give("a", 0.001)
        every.pass_on("a")
        assert first.result() and not second.done()
        assert (every["a"].busy, every.busy) == (1, 1)
        assert not every.take("a")
        second.cancel()
        every.give("a", 0.001)
        every.pass_on("a")
        assert (every["a"].busy, every.busy) == (0, 0)

    asyncio.run(wait())


def test_no_line_where_deliveries_take_long_or_are_not_known_or_no_connection_is_left() -> None:
    every = Destinations(limit=1, total=2)
    assert every.take("a")
    assert not every.soon("a")
    every.give("a", 60)
    assert every.take("a")
    assert not every.soon("a")
    every = fast(total=1)
    assert not every.soon("a")


def test_a_line_that_does_not_move_is_dismissed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "STALLED_S", 0.01)

    async def wait() -> None:
        every = fast()
        place = every.turn("a")
        assert not await place
        assert not every.soon("a")  # it is not known any more how long it takes
        every.give("a", 0.001)
        assert every.take("a")
        assert every.soon("a")

    asyncio.run(wait())


def test_a_line_that_moves_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "STALLED_S", 0.02)

    async def wait() -> None:
        every = fast()
        places = [every.turn("a") for _ in range(40)]
        for place in places:
            await asyncio.sleep(0.002)
            every.give("a", 0.001)
            every.pass_on("a")
            assert await place

    asyncio.run(wait())


def test_nobody_stands_in_line_for_the_dead(time: FakeClock) -> None:
    async def wait() -> None:
        every = fast()
        place = every.turn("a")
        every.give("a", 0.001)
        every["a"].failed("connection refused")
        every.pass_on("a")
        assert not place.result()
        assert every["a"].dead() and not every.soon("a")

    asyncio.run(wait())


def test_another_connection_is_opened_only_when_that_is_quicker(time: FakeClock) -> None:
    async def wait() -> None:
        every = fast(limit=20)
        assert every["a"].places() > 0
        assert not every.take("a") and every.soon("a")
        place = every.turn("a")
        assert every.take("a")  # two would wait for one
        every.give("a", 0.001)
        every.pass_on("a")
        assert place.result()
        every.give("a", 0.001)
        every.give("a", 0.001)
        assert every.take("a") and every.take("a")  # over those that are kept
        time.advance(destinations.KEPT_S + 1)
        every.give("a", 0.001)
        time.advance(destinations.KEPT_S + 1)
        assert not every.take("a")

    asyncio.run(wait())


def test_connections_are_kept_as_long_as_destinations_believe() -> None:
    from mailkit.deliver.remote import kept

    assert kept.IDLE_S == destinations.KEPT_S
