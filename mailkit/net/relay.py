"""Octets passed on between a client and the process that serves it.

The worker keeps the client's connection, with its TLS; what is decrypted goes to the other process as it comes, and
back. Whichever side reads slowly makes the other one wait: neither is read faster than the other takes it, beyond the
buffers of the event loop (64 KiB) and the kernel's. When either ends, so does the other, after what is on its way.
"""

from __future__ import annotations

import asyncio
from typing import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class End(asyncio.Protocol):
    """One of two ends. `lost` is called when it is no longer there."""

    __slots__ = ("_closes_whole", "_lost", "other", "transport")

    def __init__(self, lost: Callable[[Exception | None], None], closes_whole: bool = False) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None
        self._lost = lost
        self._closes_whole = closes_whole  # nothing can be said after the peer's end, as in TLS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.write(data)

    def eof_received(self) -> bool:
        if self.other is not None:
            self.other.end()
        return not self._closes_whole

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.other is not None:
            self.other.close()
        self._lost(error)

    def write(self, data: bytes) -> None:
        """Pass octets on."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def end(self) -> None:
        """Nothing more will come."""
        if self.transport is not None and not self.transport.is_closing():
            if self.transport.can_write_eof():
                self.transport.write_eof()
            else:
                self.transport.close()

    def close(self) -> None:
        """End it, after what is queued."""
        if self.transport is not None:
            self.transport.close()


class Channel(End):
    """The end towards the other process. `begun` is done with True when that has said that it serves, with False when
    it is gone before."""

    __slots__ = ("begun",)

    def __init__(self, lost: Callable[[Exception | None], None]) -> None:
        super().__init__(lost, closes_whole=True)  # it closes when the session is over
        self.begun: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if not self.begun.done():
            self.begun.set_result(True)
            data = data[1:]  # the octet that says so
        if data:
            super().data_received(data)

    def eof_received(self) -> bool:
        self._refused()
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._refused()
        super().connection_lost(error)

    def _refused(self) -> None:
        """If nobody has begun by now, the session goes on where it was."""
        if not self.begun.done():
            self.other = None
            self.begun.set_result(False)
