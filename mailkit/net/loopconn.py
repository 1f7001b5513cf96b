"""One connection under the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar, cast

from mailkit import clock, log
from mailkit.exits import Temp, Trouble
from mailkit.net import errand, relay, steward
from mailkit.net.blocking import host_and_port
from mailkit.net.conn import Closing, Dismissed, Elsewhere, Gone, Stopping, Timeout
from mailkit.net.tls import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.net.conn import Fact
    from mailkit.net.loop import Pool
    from mailkit.net.watch import Watch

R = TypeVar("R")

SWEEP_S = 1.0  # how often limits of time are looked at
_HANDSHAKE_S = 30.0
_SHUTDOWN_S = 3.0  # for the peer's close_notify; what we had to say has been sent before
_LINGER_S = 30.0
_HAND_OVER_S = 10.0
_UNSENT_MOST = 256 * 1024  # octets that wait for the peer: then the session does; till then it makes the next ones
_JOINED_MOST = 64 * 1024  # more than that goes as it is: to copy it costs more than many pieces do
_UNREAD_MOST = 256 * 1024  # octets a peer may have sent that the session has not taken: then we stop reading


class LoopConn(asyncio.Protocol):
    """One connection (mailkit.net.conn.Conn) of a pool."""

    __slots__ = (
        "_dismissed",
        "_end",
        "_fact",
        "_full",
        "_loop",
        "_lost",
        "_out",
        "_pool",
        "_reading",
        "_transport",
        "_unread",
        "_unread_octets",
        "_waiter",
        "_woken",
        "due",
        "id",
        "idle_s",
        "local",
        "local_port",
        "outcome",
        "peer",
        "peer_port",
        "ready",
        "service",
        "tls",
    )

    def __init__(self, pool: Pool, service: str, ready: Callable[[LoopConn], None] | None, total_s: float = 0) -> None:
        self._pool = pool
        self._loop = pool.loop
        self.service = service
        self.ready = ready
        self.id = clock.token(3)
        self.peer = self.local = ""
        self.peer_port = self.local_port = 0
        self.tls: Facts | None = None
        self.idle_s = 300.0
        self.outcome: dict[str, object] = {}
        self.due = 0.0  # when the present wait is to end, or the last one was
        self._end = clock.monotonic() + total_s if total_s else 0.0
        self._transport: asyncio.Transport | None = None
        self._unread: list[bytes] = []
        self._unread_octets = 0
        self._out: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._woken = False
        self._fact: Fact | None = None
        self._dismissed = False
        self._lost = False
        self._full = False  # the peer reads more slowly than we write
        self._reading = True

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._transport.set_write_buffer_limits(_UNSENT_MOST)
        if not self.peer:  # not known from accept(2) or a front end
            address = transport.get_extra_info("peername")
            if address is None:  # reset before we looked: a session would take it for a pipe, which is trusted
                self._transport.abort()
                return
            self.peer, self.peer_port = host_and_port(address)
        if not self.local:
            self.local, self.local_port = host_and_port(transport.get_extra_info("sockname"))
        if (tls := transport.get_extra_info("ssl_object")) is not None:
            self.tls = Facts(tls)
        self._pool.conns.add(self)
        if self.ready is not None:
            self.ready(self)

    def data_received(self, data: bytes) -> None:
        self._unread.append(data)
        self._unread_octets += len(data)
        if len(self._unread) > 1 and self._unread_octets > _UNREAD_MOST:
            self._reading = False
            assert self._transport is not None
            self._transport.pause_reading()
        self._resume()

    def eof_received(self) -> bool:
        self._lost = True
        self._resume()
        return self.tls is None  # keep our direction open for the answers to what came before

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None and self.tls is None and self._transport is not None:
            self._hear_last_words(self._transport.get_extra_info("socket").fileno())
        self._lost = True
        self._transport = None
        self._pool.conns.discard(self)
        self.untie()
        self._resume()

    def _hear_last_words(self, fd: int) -> None:
        """Take what the peer said before it hung up hard: the kernel still has it, and the event loop, whose write
        failed, does not look. Under TLS nobody can read it any more."""
        with contextlib.suppress(OSError):
            while self._unread_octets < _UNREAD_MOST and (data := os.read(fd, _UNREAD_MOST)):
                self._unread.append(data)
                self._unread_octets += len(data)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._resume()

    # What the session calls.

    @property
    def can_starttls(self) -> bool:
        """Is there a certificate, and no TLS yet?"""
        certificates = self._pool.certificates
        return self.tls is None and certificates is not None and certificates.default() is not None

    async def more(self, wake: bool = False) -> bytes | None:
        if self._out:
            self._send()
            if self._full:
                await self.flush()
        if self._dismissed:
            raise Dismissed
        while not self._unread:
            if self._lost:
                return b""
            if self._woken and wake:
                self._woken = False
                return None
            if self._pool.stopping:
                raise Stopping
            if not self._reading:
                self._read_on()
            await self._wait(self.idle_s)
        unread = self._unread
        data = unread[0] if len(unread) == 1 else b"".join(unread)
        self._unread = []
        self._unread_octets = 0
        if not self._reading:
            self._read_on()
        return data

    def write(self, data: bytes) -> None:
        self._out.append(data)

    async def flush(self) -> None:
        self._send()
        while self._full:
            await self._wait(self.idle_s)
            if self._transport is None:
                raise Gone

    def _send(self) -> None:
        if self._transport is None or self._transport.is_closing():
            self._out = []  # it reaches nobody; what the peer said before it went can still be had
            raise Gone
        if self._out:
            out, self._out = self._out, []
            if len(out) == 1:
                self._transport.write(out[0])
            elif sum(map(len, out)) > _JOINED_MOST:
                self._transport.writelines(out)
            else:
                self._transport.write(b"".join(out))

    async def starttls(self) -> None:
        assert self._pool.certificates is not None
        await self._handshake(self._pool.certificates.server(), None)

    async def adopt(self, end: socket.socket, implicit_tls: bool) -> bool:
        """Take over an accepted socket whose addresses may be set already, with a handshake as the server where
        its connections begin with TLS (RFC 8314 3). False, with a line in the log, when nothing comes of it."""
        assert self._pool.certificates is not None
        try:
            if implicit_tls:
                await self._loop.connect_accepted_socket(
                    lambda: self,
                    end,
                    ssl=self._pool.certificates.server(),
                    ssl_handshake_timeout=_HANDSHAKE_S,
                    ssl_shutdown_timeout=_SHUTDOWN_S,
                )
            else:
                await self._loop.connect_accepted_socket(lambda: self, end)
        except (OSError, Trouble) as error:
            log.event("tls", c=self.id, peer=self.peer or None, error=str(error) or type(error).__name__)
            end.close()
            return False
        return True

    async def starttls_client(self, server_hostname: str, context: ssl.SSLContext) -> None:
        """Shake hands as the client."""
        await self._handshake(context, server_hostname)

    async def offload(self, function: Callable[..., R], *args: Any) -> R:
        return await self._loop.run_in_executor(None, functools.partial(function, *args))

    async def alongside(self, function: Callable[..., R], *args: Any) -> R:
        work = self._loop.run_in_executor(None, functools.partial(function, *args))
        try:
            await self.flush()
        except BaseException:
            await asyncio.gather(work, return_exceptions=True)  # it uses what the session gives up at its end
            raise
        return await work

    async def pause(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)  # others have their turn
        until = clock.monotonic() + seconds
        while (left := until - clock.monotonic()) > 0:
            if self._pool.stopping:
                raise Stopping
            if self._dismissed:
                raise Dismissed
            if self._lost:
                return
            waker = self._loop.call_later(left, self._resume)
            try:
                await self._wait(left + 2 * SWEEP_S)
            finally:
                waker.cancel()

    def watch(self, directories: list[str]) -> Watch:
        return self._pool.watch(directories, self._wake)

    def tie(self, fact: Fact) -> None:
        self.untie()
        if self._transport is not None:
            self._fact = fact
            self._pool.ties.tie(fact, self._dismiss)

    def untie(self) -> None:
        if self._fact is not None:
            self._pool.ties.untie(self._fact)
            self._fact = None

    @property
    def alone(self) -> bool:
        return False

    async def hand_over(self, words: dict[str, str], rest: bytes) -> None:
        if errand.line < 0:
            raise Temp("this is not available now", code="4.3.0", detail="there is no steward to hand a session to")
        await self.flush()
        over = self._loop.create_future()
        channel = relay.Channel(lambda _: over.set_result(None))
        channel.other = client = relay.End(self.connection_lost, closes_whole=self.tls is not None)
        client.transport = self._transport
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                errand.send({"errand": "session", **steward.facts(self), **words}, theirs.fileno())
        except Temp:
            ours.close()
            raise
        ours.setblocking(False)
        await self._loop.connect_accepted_socket(lambda: channel, ours)
        await asyncio.wait((channel.begun,), timeout=_HAND_OVER_S)
        if not channel.begun.done() or not channel.begun.result():
            channel.other = None
            channel.close()
            raise Temp("too many sessions, please try again later", code="4.3.2", detail="the steward gives no process")
        self._join(client, channel, rest)
        await over
        raise Elsewhere

    def _join(self, client: relay.End, channel: relay.End, rest: bytes) -> None:
        """From now on what the peer sends goes to the other process, after what has come already."""
        channel.write(rest + b"".join(self._unread))
        self._unread = []
        if self._transport is None:
            channel.close()
            return
        self._transport.set_protocol(client)
        client.other = channel
        if self._lost:
            channel.end()
        if not self._reading:
            self._read_on()

    def _dismiss(self) -> None:
        self._dismissed = True
        self.interrupt(Dismissed())

    def interrupt(self, why: Closing) -> None:
        """End the present wait with `why`."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(why)

    def abort(self) -> None:
        """Cut the connection without another word."""
        if self._transport is not None:
            self._transport.abort()

    async def finish(self) -> None:
        """Close, and wait until the peer has what is queued or has had its time for it."""
        self.close()
        if self.tls is None and self._transport is not None and not self._transport.get_write_buffer_size():
            return  # the kernel has all of it
        try:
            while self._transport is not None:
                await self._wait(_LINGER_S)
        except Closing:
            self.abort()

    def close(self) -> None:
        """End the connection after what is queued."""
        if self._transport is not None:
            if self._out and not self._transport.is_closing():
                self._transport.write(b"".join(self._out))
            self._out = []
            self._transport.close()

    # Waiting.

    def _wake(self) -> None:
        self._woken = True
        self._resume()

    def _resume(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _wait(self, seconds: float) -> asyncio.Future[None]:
        """To be awaited: something happens to this connection. Timeout, Stopping, Dismissed."""
        self.due = clock.monotonic() + seconds
        if self._end and self._end < self.due:
            self.due = self._end
        self._waiter = waiter = self._loop.create_future()
        if seconds < SWEEP_S:
            # The sweep is too coarse for a wait this short (smtpd looks whether a client talks before the greeting).
            timer = self._loop.call_later(seconds, self.interrupt, Timeout())
            waiter.add_done_callback(lambda _: timer.cancel())
        return waiter

    def _read_on(self) -> None:
        self._reading = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    async def _handshake(self, context: ssl.SSLContext, server_hostname: str | None) -> None:
        if self._transport is None:
            raise Gone
        # Reading stops before the go-ahead is sent: whatever is here by now came in the clear and is forgotten, and
        # what comes after belongs to the handshake, which fails on anything else (RFC 3207 4.2).
        self._transport.pause_reading()
        self._unread = []
        self._unread_octets = 0
        await self.flush()
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                context,
                server_side=server_hostname is None,
                server_hostname=server_hostname,
                ssl_handshake_timeout=_HANDSHAKE_S,
                ssl_shutdown_timeout=_SHUTDOWN_S,
            )
        except (OSError, ssl.CertificateError) as error:
            log.event("tls", c=self.id, peer=self.peer or None, error=str(error) or type(error).__name__)
            self._lost = True
            raise Gone(str(error))
        if transport is None:
            raise Gone
        self._transport = transport
        self._reading = True
        self.tls = Facts(transport.get_extra_info("ssl_object"))
