"""What all tests of the queue have."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.queue import spare
from tests.queue.homes import prepared


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return prepared(tmp_path)


@pytest.fixture(autouse=True)
def always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """free/ is listed whenever a file is wanted, and what another test saw there is forgotten."""
    monkeypatch.setattr(spare, "_LOOK_EVERY_S", -1.0)
    spare._known.clear()
    spare._again.clear()
