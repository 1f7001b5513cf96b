"""No session outlives its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.imap import pair


@pytest.fixture(autouse=True)
def ended(lines: list[str]) -> Iterator[None]:
    """Sessions that a test left open end with it."""
    yield
    pair.hang_up()
