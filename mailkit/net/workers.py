"""The parent of the worker processes that share listening sockets: starts them, watches over them, ends them."""

from __future__ import annotations

import contextlib
import gc
import os
import signal

from mailkit import clock, confine, counters, log
from mailkit.control import Home
from mailkit.exits import OK
from mailkit.net import errand, proxy, syncer, tls
from mailkit.net.notify import alive, is_managed, notify, watchdog_s
from mailkit.net.serve import Service
from mailkit.net.steward import Steward
from mailkit.net.syncer import End
from mailkit.net.worker import BEAT, Heart, work

_GARBAGE = 10_000  # new objects between two looks for cycles; sessions leave few
_LOOK_S = 5.0  # how often to look whether the workers may still reach what they need
_AGAIN_S = 1.0  # a worker that dies is started again after this long


def serve(
    program: str,
    home: Home,
    sockets: list[tuple[int, Service]],
    services: dict[str, Service],
    errands: dict[str, str],
) -> int:
    """Serve listening sockets until SIGTERM or SIGINT. Perm when control/proxyfrom is unfit."""
    bool(proxy.Fronts(home))
    count = home.control.number("workers") or len(os.sched_getaffinity(0))
    import uvloop  # noqa: F401  # before the fork, so that the workers share it

    tls.kind(home.control.flag("channelbinding"))  # for what it imports, likewise
    gc.collect()
    gc.freeze()  # what is here now stays, and is shared: keep the collector off it
    gc.set_threshold(_GARBAGE)
    ends = syncer.start(count)
    steward, asking = None, -1
    if errand.wanted(home, services, errands):
        asking, answering = errand.pair()
        steward = Steward(home, services, errands, answering)
    elif count == 1 and not _rest_s(home, sockets):
        confine.program(program, home)
        notify("READY=1")
        return work(home, sockets, ends[0])
    return _Parent(program, home, sockets, ends, steward, asking).run()


def _rest_s(home: Home, sockets: list[tuple[int, Service]]) -> int:
    """After how long without a session to end; 0: never, because nobody but systemd and inetd ("wait", descriptor 0)
    would start us again."""
    is_started_again = is_managed() or any(fd == 0 for fd, _ in sockets)
    return home.control.seconds("idlestop") if is_started_again else 0


class _Parent:
    """Keeps a worker alive for each of `ends`, which lead to the process that syncs, and their steward."""

    def __init__(
        self,
        program: str,
        home: Home,
        sockets: list[tuple[int, Service]],
        ends: list[End | None],
        steward: Steward | None,
        asking: int,
    ) -> None:
        self.program = program
        self.home = home
        self.sockets = sockets
        self.ends = ends
        self.missing = [*ends]  # of the workers that do not run
        self.steward = steward
        self.asking = asking  # the workers' end of the line to it
        self.steward_pid = 0
        self.steward_since = -_AGAIN_S
        self.children: dict[int, End | None] = {}
        self.started = 0.0
        self.stopping = False
        confine.prepare(program, home)
        self.marks = confine.marks(program, home)
        self.looked = clock.monotonic()
        self.rest_s = _rest_s(home, sockets)
        self.resting = False  # the workers were asked to end if they have no session
        self.busy_at = clock.monotonic()
        # Every worker writes a BEAT to it from time to time, for as long as its event loop turns.
        self.beats_r, self.beats_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.beaten: dict[int, float] = {}  # when each was heard last; when it began, until it is
        self.unheard: set[int] = set()
        self.patience_s = watchdog_s() / 2
        # Nothing is ever written to it: the workers see its end when we die, however we die, and end as well.
        self.alive_r, self.alive_w = os.pipe2(os.O_CLOEXEC)

    def run(self) -> int:
        wanted = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
        self._guard()
        while self.missing:
            self._start()
        notify("READY=1")
        while self.children or self.steward_pid or not self.stopping:
            got = signal.sigtimedwait(wanted, _AGAIN_S)
            if got is not None and got.si_signo in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            self._reap()
            self._guard()
            self._fill()
            self._listen_for_beats()
            self._watch_the_living()
            self._rest()
            self._renew()
            counters.flush()
        return OK

    def _renew(self) -> None:
        """Have workers replaced that are held to directories that are no longer there (confine.marks)."""
        if self.stopping or clock.monotonic() < self.looked + _LOOK_S:
            return
        self.looked = clock.monotonic()
        marks = confine.marks(self.program, self.home)
        if marks != self.marks:
            self.marks = marks
            log.event("confine", program=self.program, verdict="anew")
            for child in self.children:
                os.kill(child, signal.SIGTERM)

    def _start(self) -> None:
        end = self.missing.pop()
        child = os.fork()
        if child:
            self.children[child] = end
            self.started = self.beaten[child] = clock.monotonic()
            self.unheard.add(child)
            return
        status = 1
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.close(self.alive_w)
            self._let_go(end)
            counters.start(self.home.run, self.program)
            if self.steward is not None:
                errand.here(self.asking, self.steward.answering)
            confine.program(self.program, self.home)
            status = work(self.home, self.sockets, end, self.alive_r, Heart(self.beats_w))
        except BaseException as error:
            log.trace("broken", error, program=self.program)
        finally:
            os._exit(status)

    def _let_go(self, kept: End | None = None) -> None:
        """In a forked process: close the ends of others."""
        for end in self.ends:
            if end is not None and end is not kept:
                end.close()

    def _stop(self) -> None:
        self.stopping = True
        notify("STOPPING=1")
        for child in (*self.children, *([self.steward_pid] if self.steward_pid else [])):
            os.kill(child, signal.SIGTERM)

    def _reap(self) -> None:
        while self.children or self.steward_pid:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            if child == self.steward_pid:
                self.steward_pid = 0
            elif child in self.children:
                self.missing.append(self.children.pop(child))
                self.beaten.pop(child, None)
                self.unheard.discard(child)
            else:
                continue  # the process that syncs: the workers notice
            if not self.stopping and not (self.resting and status == OK):
                log.event("worker", program=self.program, pid=child, died=os.waitstatus_to_exitcode(status))

    def _listen_for_beats(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for child, busy in BEAT.iter_unpack(os.read(self.beats_r, BEAT.size * 1024)):
                if child in self.beaten:
                    self.beaten[child] = clock.monotonic()
                if busy or child in self.unheard:  # who has just begun may have somebody to take
                    self.unheard.discard(child)
                    self.busy_at = clock.monotonic()
                    self.resting = False

    def _watch_the_living(self) -> None:
        """End workers whose loop does not turn any more, and tell the service manager when there is none."""
        if not self.patience_s or self.stopping:
            return
        late = [child for child, when in self.beaten.items() if clock.monotonic() - when > self.patience_s]
        for child in late:
            log.event("worker", program=self.program, pid=child, stuck_s=round(self.patience_s))
            os.kill(child, signal.SIGKILL)
        if not late:
            alive()

    def _rest(self) -> None:
        """Nobody has come for long, as every worker has said: end, and be started again by whoever comes. A worker to
        whom somebody comes just now stays, and then we all do."""
        if not self.rest_s or self.stopping:
            return
        if self.resting and not self.children:
            self._stop()
        elif not self.resting and min(self.beaten.values(), default=0) - self.busy_at > self.rest_s:
            self.resting = True
            for child in self.children:
                os.kill(child, signal.SIGUSR1)

    def _guard(self) -> None:
        """Start the steward where there is to be one and is none, not sooner than a while after the last one."""
        if self.steward is None or self.steward_pid or self.stopping:
            return
        if clock.monotonic() - self.steward_since >= _AGAIN_S:
            self.steward_since = clock.monotonic()
            self.steward_pid = os.fork()
            if not self.steward_pid:
                self._let_go()
                self.steward.run(self.alive_r)

    def _fill(self) -> None:
        """Start the missing workers, none sooner than a while after the last one that was started."""
        if self.stopping or self.resting or not self.missing:
            return
        if clock.monotonic() - self.started >= _AGAIN_S:
            self._start()
