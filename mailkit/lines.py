"""Receive buffer: octets in as they came, lines and counted blocks out.

What lives here: the one place where every line protocol (SMTP, LMTP, IMAP, POP3, ManageSieve)
cuts its input. What does not: meaning; a line is returned with its end, and whether a bare LF is
an acceptable end is for the caller to say.

Invariant: every octet fed comes out once and in order, and is looked at once however the input is
cut, so a peer that sends one octet at a time costs no more than its octets.
"""

from __future__ import annotations

# Consumed octets are given back only when so many have gathered: one move then pays for many lines.
_SLACK_OCTETS = 65536


class TooLong(Exception):
    """A line is longer than its limit; `Lines.skip_line` gets past it."""


class Lines:
    """A buffer of received octets.

    What comes into an empty buffer stays the object that it is: most lines, and most pieces of a long message, are
    then copied once, or not at all.
    """

    __slots__ = ("_at", "_buffer", "_seen")

    def __init__(self) -> None:
        self._buffer: bytes | bytearray = b""
        self._at = 0  # first octet not yet given out
        self._seen = 0  # no LF between _at and here

    def __len__(self) -> int:
        """Octets held and not yet given out."""
        return len(self._buffer) - self._at

    def held(self) -> bytes:
        """Those octets, which stay here."""
        return bytes(self._buffer[self._at :])

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Append octets as they came."""
        if not self._buffer:
            self._buffer = bytes(data)
            return
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer[self._at :])
            self._seen -= self._at
            self._at = 0
        self._buffer += data

    def line(self, limit: int) -> bytes | None:
        """The next line with its end, or None while its LF has not come.

        `limit` counts the octets of the line with its end. Raises TooLong when the line has more,
        as soon as that is known; nothing is consumed then.
        """
        if not self._buffer:
            return None
        end = self._buffer.find(b"\n", self._seen) + 1
        if not end:
            self._seen = len(self._buffer)
            if len(self) > limit:
                raise TooLong
            return None
        if end - self._at > limit:
            self._seen = end - 1
            raise TooLong
        return self._give(end)

    def take(self, octets: int) -> bytes:
        """At most `octets` octets, fewer (or none) when fewer are held."""
        return self._give(min(self._at + octets, len(self._buffer)))

    def skip_line(self) -> bool:
        """Drop octets through the next LF; False while it has not come: feed and call again."""
        end = self._buffer.find(b"\n", self._seen) + 1
        self._drop(end or len(self._buffer))
        return end > 0

    def clear(self) -> None:
        """Forget everything held: what came in the clear before STARTTLS (RFC 3207 4.2)."""
        self._drop(len(self._buffer))

    def _give(self, end: int) -> bytes:
        if not self._at and end == len(self._buffer):
            given = bytes(self._buffer)
            self._buffer = b""
            self._seen = 0
            return given
        given = bytes(self._buffer[self._at : end])
        self._drop(end)
        return given

    def _drop(self, end: int) -> None:
        if end == len(self._buffer):
            self._buffer = b""
            self._at = self._seen = 0
            return
        self._at = end
        self._seen = max(end, self._seen)
        if end > _SLACK_OCTETS and end * 2 > len(self._buffer) and isinstance(self._buffer, bytearray):
            del self._buffer[:end]
            self._at = 0
            self._seen -= end
