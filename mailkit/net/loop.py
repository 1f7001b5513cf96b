"""The driver for many connections: uvloop, one task per session, everything shared that can be.

What one idle session costs is what counts here: a task, a future, the session's own frames (net.loopconn). Time limits
are kept by one sweep a second over the open connections, not by a timer each; watches share one inotify descriptor
(net.watch); fsyncs share rounds (net.commit).
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from mailkit import clock, counters, files
from mailkit.net.certificates import Certificates
from mailkit.net.commit import Rounds
from mailkit.net.conn import Stopping, Timeout
from mailkit.net.loopconn import SWEEP_S
from mailkit.net.notify import alive, watchdog_s
from mailkit.net.syncer import End
from mailkit.net.ties import Ties
from mailkit.net.watch import Watch, Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.net.loopconn import LoopConn

R = TypeVar("R")

_COUNTERS_S = 1.0  # how long the end of a program waits for the file of its counters
_PULSE_S = 5.0
_PULSES = 4  # within the time after which the service manager takes us for dead


def run(
    main: Callable[[], Coroutine[Any, Any, R]], beat: Callable[[], None] = alive, syncer: End | None = None
) -> R:
    """Run `main()` on a fresh uvloop with group commit and all the descriptors we may have; the result.

    control/maxconn sessions, or the deliveries of a runner, need more than the usual soft limit of 1024.
    beat: called every few seconds for as long as the loop turns. syncer: this loop's end of the process that syncs,
    where there is one.
    """
    import uvloop

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def with_rounds() -> R:
        files.committer = rounds = Rounds(asyncio.get_running_loop(), syncer)
        _pulse(asyncio.get_running_loop(), min(_PULSE_S, watchdog_s() / _PULSES or _PULSE_S), beat)
        try:
            return await main()
        finally:
            files.committer = None
            rounds.close()
            counters.flush(_COUNTERS_S)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(with_rounds())


def _pulse(running: asyncio.AbstractEventLoop, every_s: float, beat: Callable[[], None]) -> None:
    counters.flush()
    beat()
    running.call_later(every_s, _pulse, running, every_s, beat)


class Pool:
    """What the connections of one process share."""

    def __init__(self, certificates: Certificates | None = None, poll_s: float = 30) -> None:
        self.loop = asyncio.get_running_loop()
        self.certificates = certificates
        self.conns: set[LoopConn] = set()
        self.stopping = False
        self.watcher = Watcher()
        self.ties = Ties()
        self._watching = False
        self._poll_s = poll_s
        self._polled = clock.monotonic()
        self._sweeper = self.loop.call_later(SWEEP_S, self._sweep)

    def watch(self, directories: list[str], fire: Callable[[], None]) -> Watch:
        """A watch on the shared inotify descriptor."""
        watch = self.watcher.add(directories, fire)
        if not self._watching and self.watcher.fd >= 0:
            self.loop.add_reader(self.watcher.fd, self.watcher.read)
            self._watching = True
        return watch

    def stop(self) -> None:
        """Every session gets Stopping at its next wait."""
        self.stopping = True
        for conn in list(self.conns):
            conn.interrupt(Stopping())

    def close(self) -> None:
        """Cut what is left."""
        self._sweeper.cancel()
        for conn in list(self.conns):
            conn.abort()
        if self._watching:
            self.loop.remove_reader(self.watcher.fd)
        self.watcher.close()

    def _sweep(self) -> None:
        self._sweeper = self.loop.call_later(SWEEP_S, self._sweep)
        now = clock.monotonic()
        for conn in list(self.conns):
            if now >= conn.due:
                conn.interrupt(Timeout())
        if now - self._polled >= self._poll_s:
            self._polled = now
            self.watcher.poll()
        if self.ties:
            self.ties.look()
