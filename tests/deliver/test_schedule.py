"""The retry schedule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import clock
from mailkit.control import Home
from mailkit.deliver import schedule
from mailkit.deliver.schedule import Schedule


@pytest.fixture(autouse=True)
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "random", lambda: 0.5)


def test_waits_double_from_five_minutes_to_four_hours() -> None:
    waits = [Schedule().wait(n) / 60 for n in range(1, 9)]
    assert waits == [5, 10, 20, 40, 80, 160, 240, 240]


def test_a_message_is_tried_until_the_last_moment_and_given_up_then() -> None:
    plan, arrived = Schedule(), 1_000_000.0
    now, attempts = arrived, 0
    while not plan.overdue(arrived, now):
        attempts += 1
        now = plan.next(attempts, arrived, now)
        assert attempts < 100
    assert now == arrived + plan.giveup_s


@given(st.integers(1, 200), st.floats(0, 10 * 86400))
def test_the_next_attempt_is_in_the_future_and_not_long_after_giveup(attempts: int, age: float) -> None:
    plan, arrived = Schedule(), 1_000_000.0
    now = arrived + age
    due = plan.next(attempts, arrived, now)
    assert now + plan.first_s * 0.9 <= due or due == arrived + plan.giveup_s >= now
    assert due <= max(arrived + plan.giveup_s, now + plan.most_s * 1.1)


def test_the_notice_is_due_after_its_time_and_never_when_zero() -> None:
    assert not Schedule().notice_due(0, 4 * 3600 - 1)
    assert Schedule().notice_due(0, 4 * 3600)
    assert not Schedule(notice_s=0).notice_due(0, 10**9)


def test_the_schedule_of_a_home_is_in_its_control_values(home: Home) -> None:
    plan = schedule.of(home.control)
    assert (plan.first_s, plan.most_s, plan.notice_s, plan.giveup_s) == (300, 14400, 14400, 432000)


def test_a_deadline_shortens_the_schedule() -> None:
    arrived = 1_000_000.0
    back = Schedule().within(f"{int(arrived) + 600};R", arrived)
    assert back.overdue(arrived, arrived + 600) and not back.overdue(arrived, arrived + 599)
    assert back.next(1, arrived, arrived + 550) == arrived + 850
    told = Schedule(notice_s=0).within(f"{int(arrived) + 600};NT", arrived)
    assert told.notice_due(arrived, arrived + 600) and not told.notice_due(arrived, arrived + 599)
    assert not told.overdue(arrived, arrived + 86400)
    late = Schedule().within(f"{int(arrived) + 86400};N", arrived)
    assert late.notice_due(arrived, arrived + 86400) and not late.notice_due(arrived, arrived + 86399)
    never = Schedule().within(f"{int(arrived) + 10**8};N", arrived)
    assert never.notice_due(arrived, arrived + Schedule().notice_s)
    assert Schedule().within("soon", arrived).giveup_s == Schedule().giveup_s
