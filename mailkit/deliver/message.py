"""The message being delivered: its header in memory, the rest in a descriptor."""

from __future__ import annotations

import os

from mailkit.mail import header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 256 << 10
_HEADER_MOST = 1 << 20  # octets of header looked at: loops and rules need no more


class Message:
    """Octets `offset` to the end of the file `fd`, lines ending in LF. head: the first of them, if already read.

    q: the queue entry it came from, for the log; "" when it came another way.
    """

    __slots__ = ("_header", "fd", "head", "offset", "q", "size")

    def __init__(self, fd: int, offset: int, size: int, head: bytes = b"", q: str = "") -> None:
        self.fd = fd
        self.offset = offset
        self.size = size
        self.head = head
        self.q = q
        self._header: bytes | None = None

    @property
    def whole(self) -> bool:
        """Is all of it in `head`?"""
        return len(self.head) == self.size

    @property
    def header(self) -> bytes:
        """The header fields, without the empty line."""
        if self._header is None:
            if len(self.head) < min(self.size, _HEADER_MOST) and b"\n\n" not in self.head:
                self.head = os.pread(self.fd, _HEADER_MOST, self.offset)
            self._header = header.split(self.head)[0]
        return self._header

    def chunks(self) -> Iterator[bytes]:
        """All octets, in pieces. OSError; EOFError when the file became shorter."""
        if self.head:
            yield self.head
        at = len(self.head)
        while at < self.size:
            data = os.pread(self.fd, min(_CHUNK, self.size - at), self.offset + at)
            if not data:
                raise EOFError("the message became shorter while it was read")
            at += len(data)
            yield data
