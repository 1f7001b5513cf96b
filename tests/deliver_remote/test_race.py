"""Connections to several addresses, begun one after the other: who wins, and what becomes of the others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailkit.deliver.remote.hosts import PATIENCE_S, Place
from mailkit.deliver.remote.race import STAGGER_S, Race
from mailkit.exits import Perm
from tests.harness import fakeloop

NEVER = 1000.0


class Ends:
    """What connecting to each address does. answers: address -> (seconds, True when it connects)."""

    def __init__(self, answers: dict[str, tuple[float, bool]]) -> None:
        self.answers = answers
        self.begun: list[tuple[str, float]] = []
        self.closed: list[str] = []
        self.given_up: list[str] = []

    async def reach(self, place: Place) -> Any:
        self.begun.append((place.ip, asyncio.get_running_loop().time()))
        seconds, connects = self.answers[place.ip]
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.given_up.append(place.ip)
            raise
        return End(self, place) if connects else None


class End:
    def __init__(self, ends: Ends, place: Place) -> None:
        self.place = place
        self._ends = ends

    def close(self) -> None:
        self._ends.closed.append(self.place.ip)


def places(*ranked: tuple[str, int]) -> list[Place]:
    return [Place("mx.example.org", ip, 25, rank=rank) for ip, rank in ranked]


def race(ends: Ends, *ranked: tuple[str, int]) -> tuple[str, list[str], float]:
    """Who won ("" for nobody), who was overtaken, and how long it took."""

    async def whole() -> tuple[str, list[str], float]:
        run = Race(places(*ranked), ends.reach)
        won = await run.winner()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        took = asyncio.get_running_loop().time()
        return won.place.ip if won is not None else "", [place.ip for place in run.overtaken], took

    return fakeloop.run(whole())  # type: ignore[no-any-return]


def test_who_answers_soon_is_alone() -> None:
    ends = Ends({"2001:db8::1": (0.2, True)})
    assert race(ends, ("2001:db8::1", 10), ("192.0.2.1", 10)) == ("2001:db8::1", [], pytest.approx(0.2))
    assert [ip for ip, _ in ends.begun] == ["2001:db8::1"]


def test_the_next_begins_while_the_first_is_on_its_way() -> None:
    ends = Ends({"2001:db8::1": (NEVER, False), "192.0.2.1": (0.1, True)})
    found = race(ends, ("2001:db8::1", 10), ("192.0.2.1", 10))
    assert found == ("192.0.2.1", ["2001:db8::1"], pytest.approx(STAGGER_S + 0.1))
    assert ends.given_up == ["2001:db8::1"]


def test_the_first_may_win_yet() -> None:
    ends = Ends({"2001:db8::1": (0.3, True), "192.0.2.1": (0.1, True)})
    assert race(ends, ("2001:db8::1", 10), ("192.0.2.1", 10))[:2] == ("2001:db8::1", ["192.0.2.1"])
    assert ends.given_up == ["192.0.2.1"]


def test_of_two_at_once_the_first_wins_and_the_other_is_closed() -> None:
    ends = Ends({"2001:db8::1": (STAGGER_S + 0.125, True), "192.0.2.1": (0.125, True)})
    assert race(ends, ("2001:db8::1", 10), ("192.0.2.1", 10))[:2] == ("2001:db8::1", [])
    assert ends.closed == ["192.0.2.1"] and ends.given_up == []


def test_a_failure_brings_the_next_at_once() -> None:
    ends = Ends({"2001:db8::1": (0.05, False), "192.0.2.1": (0.0, True)})
    assert race(ends, ("2001:db8::1", 10), ("192.0.2.1", 10)) == ("192.0.2.1", [], pytest.approx(0.05))


def test_a_worse_server_waits_for_the_better_ones() -> None:
    answers = {"192.0.2.1": (NEVER, False), "192.0.2.2": (0.05, False), "192.0.2.3": (0.0, True)}
    ranked = (("192.0.2.1", 10), ("192.0.2.2", 10), ("192.0.2.3", 20))
    assert race(Ends(answers), *ranked) == ("192.0.2.3", ["192.0.2.1"], pytest.approx(STAGGER_S + PATIENCE_S))
    answers["192.0.2.1"] = (3.0, True)
    assert race(Ends(answers), *ranked) == ("192.0.2.1", [], pytest.approx(3.0))
    answers["192.0.2.1"] = (3.0, False)
    assert race(Ends(answers), *ranked) == ("192.0.2.3", [], pytest.approx(3.0))


def test_nobody_can_be_reached() -> None:
    ends = Ends({"192.0.2.1": (30.0, False), "192.0.2.2": (30.0, False), "192.0.2.3": (0.0, False)})
    found = race(ends, ("192.0.2.1", 10), ("192.0.2.2", 10), ("192.0.2.3", 10))
    assert found == ("", [], pytest.approx(30.0 + STAGGER_S))
    assert [at for _, at in ends.begun] == [0.0, STAGGER_S, 2 * STAGGER_S]


def test_what_an_attempt_raises_ends_the_race() -> None:
    ends = Ends({"192.0.2.1": (NEVER, False)})

    async def reach(place: Place) -> Any:
        if place.ip == "192.0.2.2":
            raise Perm("no", code="5.7.30")
        return await ends.reach(place)

    async def whole() -> None:
        with pytest.raises(Perm):
            await Race(places(("192.0.2.1", 10), ("192.0.2.2", 10)), reach).winner()

    fakeloop.run(whole())
    assert ends.given_up == ["192.0.2.1"]
