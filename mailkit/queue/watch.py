"""Names that appear in the queue, as inotify tells them.

One descriptor; it becomes readable when an entry arrives in new/ or cur/, whoever put it there. Entries that vanish
are not told: who wants to claim them finds out.
"""

from __future__ import annotations

import os

from inotify_simple import INotify, flags

from mailkit.control import Home
from mailkit.queue import listing, name
from mailkit.queue.name import Name

_NOTHING = flags.Q_OVERFLOW | flags.UNMOUNT | flags.IGNORED


class Arrivals:
    """A watch on the directories of waiting entries. OSError when there is no inotify to be had."""

    def __init__(self, home: Home) -> None:
        self._inotify = INotify(nonblocking=True)
        self._directories: dict[int, str] = {}
        for directory in listing.WAITING:
            path = os.path.join(home.queue, directory)
            wd = self._inotify.add_watch(path, flags.CREATE | flags.MOVED_TO | flags.ONLYDIR)
            self._directories[wd] = directory

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return int(self._inotify.fileno())

    def read(self) -> list[tuple[str, Name]] | None:
        """Directory and name of what arrived. None when something was missed and the directories must be listed."""
        found = []
        for event in self._inotify.read(timeout=0):
            if event.mask & _NOTHING:
                return None
            parsed = name.parse(event.name)
            if parsed is not None:
                found.append((self._directories[event.wd], parsed))
        return found

    def close(self) -> None:
        """Give the descriptor back."""
        self._inotify.close()
