"""The home of tests whose clients log in, in the clear and often."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailkit.control import Home
from tests.harness.homes import make_home, set_control


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home")
    set_control(home, "clearauth", "yes")
    set_control(home, "authdelay", "0")
    set_control(home, "maxperip", "0")
    return home
