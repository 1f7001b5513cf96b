"""A clock that moves only when told to."""

from __future__ import annotations

import pytest

from mailkit import clock


class FakeClock:
    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.time = start
        self.slept: list[float] = []

    def advance(self, seconds: float) -> None:
        self.time += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


def install(monkeypatch: pytest.MonkeyPatch, start: float = 1_800_000_000.0) -> FakeClock:
    """Put a fake clock in the place of the real one for one test. Chance does not make anybody sweep: files bear the
    kernel's time, not this clock's, and would go as too old."""
    fake = FakeClock(start)
    monkeypatch.setattr(clock, "now", lambda: fake.time)
    monkeypatch.setattr(clock, "now_ns", lambda: int(fake.time * 1_000_000_000))
    monkeypatch.setattr(clock, "monotonic", lambda: fake.time)
    monkeypatch.setattr(clock, "sleep", fake.sleep)
    monkeypatch.setattr(clock, "random", lambda: 0.5)
    return fake
