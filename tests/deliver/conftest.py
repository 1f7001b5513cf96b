"""A home with two users, without servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailkit.control import Home
from tests.deliver.homes import make


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make(tmp_path)
