"""What a tired administrator wants to know about entries and may do to them, safely beside a running runner.

Everything that changes an entry takes its lock first; one that a runner is working on is left alone and said to be
`busy`. Reading takes no lock.
"""

from __future__ import annotations

import itertools
import os

from mailkit import clock, files
from mailkit.control import Home
from mailkit.queue import claim, entry, listing, ready
from mailkit.queue.entry import Envelope
from mailkit.queue.name import NOW, Name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

STATES = {"ready": "ready", "new": "new", "cur": "waiting", "hold": "held", "failed": "failed"}  # by directory
_HEAD = 64 << 10
_OPENED = 5000


class Item:
    """One entry as it was found. envelope: None when it cannot be read, `trouble` says why. note: what failed last."""

    __slots__ = ("arrived", "directory", "envelope", "name", "note", "path", "trouble")

    def __init__(self, home: Home, directory: str, name: Name) -> None:
        self.directory = directory
        self.name = name
        self.path = os.path.join(home.queue, directory, name.text)
        self.envelope: Envelope | None = None
        self.note = ""
        self.trouble = ""
        self.arrived = float(name.due)

    @property
    def state(self) -> str:
        """One of STATES."""
        return STATES[self.directory]

    @property
    def sender(self) -> str:
        """The envelope sender, "" for the null sender and for what cannot be read."""
        return self.envelope.sender if self.envelope is not None else ""

    @property
    def pending(self) -> list[str]:
        """The addresses that wait."""
        return [one.address for one in self.envelope.pending] if self.envelope is not None else []


def items(home: Home, directories: tuple[str, ...] = listing.ALL, ids: set[str] | None = None) -> Iterator[Item]:
    """The entries with these ids, or every entry, read, in the order of due times within each directory.

    What vanishes meanwhile is left out.
    """
    for directory in directories:
        names = [one for one in listing.entries(home, directory) if not ids or one.id in ids]
        for name in sorted(names, key=lambda one: (one.due, one.id)):
            item = Item(home, directory, name)
            if _read(item):
                yield item


def oldest(home: Home) -> float:
    """Seconds since the oldest message that waits arrived, 0 when none does; of a very long queue only the first
    are opened."""
    now = clock.now()
    found = itertools.islice(items(home, listing.DUE), _OPENED)
    return max(0.0, now - min((item.arrived for item in found), default=now))


def _read(item: Item) -> bool:
    try:
        with open(item.path, "rb") as file:
            data = file.read(_HEAD)
            while True:
                try:
                    item.envelope, _ = (ready.envelope if item.directory == ready.DIRECTORY else entry.decode)(data)
                    break
                except EOFError as error:
                    more = file.read(len(data))
                    if not more:
                        raise ValueError(str(error))
                    data += more
    except FileNotFoundError:
        return False
    except (ValueError, OSError) as error:
        item.trouble = str(error)
        return True
    if item.directory == ready.DIRECTORY:
        return True
    item.note = entry.read_note(data)
    arrived = item.envelope.params.get("arrived", "")
    item.arrived = float(arrived) if arrived.isdigit() else item.arrived
    return True


def hold(home: Home, item: Item) -> str:
    """Put an entry aside until it is released. "done", "busy" or "gone"."""
    return _moved(home, item, "hold", item.name)


def release(home: Home, item: Item) -> str:
    """Let an entry go on at once, also where its destination is left alone. "done", "busy" or "gone"."""
    return _moved(home, item, "cur", item.name.at(NOW))


def remove(home: Home, item: Item) -> str:
    """Throw an entry away; nobody is told. "done", "busy" or "gone"."""
    return _moved(home, item, "", item.name)


def _moved(home: Home, item: Item, directory: str, name: Name) -> str:
    """Under the entry's lock: rename it, or with no `directory` unlink it."""
    try:
        fd = os.open(item.path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return "gone"
    try:
        if not files.lock(fd):
            return "busy"
        if directory:
            files.rename(item.path, os.path.join(home.queue, directory, name.text), durable=True)
        else:
            files.unlink(item.path)
        return "done"
    except FileNotFoundError:
        return "gone"
    finally:
        os.close(fd)


def cancel(home: Home, item: Item, addresses: set[str]) -> str:
    """Take recipients out of an entry; the last one takes it away. "done", "busy" or "gone"."""
    try:
        claimed = claim.claim(home, item.directory, item.name.text)
    except claim.Busy:
        return "busy"
    if claimed is None:
        return "gone"
    try:
        claimed.mark([one for one in claimed.envelope.pending if one.address in addresses], entry.CANCELLED)
        claimed.sync()
        if not claimed.envelope.pending:
            claimed.finish()
        return "done"
    finally:
        claimed.release()
