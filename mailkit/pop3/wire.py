"""The POP3 wire: commands out of octets, messages and lists into octets.

What lives here: line limits, the cutting of a command into keyword and argument, byte stuffing. What does not:
which commands exist and when they are allowed (pop3.verbs), sockets, files.

A command is a keyword and perhaps arguments on one line; a response is one status line, or a status line and
lines up to one that holds a single dot (RFC 1939 3).
"""

from __future__ import annotations

from mailkit.lines import Lines, TooLong

COMMAND_OCTETS = 255
"""Longest command line with its CRLF (RFC 2449 4)."""

CONTINUATION_OCTETS = 16384
"""Longest line of a SASL exchange: its length is the mechanism's affair, not RFC 2449's (RFC 5034 4)."""

END = b".\r\n"
"""The line that ends a multi-line response."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Malformed(Exception):
    """A line that is no command; its text is for the peer. The line has been consumed."""


class Wire:
    """What a client sent, as commands."""

    __slots__ = ("_lines", "_skipping")

    def __init__(self) -> None:
        self._lines = Lines()
        self._skipping = False

    def feed(self, data: bytes) -> None:
        """Take octets as they came."""
        self._lines.feed(data)

    def ahead(self) -> bytes:
        """Octets that no command was made of yet; they stay here."""
        return self._lines.held()

    def clear(self) -> None:
        """Forget what has not been asked for: octets sent in the clear before TLS (RFC 2595 4)."""
        self._lines.clear()
        self._skipping = False

    def command(self) -> tuple[bytes, bytes] | None:
        """The next command as keyword, in capitals, and argument, as it came; None when more octets are needed.

        The argument may hold blanks: what they mean is the verb's affair (a password may have some). Malformed
        when the line is too long or holds octets that no command may hold.
        """
        line = self._line(COMMAND_OCTETS)
        if line is None:
            return None
        # RFC 1939 asks for CRLF; a bare LF cannot be mistaken for anything else and old scripts send it.
        line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
        if b"\0" in line or b"\r" in line:
            raise Malformed("a command holds no NUL and no CR")
        keyword, _, argument = line.partition(b" ")
        return keyword.upper(), argument

    def continuation(self) -> bytes | None:
        """The next line of a SASL exchange without its end; None when more octets are needed."""
        line = self._line(CONTINUATION_OCTETS)
        return None if line is None else line.rstrip(b"\r\n")

    def _line(self, limit: int) -> bytes | None:
        if self._skipping and not self._skip():
            return None
        try:
            return self._lines.line(limit)
        except TooLong:
            self._skip()
            raise Malformed("line too long") from None

    def _skip(self) -> bool:
        """Drop the rest of a line that is too long; False while its end has not come."""
        self._skipping = not self._lines.skip_line()
        return not self._skipping


class Stuffer:
    """Turns a stored message, fed in pieces of any size, into the lines of a multi-line response.

    Line ends become CRLF whether the file has LF or CRLF; a line that begins with a dot gets one more
    (RFC 1939 3). Cutting the message elsewhere never changes what comes out.
    """

    __slots__ = ("_fresh", "_held")

    def __init__(self) -> None:
        self._fresh = True  # at the beginning of a line
        self._held = b""  # a CR whose LF may be in the next piece

    def feed(self, piece: bytes) -> bytes:
        """The octets for `piece`."""
        if self._held or b"\r" in piece:
            piece = self._plain(piece)
        if not piece:
            return b""
        octets = piece.replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")  # three octets are found faster than two
        if self._fresh and piece.startswith(b"."):
            octets = b"." + octets
        self._fresh = piece.endswith(b"\n")
        return octets

    def end(self) -> bytes:
        """The octets after the last piece: a line end where the message has none, and the single dot."""
        held, self._held = self._held, b""
        if held:
            return held + b"\r\n" + END
        return END if self._fresh else b"\r\n" + END

    def _plain(self, piece: bytes) -> bytes:
        piece = self._held + piece
        self._held = b"\r" if piece.endswith(b"\r") else b""
        if self._held:
            piece = piece[:-1]
        return piece.replace(b"\r\n", b"\n")


def listing(pairs: Iterable[tuple[int, object]]) -> bytes:
    """Lines `number value` and the single dot: the body of LIST and UIDL."""
    return "".join([f"{number} {value}\r\n" for number, value in pairs]).encode() + END


def top(stored: bytes, lines: int) -> int | None:
    """Where TOP ends in `stored`, the beginning of a message: after the header, the blank line and `lines` more.

    None when `stored` ends before that. A message without a blank line is all header (RFC 1939 7).
    """
    end = _body(stored)
    if end is None:
        return None
    for _ in range(lines):
        end = stored.find(b"\n", end) + 1
        if not end:
            return None
    return end


def _body(stored: bytes) -> int | None:
    """Where the body begins; None when the blank line is not in `stored`."""
    if stored.startswith(b"\n"):
        return 1
    if stored.startswith(b"\r\n"):
        return 2
    ends = [stored.find(blank) + len(blank) for blank in (b"\n\n", b"\n\r\n") if blank in stored]
    return min(ends, default=None)
