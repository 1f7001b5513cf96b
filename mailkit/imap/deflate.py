"""A connection whose octets are deflated both ways (COMPRESS, RFC 4978).

`Deflated` stands in front of the connection until UNAUTHENTICATE, or for the rest of the session. What is queued goes
through the compressor at once and is brought to a point where the client can read all of it whenever it is sent. What
comes in is inflated in pieces of bounded size, whatever it would expand to; the engine's limits do the rest.
"""

from __future__ import annotations

import zlib

from mailkit.exits import Temp
from mailkit.net.conn import Gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from mailkit.net.conn import Conn, Fact, Tls, Watch

    R = TypeVar("R")

WINDOW_BITS = -15
"""Raw deflate. The peer's window is what RFC 1951 allows; ours is smaller, for 64 KiB a session instead of 256."""
OUR_WINDOW_BITS, OUR_MEMORY_LEVEL = -13, 6
PIECE_OCTETS = 1 << 16


class Deflated:
    """mailkit.net.conn.Conn over another one."""

    __slots__ = (
        "_conn", "_deflater", "_inflater", "_pending", "_rest", "can_starttls", "id", "local", "local_port", "outcome",
        "peer", "peer_port", "service", "tls",
    )  # fmt: skip

    def __init__(self, conn: Conn) -> None:
        self._conn = conn
        self._deflater = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, OUR_WINDOW_BITS, OUR_MEMORY_LEVEL)
        self._inflater = zlib.decompressobj(WINDOW_BITS)
        self._pending = False  # something was written since the last flush
        self._rest: bytes | None = None  # input that waits, b"" when only output does
        self.id, self.service, self.outcome = conn.id, conn.service, conn.outcome
        self.peer, self.peer_port = conn.peer, conn.peer_port
        self.local, self.local_port = conn.local, conn.local_port
        self.tls: Tls | None = conn.tls
        self.can_starttls = False

    @property
    def idle_s(self) -> float:
        """See Conn."""
        return self._conn.idle_s

    @idle_s.setter
    def idle_s(self, seconds: float) -> None:
        self._conn.idle_s = seconds

    async def more(self, wake: bool = False) -> bytes | None:
        """Inflated octets, at most PIECE_OCTETS. Gone: what came is no deflated stream."""
        while True:
            if self._rest is None:
                if self._inflater.eof:
                    return b""
                octets = await self._conn.more(wake)
                if not octets:
                    return octets
            else:
                # A thousandfold of what came may be in it: others have their turn in between.
                await self._conn.pause(0)
                octets = self._rest
            data = self._inflated(octets)
            if data:
                return data

    def _inflated(self, octets: bytes) -> bytes:
        try:
            data = self._inflater.decompress(octets, PIECE_OCTETS)
        except zlib.error:
            raise Gone
        # A full piece may leave output behind even when all input was taken.
        rest = self._inflater.unconsumed_tail
        self._rest = rest if rest or len(data) == PIECE_OCTETS else None
        return data

    def write(self, data: bytes) -> None:
        """Queue octets."""
        self._pending = True
        self._conn.write(self._deflater.compress(data))

    async def flush(self) -> None:
        """Send everything that was written, whole to its last octet."""
        self._end_block()
        await self._conn.flush()

    def _end_block(self) -> None:
        if self._pending:
            self._pending = False
            self._conn.write(self._deflater.flush(zlib.Z_SYNC_FLUSH))

    async def end(self) -> tuple[Conn, bytes]:
        """The connection without us, and what came on it behind the end of the client's deflated stream."""
        self._conn.write(self._deflater.flush(zlib.Z_FINISH))
        await self._conn.flush()
        return self._conn, self._inflater.unused_data

    async def starttls(self) -> None:
        """Never: TLS comes first (RFC 4978 section 3)."""
        raise Gone

    async def offload(self, function: Callable[..., R], *args: Any) -> R:
        """See Conn."""
        return await self._conn.offload(function, *args)

    async def alongside(self, function: Callable[..., R], *args: Any) -> R:
        """See Conn."""
        self._end_block()
        return await self._conn.alongside(function, *args)

    async def pause(self, seconds: float) -> None:
        """See Conn."""
        await self._conn.pause(seconds)

    def watch(self, directories: list[str]) -> Watch:
        """See Conn."""
        return self._conn.watch(directories)

    def tie(self, fact: Fact) -> None:
        """See Conn."""
        self._conn.tie(fact)

    def untie(self) -> None:
        """See Conn."""
        self._conn.untie()

    @property
    def alone(self) -> bool:
        """See Conn."""
        return self._conn.alone

    async def hand_over(self, words: dict[str, str], rest: bytes) -> None:
        """Never: nobody logs in on it, and what the client's inflater remembers cannot go along."""
        raise Temp("Log in on a new connection", code="4.3.0", detail="a deflated session was to be handed over")
