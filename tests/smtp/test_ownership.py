"""Whose sender addresses are whose."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mailkit.smtp import ownership
from tests.smtp.worlds import world


def test_a_user_with_thousands_of_extensions_makes_no_session_grow(tmp_path: Path) -> None:
    session: Any = SimpleNamespace(home=world(tmp_path), user=SimpleNamespace(address="alice@example.test"), owned={})
    for number in range(3000):
        assert ownership.owns(session, f"alice+{number}@example.test")
        assert len(session.owned) <= 1000
    assert not ownership.owns(session, "bob@example.test")
