"""How many deliveries one destination gets at once, and how long it is left alone after a failure.

The users here are no destination: all deliveries to them together have HERE_MOST places.

A destination is a recipient domain. It starts with FIRST at once. A window of successes adds one to the window, up to
the limit; a failure of the connection itself halves it. A destination whose window is one, or to which nobody else is
talking, is dead when it fails: nobody tries it for PAUSE_S, and that pause doubles with each failure up to
PAUSE_MOST_S. After the pause, or when a person wants it, a single delivery tries, and its success opens the window
again.

Entries that find no place are parked: their ids wait at the destination and come back, those of a raised priority
first and those of a lowered one last (RFC 6710 5), else oldest first, when there is room, or all at once when it is
found dead, to be deferred. So a slow destination costs the others nothing but its places.

To park an entry costs as much as to read it once more. So where a place will be free within SOON_S, by what the last
deliveries took, the entry waits for it in line, with its file open. It does so too where there is a place but every
connection is at work, for as long as that is quicker than to open another one. Who stands in a line that does not
move for STALLED_S is parked after all.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque

from mailkit import clock

FIRST = 2
PAUSE_S = 60.0
PAUSE_MOST_S = 3600.0
_LOOKS = 20  # destinations where nothing changed that are looked at when something ended
HERE_MOST = 200  # each has a file open or two, and 1024 descriptors are what many systems give
SOON_S = 0.1
STALLED_S = 0.2
KEPT_S = 5.0  # for so long a connection is kept (remote.kept)
_OPENING = 1.5  # deliveries in whose time a connection is opened: three round trips to two and the server's work
_LATELY = 8  # deliveries whose time counts


class Destination:
    """One destination's window and pause."""

    __slots__ = (
        "_ahead",
        "_behind",
        "_plain",
        "busy",
        "coming",
        "dead_until",
        "failures",
        "idle",
        "limit",
        "line",
        "moved",
        "stalls",
        "text",
        "took_s",
        "used",
        "window",
    )

    def __init__(self, limit: int) -> None:
        self.limit = max(limit, 1)
        self.window = float(min(FIRST, self.limit))
        self.busy = 0
        self.coming = 0  # entries that were told to come back and have not asked for their place yet
        self.failures = 0  # in a row
        self.dead_until = 0.0  # monotonic seconds
        self.text = ""  # what the last failure was
        self.used = clock.monotonic()
        self.took_s = 0.0  # what a delivery takes at present; 0 is not known
        self.idle = 0  # connections that were kept after the last deliveries
        self.line: deque[asyncio.Future[bool]] = deque()  # who waits for a place with its file open
        self.stalls: asyncio.TimerHandle | None = None  # looks whether the line has moved
        self.moved = False
        self._ahead: dict[str, None] = {}  # ids of entries, in order of arrival: of a raised priority,
        self._plain: dict[str, None] = {}  # of none,
        self._behind: dict[str, None] = {}  # of a lowered one

    @property
    def parked(self) -> int:
        """How many entries wait here."""
        return len(self._ahead) + len(self._plain) + len(self._behind)

    def park(self, id: str, priority: int) -> None:
        """The entry `id` waits here."""
        (self._ahead if priority > 0 else self._behind if priority < 0 else self._plain)[id] = None

    def called(self, most: int) -> list[str]:
        """Those who wait and may come now, `most` at the most; they wait no longer."""
        if not self.busy:
            self.coming = 0  # whoever was called and never came is not waited for
        ids = self._next(min(most, self.places() + self.room() - self.coming))
        self.coming += len(ids)
        return ids

    def all(self) -> list[str]:
        """All who wait; they do so no longer."""
        return self._next(self.parked)

    def _next(self, count: int) -> list[str]:
        ids: list[str] = []
        for line in (self._ahead, self._plain, self._behind):
            for id in list(itertools.islice(line, max(0, count - len(ids)))):
                del line[id]
                ids.append(id)
        return ids

    def dead(self) -> bool:
        """Is it left alone at the moment?"""
        return clock.monotonic() < self.dead_until

    def places(self) -> int:
        """How many more deliveries it may get now."""
        if self.dead():
            return 0
        return max(0, (1 if self.failures else int(self.window)) - self.busy)

    def room(self) -> int:
        """How many more may wait in line."""
        if not self.took_s or self.dead():
            return 0
        return max(0, int(SOON_S / self.took_s * self.busy) - len(self.line))

    def opens(self, waiting: int) -> bool:
        """Is it time for another connection, when `waiting` wait?"""
        return not self.took_s or waiting * self.took_s > SOON_S * self.busy or waiting > _OPENING * self.busy

    def kept(self) -> int:
        """How many connections probably wait for a delivery."""
        return self.idle if self.idle and clock.monotonic() < self.used + KEPT_S else 0

    def begin(self) -> None:
        """A delivery begins."""
        self.idle = max(0, self.kept() - 1)
        self.busy += 1
        self.used = clock.monotonic()

    def end(self, took_s: float) -> None:
        """A delivery has ended, well or not."""
        self.busy -= 1
        self.idle = self.kept() + 1
        self.used = clock.monotonic()
        self.took_s = self.took_s + (took_s - self.took_s) / _LATELY if self.took_s else took_s

    def dismiss(self) -> None:
        """Who stands in line need not wait any longer."""
        while self.line:
            _tell(self.line.popleft(), False)

    def worked(self) -> None:
        """It answered."""
        self.failures = 0
        self.dead_until = 0.0
        self.text = ""
        self.window = min(self.window + 1 / self.window, float(self.limit))

    def wake(self) -> None:
        """Somebody knows better and wants it tried now. What failed is not forgotten: a single delivery tries."""
        self.dead_until = 0.0

    def failed(self, text: str) -> None:
        """It did not answer, or threw us out. `text` says how. Call after its place was given back."""
        self.text = text
        self.idle = 0
        alone = self.window < 2 or not self.busy
        self.window = max(1.0, self.window / 2)
        if not alone:
            return  # others are talking to it: what they find decides
        self.failures += 1
        self.dead_until = clock.monotonic() + min(PAUSE_S * 2.0 ** min(self.failures - 1, 10), PAUSE_MOST_S)


class Destinations:
    """All destinations in use. limit: deliveries at once to one of them; total: to all together."""

    def __init__(self, limit: int, total: int) -> None:
        self.limit = limit
        self.total = total
        self.busy = 0
        self.here = asyncio.Semaphore(HERE_MOST)
        self._all: dict[str, Destination] = {}
        self._parking: dict[str, Destination] = {}  # those where entries wait, in turn
        self._changed: set[str] = set()  # where there may be room now

    def __getitem__(self, name: str) -> Destination:
        found = self._all.get(name)
        if found is None:
            found = self._all[name] = Destination(self.limit)
        return found

    def __len__(self) -> int:
        return len(self._all)

    def take(self, name: str) -> bool:
        """A place at this destination; False when there is none."""
        destination = self[name]
        destination.coming = max(0, destination.coming - 1)
        if not self._free(destination, len(destination.line) + 1):
            return False
        destination.begin()
        self.busy += 1
        return True

    def soon(self, name: str) -> bool:
        """Is it worth while to wait for a place in line?"""
        return self.busy < self.total and self[name].room() > 0

    def turn(self, name: str) -> asyncio.Future[bool]:
        """Stand in line: True when a place is taken for us, False when there will be none soon."""
        destination, loop = self[name], asyncio.get_running_loop()
        place: asyncio.Future[bool] = loop.create_future()
        destination.line.append(place)
        if destination.stalls is None:
            destination.stalls = loop.call_later(STALLED_S, self._look, destination)
        return place

    def give(self, name: str, took_s: float) -> None:
        """The place is free again after so many seconds. `pass_on` comes next, when what happened has been learned."""
        self[name].end(took_s)
        self.busy -= 1
        self._changed.add(name)

    def pass_on(self, name: str) -> None:
        """Free places go to those in line."""
        destination = self[name]
        if destination.dead():
            destination.dismiss()
        while destination.line and self._free(destination, len(destination.line)):
            if _tell(destination.line.popleft(), True):
                destination.begin()
                destination.moved = True
                self.busy += 1

    def _free(self, destination: Destination, waiting: int) -> bool:
        """May one of `waiting` who want a place there have it?"""
        if self.busy >= self.total or not destination.places():
            return False
        return destination.kept() > 0 or destination.opens(waiting)

    def _look(self, destination: Destination) -> None:
        destination.stalls = None
        if not destination.moved:
            destination.took_s = 0.0
            destination.dismiss()
        destination.moved = False
        if destination.line:
            destination.stalls = asyncio.get_running_loop().call_later(STALLED_S, self._look, destination)

    def park(self, name: str, id: str, priority: int = 0) -> None:
        """The entry `id` waits for a place. priority: its MT-PRIORITY."""
        self[name].park(id, priority)
        self._parking[name] = self[name]
        self._changed.add(name)

    def ready(self) -> list[str]:
        """Ids of parked entries that may go on now. Each destination in turn, so that none takes all places.

        Where something changed is looked at, and at the next few in turn: thousands may wait.
        """
        changed, self._changed = self._changed, set()
        hopeless = [name for name in changed if name in self._parking and self._parking[name].dead()]
        deferred = [id for name in hopeless for id in self._parking.pop(name).all()]
        ids: list[str] = []
        for name in dict.fromkeys([*itertools.islice(self._parking, _LOOKS), *changed]):
            if self.busy + len(ids) >= self.total:
                break
            destination = self._parking.pop(name, None)
            if destination is None:
                continue
            ids += destination.called(self.total - self.busy - len(ids))
            if destination.parked:
                self._parking[name] = destination  # at the end: it had its turn
        return deferred + ids

    def forget(self, idle_s: float = 600) -> None:
        """Drop what nobody needs to remember."""
        before = clock.monotonic() - idle_s
        for name, one in list(self._all.items()):
            if not one.busy and not one.parked and one.dead_until + idle_s < clock.monotonic() and one.used < before:
                del self._all[name]


def _tell(place: asyncio.Future[bool], taken: bool) -> bool:
    """False when nobody waits for it any more."""
    if place.done():
        return False
    place.set_result(taken)
    return True
