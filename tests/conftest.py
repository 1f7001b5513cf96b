"""Settings for the whole suite: deterministic property tests, quiet log, no ambient home."""

from __future__ import annotations

import os

import hypothesis
import pytest

from mailkit import log

hypothesis.settings.register_profile(
    "mailkit",
    max_examples=int(os.environ.get("MAILKIT_EXAMPLES", "25")),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("mailkit")
os.environ.pop("MAILKIT_HOME", None)


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The log lines of this test."""
    seen: list[str] = []
    monkeypatch.setattr(log, "sink", seen.append)
    return seen
