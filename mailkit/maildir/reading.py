"""A message's file, read as far as somebody wants it."""

from __future__ import annotations

import os
import stat

from mailkit.mail import header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from mailkit.maildir.folder import Folder

_HEAD_OCTETS = 4096  # most headers are in there


class Reading:
    """`with Reading(fd, size) as message`: a file, read as far as somebody wants it, and closed. OSError, which may be
    given in the place of a descriptor.

    received: seconds since 1970. size: octets with CRLF line ends, 0 while not known; who counts them may say so.
    """

    __slots__ = ("_data", "_fd", "_octets", "_start", "received", "size")

    def __init__(self, fd: int | OSError, size: int = 0) -> None:
        if isinstance(fd, OSError):
            raise fd
        self._fd = fd
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise OSError(0, "not a regular file")
        self._octets = status.st_size
        self._start = b""
        self._data: bytes | None = None
        self.received = int(status.st_mtime)
        self.size = size

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)
        if self._data is not None and not self.size:
            self.size = wire_size(self._data)

    @property
    def data(self) -> bytes:
        """All of it, as it is on disk."""
        if self._data is None:
            data = self._start
            while len(data) < self._octets and (more := os.read(self._fd, self._octets - len(data))):
                data += more
            self._data = data
            self.size = 0  # may be what a file's name says
        return self._data

    @property
    def head(self) -> bytes:
        """The header with the empty line, and some of what follows."""
        if not self._start and self._data is None:
            self._start = os.read(self._fd, _HEAD_OCTETS)
        if self._data is None and header.body_start(self._start) < len(self._start):
            return self._start
        return self.data


def content(folder: Folder, uid: int) -> tuple[bytes, int]:
    """The octets of a message and when it was received. OSError: gone, or not readable."""
    with Reading(folder.open_file(uid)) as message:
        return message.data, message.received


def wire_size(data: bytes) -> int:
    """Octets when every line end is CRLF."""
    return len(data) + data.count(b"\n") - (data.count(b"\r\n") if b"\r" in data else 0)
