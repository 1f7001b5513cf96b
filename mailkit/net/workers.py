"""Worker processes that share listening sockets, and the parent that watches over them."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket

from mailkit import clock, log
from mailkit.control import Home
from mailkit.exits import OK
from mailkit.net import loop
from mailkit.net.loop import LoopConn, Pool
from mailkit.net.notify import notify
from mailkit.net.serve import Service, attend
from mailkit.net.tls import Certificates

_BACKLOG = 1024
_AGAIN_S = 1.0  # a worker that dies is started again after this long


def serve(program: str, home: Home, sockets: list[tuple[int, Service]]) -> int:
    """Serve listening sockets until SIGTERM or SIGINT."""
    count = home.control.number("workers") or len(os.sched_getaffinity(0))
    if count == 1:
        notify("READY=1")
        return _worker(home, sockets)
    import uvloop  # noqa: F401  # before the fork, so that the workers share it

    gc.collect()
    gc.freeze()  # what is here now is shared; keep the collector's marks off these pages
    return _Parent(program, home, sockets, count).run()


class _Parent:
    """Keeps `count` workers alive."""

    def __init__(self, program: str, home: Home, sockets: list[tuple[int, Service]], count: int) -> None:
        self.program = program
        self.home = home
        self.sockets = sockets
        self.count = count
        self.children: dict[int, float] = {}
        self.stopping = False

    def run(self) -> int:
        wanted = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
        for _ in range(self.count):
            self._start()
        notify("READY=1")
        while self.children or not self.stopping:
            got = signal.sigtimedwait(wanted, _AGAIN_S)
            if got is not None and got.si_signo in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            self._reap()
            self._fill()
        return OK

    def _start(self) -> None:
        child = os.fork()
        if child:
            self.children[child] = clock.monotonic()
            return
        status = 1
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            status = _worker(self.home, self.sockets)
        except BaseException as error:
            log.trace("broken", error, program=self.program)
        finally:
            os._exit(status)

    def _stop(self) -> None:
        self.stopping = True
        notify("STOPPING=1")
        for child in self.children:
            os.kill(child, signal.SIGTERM)

    def _reap(self) -> None:
        while self.children:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            self.children.pop(child, None)
            if not self.stopping:
                log.event("worker", program=self.program, pid=child, died=os.waitstatus_to_exitcode(status))

    def _fill(self) -> None:
        """Start the missing workers, none sooner than a while after the last one that was started."""
        if self.stopping or len(self.children) >= self.count:
            return
        if clock.monotonic() - max(self.children.values(), default=0.0) >= _AGAIN_S:
            self._start()


def _worker(home: Home, sockets: list[tuple[int, Service]]) -> int:
    return loop.run(lambda: _Worker(home).serve(sockets))


class _Worker:
    """One process's share of the connections, with its limits."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.pool = Pool(Certificates(home), home.control.seconds("pollseconds"))
        self.tasks: set[asyncio.Task[None]] = set()
        self.per_peer: dict[str, int] = {}

    async def serve(self, sockets: list[tuple[int, Service]]) -> int:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.pool.loop.add_signal_handler(number, stop.set)
        servers = [await self._listen(socket.socket(fileno=fd), service) for fd, service in sockets]
        await stop.wait()
        for server in servers:
            server.close()
        await self._finish()
        return OK

    async def _listen(self, sock: socket.socket, service: Service) -> asyncio.AbstractServer:
        def accepted() -> LoopConn:
            return LoopConn(self.pool, service.name, lambda conn: self._begin(conn, service), service.total_s)

        sock.setblocking(False)
        if sock.family == socket.AF_UNIX:
            return await self.pool.loop.create_unix_server(accepted, sock=sock, backlog=_BACKLOG)
        return await self.pool.loop.create_server(accepted, sock=sock, backlog=_BACKLOG)

    def _begin(self, conn: LoopConn, service: Service) -> None:
        why = self._refusal(conn)
        if why is not None:
            log.event("busy", c=conn.id, service=service.name, peer=conn.peer or None, limit=why)
            if not service.implicit_tls:
                conn.write(service.busy)
            conn.close()
            return
        self.per_peer[conn.peer] = self.per_peer.get(conn.peer, 0) + 1
        task = self.pool.loop.create_task(attend(conn, service))
        self.tasks.add(task)
        task.add_done_callback(lambda task: self._end(task, conn.peer))

    def _refusal(self, conn: LoopConn) -> str | None:
        if len(self.tasks) >= self.home.control.number("maxconn"):
            return "maxconn"
        most = self.home.control.number("maxperip")
        if conn.peer and most and self.per_peer.get(conn.peer, 0) >= most:
            return "maxperip"
        return None

    def _end(self, task: asyncio.Task[None], peer: str) -> None:
        self.tasks.discard(task)
        left = self.per_peer[peer] - 1
        if left:
            self.per_peer[peer] = left
        else:
            del self.per_peer[peer]

    async def _finish(self) -> None:
        """Let sessions end their command and say goodbye; cut those that take longer than `stopgrace`."""
        self.pool.stop()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=self.home.control.seconds("stopgrace"))
        for task in self.tasks:
            task.cancel()
        self.pool.close()
