"""SMTP replies as values (RFC 5321 4.2, RFC 2034, RFC 3463).

The server builds a `Reply` and sends `reply.wire()`; the client feeds octets to a `Parser` and takes
`Reply` values out. What a reply means for a message is not decided here.

A reply on the wire, here with an enhanced status code and two lines:

    250-2.1.5 first line
    250 2.1.5 last line

Invariant: whatever text is put into a Reply, `wire()` gives complete lines without controls, each at
most 512 octets including CRLF (RFC 5321 4.5.3.1.5), and in ASCII unless `utf8` says otherwise.
"""

from __future__ import annotations

LINE_LIMIT = 512
# What a peer may send us: longer than the RFC's 512 octets because some servers are wordy, but bounded.
PEER_LINE_LIMIT = 4096
PEER_LINES_LIMIT = 128
_KNOWN_MOST = 256  # replies that are remembered: servers say the same things again and again
_KNOWN_OCTETS = 100  # and no longer ones

_PRINTABLE = dict.fromkeys(range(32), "?") | {127: "?"}


class Malformed(Exception):
    """The peer sent something that is no SMTP reply; the text says what."""


class Refused(Exception):
    """The server says no to a command: `reply` for the peer; `by` and `detail` for the log."""

    def __init__(self, code: int, status: str, text: str, *, by: str = "", detail: str = "") -> None:
        super().__init__(text)
        self.reply = Reply(code, status, text)
        self.by = by
        self.detail = detail


class Reply:
    """One reply: `code` 200..599, `status` "2.1.5" or "" (no enhanced code), `lines` one text or more. utf8: the client
    allowed UTF-8 in this reply; RFC 6531 3.7.4 has it in no other, so there it becomes \\xe9."""

    __slots__ = ("_wire", "code", "lines", "status", "utf8")

    def __init__(self, code: int, status: str, *lines: str, utf8: bool = False) -> None:
        self.code = code
        self.status = status
        self.lines = lines or ("",)
        self.utf8 = utf8
        self._wire = b""

    def __repr__(self) -> str:
        return f"Reply({self.code}, {self.status!r}, {', '.join(map(repr, self.lines))})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reply):
            return NotImplemented
        return (self.code, self.status, self.lines) == (other.code, other.status, other.lines)

    def __hash__(self) -> int:
        return hash((self.code, self.status, self.lines))

    @property
    def text(self) -> str:
        """All lines joined by a blank: for logs and delivery reports."""
        return " ".join(self.lines)

    @property
    def ok(self) -> bool:
        """2xx: done."""
        return 200 <= self.code < 300

    @property
    def go_on(self) -> bool:
        """3xx: the peer waits for the rest."""
        return 300 <= self.code < 400

    @property
    def temporary(self) -> bool:
        """4xx: the same may work later."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """5xx: it will not."""
        return self.code >= 500

    def wire(self) -> bytes:
        """The reply as octets for the connection, CRLF included. The same object gives the same octets."""
        if not self._wire:
            self._wire = self._format()
        return self._wire

    def _format(self) -> bytes:
        # RFC 2034 4: the enhanced code stands on every line of the reply.
        prefix = f"{self.status} " if self.status else ""
        last = len(self.lines) - 1
        out = []
        for number, line in enumerate(self.lines):
            out.append(_cut(f"{self.code}{' ' if number == last else '-'}{prefix}{line}", self.utf8))
        return b"\r\n".join(out) + b"\r\n"


def _cut(text: str, utf8: bool) -> bytes:
    """As one line, without its end."""
    if text.isascii() and text.isprintable():
        return text.encode()[: LINE_LIMIT - 2]
    text = text.translate(_PRINTABLE)
    if not utf8:
        return text.encode("ascii", "backslashreplace")[: LINE_LIMIT - 2]
    octets = text.encode("utf-8", "replace")[: LINE_LIMIT - 2]
    # A cut inside a UTF-8 sequence must not leave half of it.
    return octets.decode("utf-8", "ignore").encode("utf-8")


def split_status(code: int, text: str) -> tuple[str, str]:
    """Split "2.1.5 ok" into ("2.1.5", "ok"); ("", text) when no enhanced code of the same class leads.

    RFC 2034 4: the class digit must be that of the reply code, or it is only text.
    """
    word, _, rest = text.partition(" ")
    parts = word.split(".")
    if len(parts) != 3 or parts[0] != str(code // 100):
        return "", text
    if not (word.isascii() and all(map(str.isdigit, parts)) and max(map(len, parts)) <= 3):
        return "", text
    return word, rest


class Parser:
    """Takes octets as they come, gives replies: for the client side. Sans-I/O.

    `feed(data)`, then `reply()` until it gives None. Lines may end in CRLF or LF. Raises Malformed for
    anything that is no reply, and for more than PEER_LINES_LIMIT lines or PEER_LINE_LIMIT octets in one.
    """

    __slots__ = ("_buffer", "_lines", "_status")

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[str] = []
        self._status: str | None = None

    def feed(self, data: bytes) -> None:
        """Add octets as received."""
        self._buffer = self._buffer + data if self._buffer else data

    def clear(self) -> None:
        """Forget every octet: before TLS starts nothing received in the clear may survive (RFC 3207 4.2)."""
        self._buffer = b""
        self._lines = []
        self._status = None

    def pending(self) -> bool:
        """Octets of a further reply are already here."""
        return bool(self._buffer or self._lines)

    def reply(self) -> Reply | None:
        """The next complete reply, or None: feed more."""
        while True:
            end = self._buffer.find(b"\n", 0, PEER_LINE_LIMIT)
            if end < 0:
                if len(self._buffer) >= PEER_LINE_LIMIT:
                    raise Malformed("reply line too long")
                return None
            line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
            if not self._lines and line[3:4] == b" " and end <= _KNOWN_OCTETS:
                return _alone(line)
            found = self._line(line[:-1] if line.endswith(b"\r") else line)
            if found is not None:
                return found

    def _line(self, line: bytes) -> Reply | None:
        code, mark, status, text = _parts(line)
        if len(self._lines) >= PEER_LINES_LIMIT:
            raise Malformed("reply has too many lines")
        self._lines.append(text)
        if self._status is None:
            self._status = status
        if mark == b"-":
            return None
        # RFC 5321 4.2.1: every line carries the same code; where they differ the last one counts.
        found = Reply(code, self._status, *self._lines)
        self._lines, self._status = [], None
        return found


def _parts(line: bytes) -> tuple[int, bytes, str, str]:
    """Code, mark (b"-" when more lines follow), status and text of a line without its end. Malformed."""
    digits, mark, octets = line[:3], line[3:4], line[4:]
    if not (len(digits) == 3 and digits.isdigit() and 200 <= int(digits) < 600):
        raise Malformed(f"not a reply: {line[:60]!r}")
    if mark not in (b"", b" ", b"-"):
        raise Malformed(f"not a reply: {line[:60]!r}")
    code = int(digits)
    return code, mark, *split_status(code, octets.decode("utf-8", "replace"))


_known: dict[bytes, Reply] = {}


def _alone(line: bytes) -> Reply:
    """The reply of one line, which may still have its CR. Malformed."""
    found = _known.get(line)
    if found is None:
        code, _, status, text = _parts(line.removesuffix(b"\r"))
        if len(_known) >= _KNOWN_MOST:
            _known.clear()
        found = _known[line] = Reply(code, status, text)
    return found
