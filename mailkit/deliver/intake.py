"""A message from a pipe, as programs hand mail to a local delivery agent.

Taken off: a "From " line in front (Postfix's mailbox_command, procmail and mbox readers put one there), and carriage
returns when the first line ends in CRLF. Small messages stay in memory; large ones go to an unnamed file in $TMPDIR.
"""

from __future__ import annotations

import os

from mailkit.deliver.message import Message
from mailkit.exits import Perm
from mailkit.mail import header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_CHUNK = 256 << 10
_MEMORY_MOST = 4 << 20  # octets
_DOT_LONGEST = len(b"\n.\r\n")


class Received:
    """`with Received(0) as received`: .message, and .sender as its From or Return-Path line has it ("" when neither).

    dots_end: a line with a single dot ends the message, as people at a terminal do it (sendmail without -i).
    marked: whoever hands it over has just written Delivered-To on top (OpenSMTPD always, Postfix's pipe with flags=D);
    that line is not taken for a trace of an earlier delivery: it is removed, the delivery writes its own.
    Perm 5.6.0 when there is no message at all; OSError.
    """

    __slots__ = ("_crlf", "_dots_end", "_ended", "_fd", "_held", "_marked", "_size", "_tail", "message", "sender")

    def __init__(self, fd: int, dots_end: bool = False, marked: bool = False) -> None:
        self._dots_end = dots_end
        self._marked = marked
        self._ended = False
        self._tail = b"\n"  # the last octet given out, and those kept back because a dot may be among them
        self._fd = -1
        self._held = bytearray()
        self._size = 0
        self._crlf = False
        self.sender = ""
        try:
            self._read(fd)
            self.message = Message(self._fd, 0, self._size, bytes(self._held) if self._fd < 0 else b"")
            self._sender_of_header()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Forget it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Received:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _read(self, fd: int) -> None:
        data = self._first(fd)
        if not data:
            raise Perm("there is no message on standard input", code="5.6.0")
        carry = b""
        while data:
            data = carry + data
            carry = b""
            if self._crlf:
                if data.endswith(b"\r"):
                    data, carry = data[:-1], b"\r"
                data = data.replace(b"\r\n", b"\n")
            self._keep(data)
            data = self._more(fd)
        self._keep(carry)

    def _more(self, fd: int) -> bytes:
        """The next octets; none after the end, or after the dot that ends the message."""
        if not self._dots_end:
            return os.read(fd, _CHUNK)
        while not self._ended:
            data = os.read(fd, _CHUNK)
            seen = self._tail + data
            at = _dot(seen, final=not data)
            self._ended = at >= 0 or not data
            keep = len(seen) if self._ended else max(len(seen) - _DOT_LONGEST, 1)
            self._tail = seen[keep - 1 :]
            # The first octet was given out before.
            if out := seen[1 : at + 1 if at >= 0 else keep]:
                return out
        return b""

    def _first(self, fd: int) -> bytes:
        """The first octets, with the first line whole and without a From line."""
        data = b""
        while b"\n" not in data and len(data) < _CHUNK:
            more = self._more(fd)
            if not more:
                break
            data += more
        line, _, rest = data.partition(b"\n")
        self._crlf = line.endswith(b"\r")
        if line.startswith(b"From "):
            self.sender = line.split()[1].decode("utf-8", "surrogateescape") if len(line.split()) > 1 else ""
            self.sender = "" if self.sender in ("MAILER-DAEMON", "<>") else self.sender
            data = rest or self._more(fd)
        return self._without_mark(fd, data) if self._marked else data

    def _without_mark(self, fd: int, data: bytes) -> bytes:
        """`data`, and as much more as it takes to see the header, without what the caller wrote on top."""
        while b"\n\n" not in data and b"\n\r\n" not in data and len(data) < _CHUNK:
            more = self._more(fd)
            if not more:
                break
            data += more
        block = header.split(data)[0]
        return header.unmarked(block) + data[len(block) :]

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        self._held += data
        if self._fd < 0 and self._size > _MEMORY_MOST:
            place = os.environ.get("TMPDIR", "/tmp")
            self._fd = os.open(place, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        if self._fd >= 0:
            done = 0
            while done < len(self._held):
                done += os.write(self._fd, self._held[done:])
            self._held.clear()

    def _sender_of_header(self) -> None:
        block = self.message.header
        if not self.sender and b"return-path" in block[:4096].lower():
            value = header.value(block, b"Return-Path") or b""
            self.sender = value.strip(b" <>").decode("utf-8", "surrogateescape")


def _dot(data: bytes, final: bool) -> int:
    """Where the line end before a line with a single dot is, -1 for nowhere. final: nothing comes after `data`."""
    places = [at for at in (data.find(b"\n.\n"), data.find(b"\n.\r\n")) if at >= 0]
    if final and data.endswith(b"\n."):
        places.append(len(data) - 2)
    return min(places, default=-1)
