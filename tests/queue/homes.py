"""Homes with an empty queue and nothing else."""

from __future__ import annotations

from pathlib import Path

from mailkit.control import Home
from mailkit.queue import inject


def prepared(directory: Path) -> Home:
    """A home whose queue has its directories."""
    home = Home(str(directory))
    inject.prepare(home)
    return home
