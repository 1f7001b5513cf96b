"""A worker process: its share of the connections that come to the listening sockets, and its limits."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any

from mailkit import log
from mailkit.control import Home
from mailkit.control.networks import customer
from mailkit.exits import OK, Perm
from mailkit.net import loop, proxy
from mailkit.net.blocking import host_and_port
from mailkit.net.certificates import Certificates
from mailkit.net.loop import Pool
from mailkit.net.loopconn import LoopConn
from mailkit.net.notify import alive
from mailkit.net.serve import Service, attend
from mailkit.net.syncer import End

BEAT = struct.Struct("=I?")  # number of the process, whether it has had sessions since the last one
_BACKLOG = 1024
_ACCEPT_S = 1.0  # where accept(2) fails, it is tried again after this long
_M_MMAP_THRESHOLD = -3  # malloc.h


class Heart:
    """What a worker tells its parent from time to time: that it lives, and whether it has had sessions since."""

    __slots__ = ("_pid", "_pipe", "worker")

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._pid = os.getpid()
        self.worker: Worker | None = None

    def __call__(self) -> None:
        with contextlib.suppress(OSError):  # the pipe is full, or the parent has just died
            os.write(self._pipe, BEAT.pack(self._pid, self.worker is not None and self.worker.was_busy()))


def _thrifty_malloc() -> None:
    """Keep glibc from raising its limit for memory of its own pages (mallopt(3)). uvloop sets aside 256 KiB for each
    TLS connection and touches little of it; from the heap it would be pages that somebody has written before.
    Measured: 189 KiB per idle TLS session of IMAP without, 37 with this."""
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 128 * 1024)
    except (OSError, AttributeError):
        pass  # another C library: more memory, nothing else


def work(
    home: Home,
    sockets: list[tuple[int, Service]],
    end: End | None,
    parent: int | None = None,
    heart: Heart | None = None,
) -> int:
    """Be a worker until it is told to end: the exit status. end: leads to the process that syncs. parent: a pipe that
    ends with the parent; heart: tells it that we live (None: there is no parent)."""
    _thrifty_malloc()

    async def serve() -> int:
        worker = Worker(home)
        if heart is not None:
            heart.worker = worker
        return await worker.serve(sockets, parent)

    return loop.run(serve, heart or alive, end)


class Worker:
    """One process's share of the connections, with its limits."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.pool = Pool(Certificates(home), home.control.seconds("pollseconds"))
        self.tasks: set[asyncio.Task[None]] = set()
        self.per_peer: dict[str, int] = {}  # sessions, by customer
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

        def begin(conn: LoopConn) -> None:
            self._begin(conn, service)

        def accepted() -> LoopConn:
            return LoopConn(self.pool, service.name, begin, service.total_s)

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
        who = customer(conn.peer)
        if not self._is_full(conn) and not self._is_crowded(conn, who):
            self._start(attend(conn, service), who)
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
            self.pool.loop.call_later(_ACCEPT_S, lambda: self._accept_again(sock, service))
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
        who = "" if front else customer(conn.peer)
        if self._is_full(conn) or self._is_crowded(conn, who):
            _turn_away(end, service)
        elif front:
            self._start(self._attend_front(conn, end, service), who)
        else:
            self._start(self._attend_accepted(conn, end, service), who)

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
        who = customer(conn.peer)
        if self._is_crowded(conn, who):
            _turn_away(end, service)
            return
        self._count(who, 1)
        try:
            await self._attend_accepted(conn, end, service)
        finally:
            self._count(who, -1)

    async def _attend_accepted(self, conn: LoopConn, end: socket.socket, service: Service) -> None:
        if await conn.adopt(end, service.implicit_tls):
            await attend(conn, service)

    def _start(self, session: Coroutine[Any, Any, None], who: str) -> None:
        self._came = True
        self._count(who, 1)
        task = self.pool.loop.create_task(session)
        self.tasks.add(task)
        task.add_done_callback(lambda task: self._end(task, who))

    def _end(self, task: asyncio.Task[None], who: str) -> None:
        self.tasks.discard(task)
        self._count(who, -1)

    def _is_full(self, conn: LoopConn) -> bool:
        """Is a further connection one too many for this worker? Then it is logged."""
        if len(self.tasks) < self.home.control.number("maxconn"):
            return False
        log.event("busy", c=conn.id, service=conn.service, peer=conn.peer or None, limit="maxconn")
        return True

    def _is_crowded(self, conn: LoopConn, who: str) -> bool:
        """Is a further connection one too many for this customer? Then it is logged."""
        most = self.home.control.number("maxperip")
        if not (who and most and self.per_peer.get(who, 0) >= most):
            return False
        log.event("busy", c=conn.id, service=conn.service, peer=conn.peer, limit="maxperip")
        return True

    def _count(self, who: str, more: int) -> None:
        count = self.per_peer.get(who, 0) + more
        if count:
            self.per_peer[who] = count
        else:
            del self.per_peer[who]

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
