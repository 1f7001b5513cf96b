r"""The message in a file, and its octets as the wire wants them.

In the file lines end in LF; on the wire in CRLF, always, and a line that starts with a dot gets a second
one in DATA (RFC 5321 4.5.2). A CR that does not belong to a line end becomes a blank: sent as it is, it
could end the message early at a server that takes it for one (RFC 5321 2.3.8), and what follows would be
commands of whoever wrote the message.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK = 256 * 1024
_HEADER_MOST = 1 << 20  # a header that is longer is no header


class Body:
    """The message at `offset` of descriptor `fd`, through its end. Reading moves no file position, so several
    deliveries may read one descriptor at once. whole: all of its octets, if they are in memory. owned: `close`
    closes the descriptor.

    size: octets as they are sent, before dots. eight_bit: an octet above 127 is in it. eight_bit_header:
    in its header. tls_optional: it says "TLS-Required: no" (RFC 8689 3). OSError when the file cannot be
    read.
    """

    __slots__ = (
        "_fd",
        "_octets",
        "_offset",
        "_owned",
        "_ready",
        "_whole",
        "eight_bit",
        "eight_bit_header",
        "size",
        "tls_optional",
    )

    def __init__(self, fd: int, offset: int = 0, whole: bytes = b"", owned: bool = False) -> None:
        self._fd = fd
        self._offset = offset
        self._whole = whole
        self._owned = owned
        self._ready = b""  # a message in memory as the wire wants it, before dots
        self._octets = 0
        self.size = 0
        self.eight_bit = False
        self.eight_bit_header = False
        self.tls_optional = False
        self._survey()

    def blocks(self, dotted: bool) -> Iterator[bytes]:
        """The message in blocks of about BLOCK octets; the last one ends in CRLF. dotted: as DATA wants it.

        OSError when it cannot be read, or is not what it was: half a message must not be sent as a whole one.
        """
        if self._ready:
            yield stuffed(self._ready) if dotted else self._ready
            return
        wire = Wire(dotted)
        octets = 0
        for data in self.raw():
            octets += len(data)
            yield wire.put(data)
        if octets != self._octets:
            raise OSError(errno.EIO, "the message changed while it was read")
        yield wire.end()

    def close(self) -> None:
        """Close the descriptor, if it is the body's own."""
        if self._owned:
            os.close(self._fd)

    def raw(self) -> Iterator[bytes]:
        """The message as it is in the file, in blocks."""
        if self._whole:
            yield self._whole
            return
        at = self._offset
        while data := os.pread(self._fd, BLOCK, at):
            at += len(data)
            yield data

    def _survey(self) -> None:
        if self._whole:
            wire = Wire(dotted=False)
            self._ready = wire.put(self._whole) + wire.end()
            self.size = len(self._ready)
            self.eight_bit = not self._whole.isascii()
            self._look_into(self._whole.partition(b"\n\n")[0])
        else:
            self._read_through()

    def _read_through(self) -> None:
        header = b""
        in_header = True
        last = b"\n"
        for data in self.raw():
            self._octets += len(data)
            self.size += len(data) + data.count(b"\n")
            self.eight_bit = self.eight_bit or not data.isascii()
            last = data[-1:]
            if in_header:
                header += data
                in_header = header.find(b"\n\n") < 0 and len(header) < _HEADER_MOST
        if last != b"\n":
            self.size += 2
        self._look_into(header.partition(b"\n\n")[0])

    def _look_into(self, header: bytes) -> None:
        self.eight_bit_header = self.eight_bit and not header.isascii()
        self.tls_optional = _says_tls_optional(header)


class Wire:
    """Turns lines that end in LF into lines that end in CRLF, however they are cut."""

    __slots__ = ("_dotted", "_fresh", "_held")

    def __init__(self, dotted: bool) -> None:
        self._dotted = dotted
        self._fresh = True  # at the start of a line
        self._held = b""  # a CR whose LF may follow

    def put(self, data: bytes) -> bytes:
        """The octets to send for some octets of the file."""
        if self._held:
            data, self._held = self._held + data, b""
        if b"\r" in data:
            data = self._without_cr(data)
        if not data:
            return b""
        start = b"." if self._dotted and self._fresh and data.startswith(b".") else b""
        self._fresh = data.endswith(b"\n")
        data = data.replace(b"\n", b"\r\n")
        if self._dotted:
            data = data.replace(b"\r\n.", b"\r\n..")
        return start + data

    def end(self) -> bytes:
        """The last octets: a last line without end gets one."""
        rest = b" " if self._held else b""
        unfinished = rest or not self._fresh
        self._held, self._fresh = b"", True
        return rest + b"\r\n" if unfinished else b""

    def _without_cr(self, data: bytes) -> bytes:
        if data.endswith(b"\r"):
            data, self._held = data[:-1], b"\r"
        return data.replace(b"\r\n", b"\n").replace(b"\r", b" ")


def stuffed(data: bytes) -> bytes:
    """Whole lines with a second dot where one begins with a dot."""
    return (b"." if data.startswith(b".") else b"") + data.replace(b"\r\n.", b"\r\n..")


def converted(body: Body, convert: Callable[[bytes], bytes]) -> Body:
    """A Body of what `convert` makes of the whole message, in a nameless file; the caller closes it. OSError when
    there is no room; what `convert` raises."""
    import tempfile

    data = convert(b"".join(body.raw()))
    with tempfile.TemporaryFile(prefix="mailkit-") as file:
        file.write(data)
        file.flush()
        return Body(os.dup(file.fileno()), owned=True)


def _says_tls_optional(header: bytes) -> bool:
    if b"\ntls-required:" not in b"\n" + header.lower():
        return False
    from mailkit.mail import header as headers

    return (headers.value(header + b"\n", b"TLS-Required") or b"").strip().lower() == b"no"
