"""The chain: order, modes, time, and checks that fail."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailkit.control import Home
from mailkit.exits import Perm, Temp
from mailkit.net.conn import Timeout
from mailkit.policy import chain, verdict
from mailkit.policy.chain import Chain
from mailkit.policy.facts import Facts
from tests.harness import fakeclock
from tests.harness.homes import set_control
from tests.harness.transcript import FakeConn, run


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return Facts(Home(str(tmp_path)), "mx", FakeConn().offload)


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a check into the table: check("name", helo=function of the facts)."""

    def put(name: str, **moments: Callable[[Facts], Any]) -> None:
        module = types.ModuleType(f"tests.policy.{name}")
        for moment, function in moments.items():

            async def ask(facts: Facts, function: Callable[[Facts], Any] = function) -> Any:
                return function(facts)

            setattr(module, moment, ask)
        monkeypatch.setitem(sys.modules, f"tests.policy.{name}", module)
        monkeypatch.setitem(chain.CHECKS, name, f"tests.policy.{name}")

    return put


def refuse(facts: Facts) -> verdict.Verdict:
    return verdict.reject("5.7.1", "no")


def fail(facts: Facts) -> verdict.Verdict:
    raise RuntimeError("a bug")


def test_relay_cannot_be_switched_off(facts: Facts) -> None:
    facts.remote = True
    os.mkdir(facts.home.join("control"))
    set_control(facts.home, "domains", "example.test")
    for lines in ([], ["relay off"], ["relay note"]):
        found = run(Chain(lines, 10).judge("rcpt", facts))
        assert found.kind == verdict.REJECT


def test_every_check_of_the_table_can_be_loaded() -> None:
    assert Chain(list(chain.CHECKS), 10).names == list(chain.CHECKS)


def test_first_refusal_counts(facts: Facts, check: Callable[..., None]) -> None:
    check("one", helo=lambda facts: None)
    check("two", helo=refuse)
    check("three", helo=lambda facts: pytest.fail("asked after a refusal"))
    found = run(Chain(["one", "two", "three"], 10).judge("helo", facts))
    assert (found.kind, found.by) == (verdict.REJECT, "two")


def test_accept_ends_the_moment(facts: Facts, check: Callable[..., None]) -> None:
    check("one", helo=lambda facts: verdict.Verdict(verdict.ACCEPT))
    check("two", helo=refuse)
    assert run(Chain(["one", "two"], 10).judge("helo", facts)) is None


@pytest.mark.parametrize(
    ("mode", "kind", "fields", "junk"),
    [
        ("on", verdict.REJECT, [], ""),
        ("off", None, [], ""),
        ("note", None, ["X-Policy: one=reject (no)"], ""),
        ("junk", None, [], "one: no"),
        ("defer", verdict.DEFER, [], ""),
        ("must", verdict.REJECT, [], ""),
    ],
)
def test_modes(
    mode: str, kind: str | None, fields: list[str], junk: str, facts: Facts, check: Callable[..., None]
) -> None:
    check("one", helo=refuse)
    found = run(Chain([f"one {mode}"], 10).judge("helo", facts))
    assert (found.kind if found else None, facts.fields, facts.junk) == (kind, fields, junk)
    if mode == "defer":
        assert found.status == "4.7.1"


def test_a_failing_check_is_passed_over(facts: Facts, check: Callable[..., None], lines: list[str]) -> None:
    check("one", helo=fail)
    assert run(Chain(["one"], 10).judge("helo", facts)) is None
    assert "by=one" in lines[0] and "RuntimeError" in lines[0]


def test_a_failing_check_that_must_answer_defers(facts: Facts, check: Callable[..., None]) -> None:
    def unavailable(facts: Facts) -> None:
        raise Temp("away")

    check("one", helo=fail, mail=unavailable)
    for moment in ("helo", "mail"):
        found = run(Chain(["one must"], 10).judge(moment, facts))
        assert (found.kind, found.status) == (verdict.DEFER, "4.3.0")


def test_a_closing_connection_is_no_failure_of_a_check(facts: Facts, check: Callable[..., None]) -> None:
    def gone(facts: Facts) -> None:
        raise Timeout

    check("one", helo=gone)
    with pytest.raises(Timeout):
        run(Chain(["one"], 10).judge("helo", facts))


def test_checks_beyond_the_time_budget_are_not_asked(
    facts: Facts, check: Callable[..., None], monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    clock = fakeclock.install(monkeypatch)
    check("slow", helo=lambda facts: clock.advance(11))
    check("late", helo=refuse)
    assert run(Chain(["slow", "late"], 10).judge("helo", facts)) is None
    assert "by=late" in lines[-1] and "skipped=" in lines[-1]


@pytest.mark.parametrize("line", ["nonsense", "relay loudly", "relay on on"])
def test_a_line_that_says_nothing_we_know_is_named(line: str) -> None:
    with pytest.raises(Perm) as raised:
        Chain([line], 10)
    assert line in raised.value.detail


def test_nothing_is_asked_at_a_moment_without_checks() -> None:
    chain = Chain([], 10)
    assert chain.asks("rcpt") and not chain.asks("data")
