"""A race for a connection, in the spirit of RFC 8305 5: begun one after the other, and the first to connect wins.

      0 ms     2001:db8::1    MX 10    |------------------------    given up: somebody was faster
    250 ms     192.0.2.1      MX 10        |----- connected
     10 s      192.0.2.9      MX 20                                 not needed

The next begins as soon as one failed. Servers of a worse preference are for when the better ones cannot be reached,
not for when they are far away (RFC 5321 5.1): they begin when none of the better is left, or after PATIENCE_S.
"""

from __future__ import annotations

import asyncio
from collections import deque

from mailkit.deliver.remote.hosts import PATIENCE_S, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from mailkit.deliver.remote.opening import Opening

STAGGER_S = 0.25  # RFC 8305 5: the recommended delay


class Race:
    """One race between `places`, in their order. reach: an attempt at one, None when it failed; what it raises ends
    the race. overtaken: those who were still on their way when it was won."""

    def __init__(self, places: list[Place], reach: Callable[[Place], Coroutine[Any, Any, Opening | None]]) -> None:
        self._reach = reach
        self._ahead = deque(places)
        self._running: dict[asyncio.Task[Opening | None], Place] = {}
        self._loop = asyncio.get_running_loop()
        self._due = 0.0  # when the next begins, by the loop's clock
        self.overtaken: list[Place] = []

    async def winner(self) -> Opening | None:
        """The connection; None when every place failed. Nothing goes on behind the caller's back afterwards."""
        won = None
        try:
            while won is None and (self._ahead or self._running):
                self._start()
                won = await self._first()
            if won is not None:
                self.overtaken = [place for task, place in self._running.items() if not task.done()]
        finally:
            await self._end()
        return won

    def _start(self) -> None:
        """Begin with the next, if it is time."""
        if not self._ahead or self._loop.time() < self._due:
            return
        place = self._ahead.popleft()
        self._running[self._loop.create_task(self._reach(place))] = place
        if self._ahead:
            alike = self._ahead[0].rank == place.rank
            self._due = self._loop.time() + (STAGGER_S if alike else PATIENCE_S)

    async def _first(self) -> Opening | None:
        """Wait until somebody is there or has failed, or the next may begin. Of several the one that began first."""
        wait_s = max(0.0, self._due - self._loop.time()) if self._ahead else None
        done, _ = await asyncio.wait(self._running, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        for task in [task for task in self._running if task in done]:
            place = self._running.pop(task)
            won = task.result()
            if won is not None:
                return won
            if self._ahead and (not self._running or self._ahead[0].rank == place.rank):
                self._due = 0.0
        return None

    async def _end(self) -> None:
        """Give up the others; one may have connected in the same moment."""
        for task in self._running:
            task.cancel()
        for found in await asyncio.gather(*self._running, return_exceptions=True):
            if found is not None and not isinstance(found, BaseException):
                found.close()
