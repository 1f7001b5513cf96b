"""A home with a users directory, and the log as a list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit import log
from mailkit.control import Home
from mailkit.users import memory


@pytest.fixture
def home(tmp_path: Path) -> Home:
    for name in ("control", "users", "run"):
        (tmp_path / name).mkdir()
    return Home(str(tmp_path))


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(log, "sink", lines.append)
    return lines


@pytest.fixture(autouse=True)
def fresh_memory() -> Iterator[None]:
    memory.verified.forget()
    yield
    memory.verified.forget()


def control(home: Home, name: str, text: str) -> None:
    """Write a control file."""
    Path(home.control.directory, name).write_text(text + "\n")


def passwd(home: Home, *lines: str) -> None:
    """Write the passwd file."""
    Path(home.passwd).write_text("".join(line + "\n" for line in lines))
