"""Names that appear in the queue, as inotify tells them.

One descriptor; it becomes readable when an entry arrives in new/ or cur/ or something in drop/, whoever put it there,
and when a writer has closed what is ready for a mailbox.
Entries that vanish are not told: who wants to claim them finds out.
"""

from __future__ import annotations

import ctypes
import os

import inotify_simple
from inotify_simple import INotify, flags

from mailkit.control import Home
from mailkit.queue import listing, name, ready
from mailkit.queue.name import Name
from mailkit.queue.ready import Ready

_DROP = "drop"
_ADDED = flags.CREATE | flags.MOVED_TO | flags.ONLYDIR
_WATCHED = {**dict.fromkeys((*listing.WAITING, _DROP), _ADDED), ready.DIRECTORY: flags.CLOSE_WRITE | flags.ONLYDIR}
_NOTHING = flags.Q_OVERFLOW | flags.UNMOUNT | flags.IGNORED


class Arrivals:
    """A watch on the directories of waiting entries and on drop/. OSError when there is no inotify to be had.

    missed: something was not told, list the directories; dropped: something is in drop/; ready: what came there.
    Whoever deals with it clears it.
    """

    def __init__(self, home: Home) -> None:
        self.missed = False
        self.dropped = False
        self.ready: list[Ready] = []
        # The package would start a compiler to find the library: see net.watch.
        inotify_simple._libc = inotify_simple._libc or ctypes.CDLL(None, use_errno=True)
        self._inotify = INotify(nonblocking=True)
        self._directories: dict[int, str] = {}
        self._queue = home.queue
        try:
            self._watched = self._identities()
            for directory, events in _WATCHED.items():
                wd = self._inotify.add_watch(os.path.join(home.queue, directory), events)
                self._directories[wd] = directory
        except OSError:
            self.close()
            raise

    def _identities(self) -> list[tuple[int, int]]:
        stats = [os.stat(os.path.join(self._queue, directory)) for directory in _WATCHED]
        return [(stat.st_dev, stat.st_ino) for stat in stats]

    def astray(self) -> bool:
        """Other directories have taken the places of those we watch (a mount, a restored queue)."""
        try:
            return self._identities() != self._watched
        except OSError:
            return False  # in between: there is nothing to watch instead yet

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return int(self._inotify.fileno())

    def read(self) -> list[tuple[str, Name]]:
        """Directory and name of what arrived in new/ and cur/."""
        found = []
        for event in self._inotify.read(timeout=0):
            if event.mask & _NOTHING:
                self.missed = True
                continue
            directory = self._directories[event.wd]
            if directory == _DROP:
                self.dropped = True
            elif directory == ready.DIRECTORY:
                self.ready += filter(None, [ready.parse(event.name)])
            elif (parsed := name.parse(event.name)) is not None:
                found.append((directory, parsed))
        return found

    def close(self) -> None:
        """Give the descriptor back."""
        self._inotify.close()
