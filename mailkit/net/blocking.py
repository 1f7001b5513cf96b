"""The driver for one connection on descriptors: inetd, systemd's Accept=yes, ssh, a hand at a terminal.

Its methods never suspend, so `straight.run` drives a session with a single `send(None)` and no event loop is imported.
The modules `_socket` and `_signal` are what `socket` and `signal` are built on; those two cost 11 ms of CPU for enums
that are not used here, as much as the bare interpreter.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import select

from mailkit import clock, counters, log
from mailkit.exits import Temp
from mailkit.net.conn import Closing, Dismissed, Gone, Stopping, Timeout
from mailkit.net.straight import run as run

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any, TypeVar

    from mailkit.net.certificates import Certificates
    from mailkit.net.conn import Fact, Tls
    from mailkit.net.watch import Watch, Watcher

    R = TypeVar("R")

_CHUNK = 65536


class BlockingConn:
    """One connection (mailkit.net.conn.Conn) on a descriptor to read and one to write."""

    def __init__(
        self,
        read_fd: int,
        write_fd: int,
        *,
        service: str,
        certificates: Certificates | None = None,
        total_s: float = 0,
        poll_s: float = 30,
        owned: bool = False,
        dismissal: int = -1,
    ) -> None:
        self.id = clock.token(3)
        self.service = service
        self.peer, self.peer_port = _address(read_fd, "getpeername")
        self.local, self.local_port = _address(read_fd, "getsockname")
        self.tls: Tls | None = None
        self.idle_s = 300.0
        self.outcome: dict[str, object] = {}
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._certificates = certificates
        self._until = clock.monotonic() + total_s if total_s else 0.0
        self._poll_s = poll_s
        self._owned = owned  # the descriptor is ours to close
        self._dismissal = dismissal  # readable when the session is to end, because somebody watches its fact; or -1
        self._out: list[bytes] = []
        self._tls: _Layer | None = None
        self._watcher: Watcher | None = None
        self._woken = False
        self._stopping = False
        self._waiting = False

    @property
    def can_starttls(self) -> bool:
        """Is there a certificate, and no TLS yet?"""
        return self._tls is None and self._certificates is not None and self._certificates.default() is not None

    async def more(self, wake: bool = False) -> bytes | None:
        if self._out:
            await self.flush()
        if wake and self._woken:
            self._woken = False
            return None
        if self._tls is not None and (plain := self._tls.decrypted()) is not None:
            return plain
        while True:
            if not self._wait(select.POLLIN, wake):
                self._woken = False
                return None
            data = self._received()
            if self._tls is None or not data:
                return data
            if (plain := self._tls.decrypted(data)) is not None:
                self._send(self._tls.encrypted())
                return plain

    async def take(self, octets: int, due: float) -> bytes:
        """At most so many octets as they came, none beyond them and nothing decrypted, b"" at the end. Timeout when
        `due` passes, Stopping."""
        self._wait(select.POLLIN, due=due)
        return self._received(octets)

    def write(self, data: bytes) -> None:
        self._out.append(data)

    async def flush(self) -> None:
        data = b"".join(self._out)
        self._out.clear()
        self._send(self._tls.encrypted(data) if self._tls is not None else data)

    async def starttls(self) -> None:
        """See Conn. What the peer sent in the clear after its command is read here and thrown away by the handshake,
        which fails on it (RFC 3207 4.2)."""
        from mailkit.net.tls import Facts

        await self.flush()
        assert self._certificates is not None
        self._handshake(_Layer(self._certificates.server()))
        assert self._tls is not None
        self.tls = Facts(self._tls.object)

    async def starttls_client(self, server_hostname: str, context: ssl.SSLContext) -> None:
        """Shake hands as the client."""
        from mailkit.net.tls import Facts

        await self.flush()
        self._handshake(_Layer(context, server_hostname))
        assert self._tls is not None
        self.tls = Facts(self._tls.object)

    async def offload(self, function: Callable[..., R], *args: Any) -> R:
        return function(*args)

    async def alongside(self, function: Callable[..., R], *args: Any) -> R:
        await self.flush()
        return function(*args)

    async def pause(self, seconds: float) -> None:
        clock.sleep(seconds)

    def watch(self, directories: list[str]) -> Watch:
        from mailkit.net.watch import Watcher

        if self._watcher is None:
            self._watcher = Watcher()
        return self._watcher.add(directories, self._wake)

    def tie(self, fact: Fact) -> None:
        from mailkit.net import ties

        if self._dismissal >= 0:
            return  # the steward watches already
        try:
            self._dismissal = ties.sentinel(fact)
        except OSError as error:
            raise Temp("too many sessions, please try again later", code="4.3.2", detail=f"fork: {error.strerror}")

    def untie(self) -> None:
        if self._dismissal >= 0:
            os.close(self._dismissal)
            self._dismissal = -1

    alone = True

    async def hand_over(self, words: dict[str, str], rest: bytes) -> None:
        """Never: this process serves nobody else already."""
        raise Temp("this is not available now", code="4.3.0", detail="a session alone was to be handed over")

    async def finish(self) -> None:
        """The same as `close`: nothing is left to wait for."""
        self.close()

    def close(self) -> None:
        """End the connection; what is queued is tried once."""
        try:
            if self._out:
                run(self.flush())
        except Closing:
            pass
        if self._watcher is not None:
            self._watcher.close()
        self.untie()
        if self._owned and self._read_fd >= 0:
            os.close(self._read_fd)
            self._read_fd = self._write_fd = -1

    def on_sigterm(self, *_: object) -> None:
        """SIGTERM: end the wait of `more` with Stopping, now or when it is next reached."""
        self._stopping = True
        if self._waiting:
            raise Stopping

    def _wake(self) -> None:
        self._woken = True

    def _wait(self, event: int, wake: bool = False, due: float = 0) -> bool:
        """Wait until the peer is readable (or writable), until `due` or for idle_s. False when a watch fired first.
        Timeout, Stopping, Dismissed."""
        counters.flush()
        due = due or clock.monotonic() + self.idle_s
        if self._until:
            due = min(due, self._until)
        poll = select.poll()
        poll.register(self._read_fd if event == select.POLLIN else self._write_fd, event)
        watcher = self._watcher if wake else None
        if watcher is not None and watcher.fd >= 0:
            poll.register(watcher.fd, select.POLLIN)
        if self._dismissal >= 0:
            poll.register(self._dismissal, select.POLLIN)
        self._waiting = True
        try:
            if self._stopping and event == select.POLLIN:
                raise Stopping
            while True:
                left = due - clock.monotonic()
                if left <= 0:
                    raise Timeout
                ready = poll.poll(1000 * (left if watcher is None else min(left, self._poll_s)))
                if self._dismissal >= 0 and (said := dict(ready).get(self._dismissal)):
                    poll.unregister(self._dismissal)
                    self.untie()
                    if said & select.POLLIN:
                        raise Dismissed
                    continue  # who watched is no more
                if watcher is not None:
                    self._watched(watcher, [fd for fd, _ in ready])
                    if self._woken:
                        return False
                    ready = [pair for pair in ready if pair[0] != watcher.fd]
                if ready:
                    return True
        finally:
            self._waiting = False

    def _watched(self, watcher: Watcher, ready: list[int]) -> None:
        if watcher.fd in ready:
            watcher.read()
        elif not ready:
            watcher.poll()

    def _received(self, most: int = _CHUNK) -> bytes:
        try:
            return os.read(self._read_fd, most)
        except OSError:
            return b""  # reset by the peer: the end as well

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._write_fd, view[:_CHUNK]) :]
            except BlockingIOError:
                self._wait(select.POLLOUT)
            except OSError:
                raise Gone

    def _handshake(self, layer: _Layer) -> None:
        import ssl

        while True:
            try:
                done = layer.shake()
            except (ssl.SSLError, ssl.CertificateError) as error:
                self._send(layer.encrypted())
                log.event("tls", c=self.id, peer=self.peer or None, error=str(error))
                raise Gone(str(error))
            self._send(layer.encrypted())
            if done:
                self._tls = layer
                return
            self._wait(select.POLLIN)
            data = self._received()
            if not data:
                log.event("tls", c=self.id, peer=self.peer or None, error="the peer left during the handshake")
                raise Gone
            layer.incoming.write(data)


class _Layer:
    """TLS over octets in memory."""

    def __init__(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        import ssl

        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self.incoming, self.outgoing, server_side=server_hostname is None, server_hostname=server_hostname
        )

    def shake(self) -> bool:
        """Is the handshake done? False: it wants more from the peer."""
        import ssl

        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def decrypted(self, data: bytes = b"") -> bytes | None:
        """What the octets so far decrypt to; None when they are not enough, b"" at the end."""
        import ssl

        if data:
            self.incoming.write(data)
        try:
            return self.object.read(_CHUNK)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLError:
            return b""  # closed, or cut off: in both cases there is no more

    def encrypted(self, data: bytes = b"") -> bytes:
        """The octets to send for `data`, and whatever the TLS layer has to say itself."""
        if data:
            self.object.write(data)
        return self.outgoing.read()


def _address(fd: int, which: str) -> tuple[str, int]:
    """("192.0.2.1", 25) of a socket's end; ("", 0) where there is none."""
    try:
        end = _socket.socket(fileno=os.dup(fd))
    except OSError:
        return "", 0
    try:
        address = getattr(end, which)()
    except OSError:
        return "", 0
    finally:
        end.close()
    return host_and_port(address)


def host_and_port(address: Any) -> tuple[str, int]:
    """The IP text and port of a socket address; ("", 0) for a Unix socket. IPv4 in IPv6 reads as IPv4."""
    if isinstance(address, tuple):
        return str(address[0]).removeprefix("::ffff:").partition("%")[0], int(address[1])
    return "", 0


def handle_sigterm(conn: BlockingConn) -> None:
    """Let SIGTERM end the session after its current command."""
    _signal.signal(_signal.SIGTERM, conn.on_sigterm)
