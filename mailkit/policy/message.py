"""The message while checks look at it: in memory while it is small, else in a file without a name."""

from __future__ import annotations

import os

from mailkit import clock, files
from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.control import Home

_MEMORY_MOST = 128 << 10
_PIECE_OCTETS = 64 << 10


class Held:
    """Octets written once and read several times.

    The file lies in run/ and is unlinked as soon as it is open: a crash leaves nothing. Temp when the disk
    refuses it. A check may put another header in the place of the one that came.
    """

    __slots__ = ("_fd", "_header", "_home", "_parts", "size")

    def __init__(self, home: Home) -> None:
        self._home = home
        self._parts: list[bytes] = []
        self._fd = -1
        self._header: tuple[int, bytes] | None = None  # octets of the old one, the new one
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add octets."""
        self.size += len(data)
        self._parts.append(data)
        if self._fd < 0 and self.size <= _MEMORY_MOST:
            return
        try:
            if self._fd < 0:
                self._fd = self._anonymous()
            files.write(self._fd, b"".join(self._parts))
        except OSError as error:
            text, code = ("no room for the message", "4.3.1") if files.full(error) else ("an error of ours", "4.3.0")
            raise Temp(text, code=code, detail=f"run: {error.strerror}")
        self._parts.clear()

    def _anonymous(self) -> int:
        path = os.path.join(self._home.run, f"held-{clock.token(8)}")
        os.close(files.create(path))
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        files.unlink(path)
        return fd

    def pieces(self) -> Iterator[bytes]:
        """Everything, in pieces of bounded size: the header as it is now, the empty line, the body."""
        skip = 0
        if self._header is not None:
            skip, block = self._header
            yield block
        for piece in self._stored():
            if skip < len(piece):
                yield piece[skip:] if skip else piece
            skip = max(0, skip - len(piece))

    def body(self) -> Iterator[bytes]:
        """What follows the empty line, in pieces of bounded size."""
        skip = len(self.header) + 1
        for piece in self.pieces():
            if skip < len(piece):
                yield piece[skip:]
            skip = max(0, skip - len(piece))

    def _stored(self) -> Iterator[bytes]:
        at = 0
        while self._fd >= 0 and (piece := os.pread(self._fd, _PIECE_OCTETS, at)):
            at += len(piece)
            yield piece
        yield from self._parts

    @property
    def header(self) -> bytes:
        """The header block without the empty line; LF line ends."""
        if self._header is not None:
            return self._header[1]
        head = b""
        for piece in self._stored():
            head += piece
            if head.startswith(b"\n"):
                return b""
            end = head.find(b"\n\n")
            if end >= 0:
                return head[: end + 1]
        return head

    def replace_header(self, block: bytes) -> None:
        """Put another header block in the place of the present one; whole lines, LF line ends."""
        before = self._header[0] if self._header is not None else len(self.header)
        self._header = (before, block)

    def close(self) -> None:
        """Forget it."""
        self._parts.clear()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
