"""What waits, from the names alone: no file is opened."""

from __future__ import annotations

import os

from mailkit.control import Home
from mailkit.queue import name, ready
from mailkit.queue.name import Name

WAITING = ("new", "cur")  # the runner's directories; hold/ and failed/ wait for people
DUE = (ready.DIRECTORY, *WAITING)
ALL = (*DUE, "hold", "failed")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def entries(home: Home, directory: str) -> Iterator[Name]:
    """The entries in one directory of the queue, in no order. Nothing when it does not exist."""
    try:
        found = os.listdir(os.path.join(home.queue, directory))
    except FileNotFoundError:
        return
    for text in found:
        parsed = _parsed(directory, text)
        if parsed is not None:
            yield parsed


def _parsed(directory: str, text: str) -> Name | None:
    """Ready messages that are damaged lie in failed/ under their own names."""
    if directory != ready.DIRECTORY and (found := name.parse(text)) is not None:
        return found
    mail = ready.parse(text) if directory in (ready.DIRECTORY, "failed") else None
    return mail.name if mail is not None else None


def find(home: Home, id: str, directories: tuple[str, ...] = ALL) -> tuple[str, Name] | None:
    """Directory and name of the entry `id`, None when there is none."""
    for directory in directories:
        for found in entries(home, directory):
            if found.id == id:
                return directory, found
    return None
