"""Worker processes that share listening sockets, and the parent that watches over them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any

from mailkit import clock, confine, counters, log
from mailkit.control import Home
from mailkit.control.networks import customer
from mailkit.exits import OK, Perm
from mailkit.net import errand, loop, proxy, syncer, tls
from mailkit.net.blocking import host_and_port
from mailkit.net.certificates import Certificates
from mailkit.net.loop import LoopConn, Pool
from mailkit.net.notify import alive, is_managed, notify, watchdog_s
from mailkit.net.serve import Service, attend
from mailkit.net.steward import Steward
from mailkit.net.syncer import End

_BACKLOG = 1024
_GARBAGE = 10_000  # new objects between two looks for cycles; sessions leave few
_M_MMAP_THRESHOLD = -3  # malloc.h
_BEAT = struct.Struct("=I?")  # number of the process, whether it has had sessions since the last one
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
        return _worker(home, sockets, ends[0])
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
        # Every worker writes a _BEAT to it from time to time, for as long as its event loop turns.
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
            self.unheard.add(child)
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
            status = _worker(self.home, self.sockets, end, self.alive_r, _Heart(self.beats_w))
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
                self.unheard.discard(child)
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
            else:
                continue  # the process that syncs: the workers notice
            if not self.stopping and not (self.resting and status == OK):
                log.event("worker", program=self.program, pid=child, died=os.waitstatus_to_exitcode(status))

    def _listen_for_beats(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for child, busy in _BEAT.iter_unpack(os.read(self.beats_r, _BEAT.size * 1024)):
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


class _Heart:
    """What a worker tells its parent from time to time: that it lives, and whether it has had sessions since."""

    __slots__ = ("_pid", "_pipe", "worker")

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._pid = os.getpid()
        self.worker: _Worker | None = None

    def __call__(self) -> None:
        with contextlib.suppress(OSError):  # the pipe is full, or the parent has just died
            os.write(self._pipe, _BEAT.pack(self._pid, self.worker is not None and self.worker.was_busy()))


def _thrifty_malloc() -> None:
    """Keep glibc from raising its limit for memory of its own pages (mallopt(3)). uvloop sets aside 256 KiB for each
    TLS connection and touches little of it; from the heap it would be pages that somebody has written before.
    Measured: 189 KiB per idle TLS session of IMAP without, 37 with this."""
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 128 * 1024)
    except (OSError, AttributeError):
        pass  # another C library: more memory, nothing else


def _worker(
    home: Home,
    sockets: list[tuple[int, Service]],
    end: End | None,
    parent: int | None = None,
    heart: _Heart | None = None,
) -> int:
    _thrifty_malloc()

    async def serve() -> int:
        worker = _Worker(home)
        if heart is not None:
            heart.worker = worker
        return await worker.serve(sockets, parent)

    return loop.run(serve, heart or alive, end)


class _Worker:
    """One process's share of the connections, with its limits."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.pool = Pool(Certificates(home), home.control.seconds("pollseconds"))
        self.tasks: set[asyncio.Task[None]] = set()
        self.per_peer: dict[str, int] = {}
        self.fronts = proxy.Fronts(home)
        self._came = False  # somebody came since the last look

    def was_busy(self) -> bool:
        """Are there sessions, or were there since the last call?"""
        came, self._came = self._came, False
        return came or bool(self.tasks)

    async def serve(self, sockets: list[tuple[int, Service]], parent: int | None) -> int:
        """Serve until SIGTERM, SIGINT or, where there is one, the end of the pipe from the parent."""
        stop = asyncio.Event()
        if parent is not None:
            self.pool.loop.add_reader(parent, stop.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            self.pool.loop.add_signal_handler(number, stop.set)
        self.pool.loop.add_signal_handler(signal.SIGUSR1, lambda: None if self.tasks else stop.set())
        closers = [await self._listen(socket.socket(fileno=fd), service) for fd, service in sockets]
        await stop.wait()
        if parent is not None:
            self.pool.loop.remove_reader(parent)
        for close in closers:
            close()
        await self._finish()
        return OK

    async def _listen(self, sock: socket.socket, service: Service) -> Callable[[], None]:
        """Begin to accept connections; what to call to stop it."""

        def accepted() -> LoopConn:
            return LoopConn(self.pool, service.name, lambda conn: self._begin(conn, service), service.total_s)

        sock.setblocking(False)
        if service.implicit_tls or self.fronts:
            sock.listen(_BACKLOG)
            self.pool.loop.add_reader(sock, self._accept, sock, service)
            return lambda: self._close(sock)
        if sock.family == socket.AF_UNIX:
            server = await self.pool.loop.create_unix_server(accepted, sock=sock, backlog=_BACKLOG)
        else:
            server = await self.pool.loop.create_server(accepted, sock=sock, backlog=_BACKLOG)
        return server.close

    def _begin(self, conn: LoopConn, service: Service) -> None:
        if not self._is_full(conn) and not self._is_crowded(conn):
            self._start(attend(conn, service), conn.peer)
            return
        conn.write(service.busy)
        conn.close()

    def _accept(self, sock: socket.socket, service: Service) -> None:
        """Take a connection that may begin with a PROXY header or a handshake. Not left to the event loop's server,
        which would shake hands with everybody before we see how many there are."""
        try:
            end, address = sock.accept()
        except BlockingIOError:
            return  # another worker was first
        except OSError as error:  # EMFILE and its kin: let some sessions end
            log.event("listen", service=service.name, error=error.strerror)
            self.pool.loop.remove_reader(sock)
            self.pool.loop.call_later(_AGAIN_S, lambda: self._accept_again(sock, service))
            return
        conn = LoopConn(self.pool, service.name, None, service.total_s)
        conn.peer, conn.peer_port = host_and_port(address)
        self._take(conn, end, service)

    def _take(self, conn: LoopConn, end: socket.socket, service: Service) -> None:
        end.setblocking(False)
        try:
            front = conn.peer in self.fronts
        except Perm as trouble:
            log.event("trouble", c=conn.id, error=str(trouble))
            end.close()
            return
        if self._is_full(conn) or (not front and self._is_crowded(conn)):
            _turn_away(end, service)
        elif front:
            self._start(self._attend_front(conn, end, service), "")
        else:
            self._start(self._attend_accepted(conn, end, service), conn.peer)

    def _accept_again(self, sock: socket.socket, service: Service) -> None:
        if not self.pool.stopping:
            self.pool.loop.add_reader(sock, self._accept, sock, service)

    def _close(self, sock: socket.socket) -> None:
        self.pool.loop.remove_reader(sock)
        sock.close()

    async def _attend_front(self, conn: LoopConn, end: socket.socket, service: Service) -> None:
        """Serve what a front end hands on, once it has said whose connection it is."""
        try:
            async with asyncio.timeout(proxy.WITHIN_S):
                found = await proxy.read(lambda octets: self.pool.loop.sock_recv(end, octets))
        except (OSError, ValueError) as error:  # TimeoutError is one of OSError
            proxy.refuse(conn, str(error) or f"no PROXY header within {proxy.WITHIN_S:g} s")
            end.close()
            return
        except asyncio.CancelledError:
            end.close()
            raise
        found.introduce(conn)
        if self._is_crowded(conn):
            _turn_away(end, service)
            return
        peer = conn.peer  # XCLIENT may change it later
        self._count(peer, 1)
        try:
            await self._attend_accepted(conn, end, service)
        finally:
            self._count(peer, -1)

    async def _attend_accepted(self, conn: LoopConn, end: socket.socket, service: Service) -> None:
        if await conn.adopt(end, service.implicit_tls):
            await attend(conn, service)

    def _start(self, session: Coroutine[Any, Any, None], peer: str) -> None:
        self._came = True
        self._count(peer, 1)
        task = self.pool.loop.create_task(session)
        self.tasks.add(task)
        task.add_done_callback(lambda task: self._end(task, peer))

    def _end(self, task: asyncio.Task[None], peer: str) -> None:
        self.tasks.discard(task)
        self._count(peer, -1)

    def _is_full(self, conn: LoopConn) -> bool:
        """Is a further connection one too many for this worker? Then it is logged."""
        if len(self.tasks) < self.home.control.number("maxconn"):
            return False
        log.event("busy", c=conn.id, service=conn.service, peer=conn.peer or None, limit="maxconn")
        return True

    def _is_crowded(self, conn: LoopConn) -> bool:
        """Is a further connection one too many for its address? Then it is logged."""
        most = self.home.control.number("maxperip")
        if not (conn.peer and most and self.per_peer.get(customer(conn.peer), 0) >= most):
            return False
        log.event("busy", c=conn.id, service=conn.service, peer=conn.peer, limit="maxperip")
        return True

    def _count(self, peer: str, more: int) -> None:
        peer = customer(peer)
        self.per_peer[peer] = self.per_peer.get(peer, 0) + more
        if not self.per_peer[peer]:
            del self.per_peer[peer]

    async def _finish(self) -> None:
        """Let sessions end their command and say goodbye; cut those that take longer than `stopgrace`."""
        self.pool.stop()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=self.home.control.seconds("stopgrace"))
        for task in self.tasks:
            task.cancel()
        self.pool.close()


def _turn_away(end: socket.socket, service: Service) -> None:
    """Close an accepted socket, with a word about it where that can be said in the clear."""
    with contextlib.suppress(OSError), end:
        if not service.implicit_tls:
            end.send(service.busy)
