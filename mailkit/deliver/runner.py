"""The runner: what is due is worked on, as much at once as is sensible; the rest costs nothing.

It knows every waiting entry by name only. inotify tells of new names at once; a look at the directories every
`pollseconds` finds what inotify does not see (another machine's entries). An entry is in one of three places:

    waiting     in `_waiting`, its time in the heap
    parked      due, but its destination has no place: in `_waiting` with the time NEVER, its id with the destination
    active      claimed by a task of ours

Several runners may share a queue: the lock of queue.claim decides, and who does not get it looks again later.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import sys

from mailkit import clock, log
from mailkit.control import Home
from mailkit.deliver import plain
from mailkit.deliver.attempt import Attempt
from mailkit.deliver.destinations import Destinations
from mailkit.exits import Trouble
from mailkit.queue import claim, drop, listing, recovery
from mailkit.queue.name import Name
from mailkit.queue.ready import Ready
from mailkit.queue.spare import Keeper
from mailkit.queue.watch import Arrivals

NEVER = float("inf")
_TROUBLE_WAIT_S = 60  # an entry that made us stumble, or that somebody else works on, is left alone that long
_CLEAN_EVERY_S = 3600
_CLOCK_S = 60  # a clock that is put right by less is not worth a word
_GATHER_S = 0.005  # after new names were read, the next wait so long: they come in groups that share turns and syncs
_FREE_AFTER_S = 0.1  # finished files gather so long: one sync of the directories for all of them


class Runner:
    """The work on one home's queue. once: end when nothing is due any more."""

    def __init__(self, home: Home, once: bool = False) -> None:
        self.home = home
        self.once = once
        self.active: dict[str, asyncio.Task[None]] = {}  # by entry id
        control = home.control
        remote = control.number("concurrencyremote")
        self.destinations = Destinations(control.number("concurrencydestination"), remote)
        self._most = control.number("concurrencylocal") + remote
        self._waiting: dict[str, tuple[str, Name, float]] = {}  # by entry id: directory, name, when to work on it
        self._heap: list[tuple[float, str]] = []  # when, entry id; pairs that are no longer true are skipped
        self._skipped: dict[str, frozenset[str]] = {}  # parked entries' recipients who were tried already
        self._wake = asyncio.Event()
        self._collecting: asyncio.Task[None] | None = None
        self._more = False  # to collect
        self._keeper = Keeper(home)
        self._freeing: asyncio.Task[None] | None = None
        self._arrivals: Arrivals | None = None
        self._stopping = False
        self._listed: dict[str, int] = {}  # directory -> its mtime before it was listed
        self._look_at = 0.0  # monotonic
        self._clean_at = 0.0
        self._ahead = 0.0  # of the wall clock before the monotonic one

    async def run(self) -> None:
        """Work until `stop`, or until nothing is due (`once`)."""
        if self.once:
            await self._collected()
        else:
            self._watch()
        try:
            while not self._stopping:
                self._look()
                self._start_due()
                if self.once and not self.active:
                    break
                await self._pause()
        finally:
            self._unwatch()
            await self._end()
            await self._say_goodbye()

    def stop(self) -> None:
        """Start nothing new; what is in flight gets control/stopgrace to finish."""
        self._stopping = True
        self._wake.set()

    def learn(self, directory: str, found: Name) -> None:
        """There is an entry of this name."""
        known = self._waiting.get(found.id)
        if known is not None and known[0] == directory and known[1].text == found.text:
            return
        self._wait(directory, found, found.due)

    def _wait(self, directory: str, found: Name, when: float) -> None:
        self._waiting[found.id] = (directory, found, when)
        if when < NEVER:
            self._schedule(when, found.id)

    def _schedule(self, when: float, id: str) -> None:
        heapq.heappush(self._heap, (when, id))
        if self._heap[0][1] == id:
            self._wake.set()  # sooner than what `_pause` waits for

    # Finding entries.

    def _watch(self) -> None:
        try:
            self._arrivals = Arrivals(self.home)
        except OSError as error:
            log.event("watch", directory=self.home.queue, error=error.strerror, instead="polling")
            return
        self._listen()

    def _listen(self) -> None:
        if self._arrivals is not None:
            asyncio.get_running_loop().add_reader(self._arrivals.fileno(), self._arrived)

    def _unwatch(self) -> None:
        if self._arrivals is not None:
            asyncio.get_running_loop().remove_reader(self._arrivals.fileno())
            self._arrivals.close()
            self._arrivals = None

    def _arrived(self) -> None:
        assert self._arrivals is not None
        running = asyncio.get_running_loop()
        running.remove_reader(self._arrivals.fileno())
        running.call_later(_GATHER_S, self._listen)
        for directory, entry in self._arrivals.read():
            self.learn(directory, entry)
        if self._arrivals.missed:
            self._arrivals.missed = False
            self._look_at = 0.0
            self._listed.clear()
        ready, self._arrivals.ready = self._arrivals.ready, []
        if self._arrivals.dropped or not self._hand_over(ready):
            self._arrivals.dropped = False
            self._collect()
        self._wake.set()

    def _look(self) -> None:
        """From time to time: list the directories that changed since they were listed, and clear tmp/."""
        now = clock.monotonic()
        if now >= self._clean_at:
            self._clean_at = now + _CLEAN_EVERY_S
            self.destinations.forget()
            try:
                recovery.clear(self.home)
                self._keeper.clear()
            except OSError as error:
                log.event("queue", operation="clean", error=error.strerror, verdict="later")
        self._mind_the_clock(clock.now() - now)
        if now < self._look_at and not (self.once and not self.active and not self._has_due()):
            return
        self.home.control.look()
        if not self.once:
            self._collect()
        if self._arrivals is not None and self._arrivals.astray():
            self._unwatch()
            self._watch()
        for directory in listing.WAITING:
            try:
                self._list(directory)
            except OSError as error:
                log.event("queue", operation="list", directory=directory, error=error.strerror, verdict="later")
        took = clock.monotonic() - now
        self._look_at = now + max(self.home.control.seconds("pollseconds"), 20 * took)

    def _mind_the_clock(self, ahead: float) -> None:
        """After the clock was put back, every time we know is too late by that: all is learned anew."""
        if ahead < self._ahead - _CLOCK_S:
            log.event("runq", state="clock-went-back", by_s=round(self._ahead - ahead))
            for id, (_, _, when) in [*self._waiting.items()]:
                if when < NEVER:
                    del self._waiting[id]
            self._listed.clear()
            self._look_at = 0.0
        self._ahead = ahead

    def _list(self, directory: str) -> None:
        """Learn what is in a directory, if it changed since it was listed. OSError."""
        path = os.path.join(self.home.queue, directory)
        mark = _changed_at(path)
        if self._listed.get(directory) != mark:
            soon = clock.now() + _CLOCK_S
            for found in listing.entries(self.home, directory):
                known = found.due < soon or found.id in self._waiting
                if not known and _changed_at(os.path.join(path, str(found))) > soon * 1e9:
                    # Written when the clock was ahead: its time may not come for years.
                    self._wait(directory, found, 0)
                else:
                    self.learn(directory, found)
            self._listed[directory] = mark

    def _has_due(self) -> bool:
        return bool(self._heap) and self._heap[0][0] <= clock.now()

    def _hand_over(self, ready: list[Ready]) -> bool:
        """Deliver what is plain. False when something is left, for `_collect`."""
        if ready:
            self.home.control.look()
        try:
            done = [plain.finish(self.home, one) for one in ready]
            return all(done)
        except (Trouble, OSError) as error:
            log.event("queue", operation="ready", error=str(error), verdict="later")
            return False

    def _collect(self) -> None:
        """Take what people left in drop/ into the queue, and what is in ready/ to its mailbox or into the queue."""
        self._more = True
        if self._collecting is None or self._collecting.done():
            self._collecting = asyncio.get_running_loop().create_task(self._collected())

    async def _collected(self) -> None:
        self._more = True
        while self._more:
            self._more = False
            try:
                await drop.collect(self.home)
            except Trouble as trouble:
                log.event("drop", verdict="waits", why=str(trouble))
            try:
                await plain.look(self.home)
            except OSError as error:
                log.event("queue", operation="list", directory="ready", error=error.strerror, verdict="later")
        self._wake.set()

    # Working on them.

    def _start_due(self) -> None:
        now = clock.now()
        if self._has_due():
            self.home.control.look()  # what was accepted by a value is delivered by it, or by a newer one
        while self._heap and self._heap[0][0] <= now and len(self.active) < self._most:
            _, id = heapq.heappop(self._heap)
            directory, found, when = self._waiting.get(id, _NOBODY)
            if when > now or id in self.active:
                continue  # its later time is in the heap too, or will be when it ends
            del self._waiting[id]
            task = asyncio.get_running_loop().create_task(self._work(directory, found))
            self.active[id] = task
            task.add_done_callback(lambda done, id=id: self._ended(id, done))  # type: ignore[misc]

    async def _work(self, directory: str, found: Name) -> None:
        """One entry, from claim to its next state."""
        try:
            claimed = claim.claim(self.home, directory, found.text, found)
        except claim.Busy:
            self._wait(directory, found, clock.now() + _TROUBLE_WAIT_S)
            return
        except OSError as error:
            log.event("queue", q=found.id, operation="claim", error=error.strerror, verdict="waits")
            self._wait(directory, found, clock.now() + _TROUBLE_WAIT_S)
            return
        if claimed is None:
            return
        keeper = None if self.once else self._keeper
        wished = claimed.name.wished and found.id not in self._skipped  # it had its wish before it was parked
        skipped = self._skipped.pop(found.id, frozenset())
        attempt = Attempt(self.home, claimed, self.destinations, skipped, keeper, wished)
        try:
            await attempt.run()
        except Exception as error:
            log.trace("runq", error, q=found.id, verdict="retried")
            self._wait(directory, found, clock.now() + _TROUBLE_WAIT_S)
        else:
            if attempt.deferred:
                self.learn("cur", claimed.name)
            elif attempt.parked:
                self._wait(directory, found, NEVER)
                self._skipped[found.id] = attempt.skipped
                self.destinations.park(attempt.parked, found.id, attempt.priority)
        finally:
            claimed.release()
            if claimed.resting:
                self._keeper.rest()
                if self._freeing is None or self._freeing.done():
                    self._freeing = asyncio.get_running_loop().create_task(self._free())

    async def _free(self) -> None:
        """Make the files of finished entries free for new ones."""
        await asyncio.sleep(_FREE_AFTER_S)
        try:
            await self._keeper.release()
        except OSError as error:
            log.event("queue", operation="free", error=error.strerror)

    def _ended(self, id: str, task: asyncio.Task[None]) -> None:
        del self.active[id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.trace("runq", error, q=id)
        if id in self._waiting and self._waiting[id][2] < NEVER:
            self._schedule(self._waiting[id][2], id)  # it got another name while we worked on it
        for ready in self.destinations.ready():
            if ready in self._waiting:
                self._wait(*self._waiting[ready][:2], 0)
        if self._has_due() or len(self.active) == self._most - 1 or (self.once and not self.active):
            self._wake.set()  # there is a place for what waits, or nothing is left to wait for

    # Waiting and ending.

    async def _pause(self) -> None:
        """Until something arrives or ends, the next entry is due, or it is time to look."""
        self._wake.clear()
        until = self._look_at - clock.monotonic()
        if self._heap and len(self.active) < self._most:
            until = min(until, self._heap[0][0] - clock.now())
        if until <= 0 and not self.once:
            return
        try:
            async with asyncio.timeout(until if not self.once else None):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _end(self) -> None:
        """Let what is in flight finish for a while, then let go of it: the entries stay as they are."""
        tasks = [*self.active.values(), *(task for task in (self._collecting, self._freeing) if task is not None)]
        if tasks:
            await asyncio.wait(tasks, timeout=self.home.control.seconds("stopgrace"))
        if (pipe := sys.modules.get("mailkit.deliver.pipe")) is not None:
            pipe.stop()  # a thread that waits for a program would keep us from ending
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _say_goodbye(self) -> None:
        """Close the connections that are kept to other servers, if mail left at all."""
        remote = sys.modules.get("mailkit.deliver.remote")
        if remote is not None:
            await remote.close()


_NOBODY = ("", Name(0, 0, "", 0), NEVER)


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0
