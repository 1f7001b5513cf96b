"""Arguments out of one command (RFC 9051 section 9).

A `Reader` walks over the octets of a `Command.args`, in which literals stand as `{n}` CRLF n-octets. Each
method reads one thing of the grammar, leaves the position behind it, and raises `Bad` when something else is there.
Mailbox names come out as str, whatever their form on the wire: modified UTF-7 (RFC 3501 5.1.3), or UTF-8 once
the client enabled it (RFC 9051 5.1).
"""

from __future__ import annotations

from mailkit.imap.wire import Bad
from mailkit.mail import date, mutf7

ATOM = bytes(c for c in range(33, 127) if c not in b'(){%*"\\]')
"""ATOM-CHAR: no controls, blanks, atom-specials."""
ASTRING = ATOM + b"]"
LIST_CHARS = ASTRING + b"%*"
"""What a LIST pattern may hold outside quotes; octets from 128 on are taken too, as clients send them bare."""
DIGITS = b"0123456789"

_HIGH = bytes(range(128, 256))
_SPAN: dict[bytes, bytes] = {}


class Reader:
    """A position in the arguments of a command."""

    __slots__ = ("at", "data", "utf8")

    def __init__(self, data: bytes, utf8: bool = False) -> None:
        self.data = data
        self.at = 0
        self.utf8 = utf8

    # Position

    def end(self) -> None:
        """Nothing may follow."""
        if self.at != len(self.data):
            raise Bad("Something follows the last argument")

    @property
    def done(self) -> bool:
        return self.at >= len(self.data)

    def peek(self) -> bytes:
        """The next octet, b"" at the end."""
        return self.data[self.at : self.at + 1]

    def took(self, octets: bytes) -> bool:
        """Step over `octets` when they come next."""
        if not self.data.startswith(octets, self.at):
            return False
        self.at += len(octets)
        return True

    def expect(self, octets: bytes) -> None:
        """`octets` must come next."""
        if not self.took(octets):
            raise Bad(f"Expected {_shown(octets)} at position {self.at} of the arguments")

    def space(self) -> None:
        """One blank, and no more of them (RFC 9051 section 9 note 2)."""
        self.expect(b" ")

    def span(self, chars: bytes) -> bytes:
        """The octets of `chars` that come next, maybe none."""
        at = self.at
        end = _span_end(self.data, at, chars)
        self.at = end
        return self.data[at:end]

    # Words

    def atom(self) -> bytes:
        """1*ATOM-CHAR."""
        atom = self.span(ATOM)
        if not atom:
            raise Bad(f"Expected an atom at position {self.at} of the arguments")
        return atom

    def word(self) -> str:
        """An atom that is a keyword of the protocol, in capitals."""
        return self.atom().decode("ascii").upper()

    def number(self) -> int:
        """A number that fits 64 bits without a sign bit (number64)."""
        digits = self.span(DIGITS)
        if not digits or len(digits) > 19:
            raise Bad("Expected a number")
        value = int(digits)
        if value >= 1 << 63:
            raise Bad("Number is too big")
        return value

    def quoted(self) -> bytes:
        """`"` octets `"` with `\\` before `"` and `\\`."""
        self.expect(b'"')
        parts = []
        while True:
            end = self.data.find(b'"', self.at)
            if end < 0:
                raise Bad("A quoted string does not end")
            slash = self.data.find(b"\\", self.at, end)
            if slash < 0:
                parts.append(self.data[self.at : end])
                self.at = end + 1
                return b"".join(parts) if len(parts) > 1 else parts[0]
            escaped = self.data[slash + 1 : slash + 2]
            if escaped not in (b'"', b"\\"):
                raise Bad("A backslash in a quoted string stands before a quote or another backslash")
            parts.append(self.data[self.at : slash] + escaped)
            self.at = slash + 2

    def literal(self) -> bytes:
        """`{n}` CRLF n-octets, `{n+}`, `~{n}`."""
        self.took(b"~")
        self.expect(b"{")
        size_octets = self.number()
        self.took(b"+")
        self.expect(b"}\r\n")
        if self.at + size_octets > len(self.data):
            raise Bad("A literal is cut short")
        self.at += size_octets
        return self.data[self.at - size_octets : self.at]

    def string(self) -> bytes:
        """quoted / literal."""
        return self.quoted() if self.peek() == b'"' else self.literal()

    def astring(self) -> bytes:
        """1*ASTRING-CHAR / string. Not NUL, which no argument of ours may hold."""
        octets = self.span(ASTRING) or self._string_or_bad()
        if b"\0" in octets:
            raise Bad("NUL in a string")
        return octets

    def nstring(self) -> bytes | None:
        """string / NIL."""
        return None if self.took_nil() else self._string_or_bad()

    def took_nil(self) -> bool:
        """Step over NIL when it comes next."""
        if self.data[self.at : self.at + 3].upper() != b"NIL":
            return False
        self.at += 3
        return True

    def rest(self) -> bytes:
        """Everything up to the end."""
        at, self.at = self.at, len(self.data)
        return self.data[at:]

    def text(self) -> str:
        """An astring as text: UTF-8, and octets that are not UTF-8 are BAD."""
        return _utf8(self.astring())

    def _string_or_bad(self) -> bytes:
        if self.peek() not in (b'"', b"{", b"~"):
            raise Bad(f"Expected a string at position {self.at} of the arguments")
        return self.string()

    # Lists

    def words(self) -> list[bytes]:
        """`(` [atom *(SP atom)] `)`."""
        self.expect(b"(")
        found: list[bytes] = []
        while not self.took(b")"):
            if found:
                self.space()
            found.append(self.atom())
        return found

    def astrings(self) -> list[bytes]:
        """`(` astring *(SP astring) `)`: header-list."""
        self.expect(b"(")
        found = [self.astring()]
        while not self.took(b")"):
            self.space()
            found.append(self.astring())
        return found

    def flag(self) -> str:
        """`\\` atom, or a keyword."""
        mark = "\\" if self.took(b"\\") else ""
        return mark + self.atom().decode("ascii")

    def flags(self) -> list[str]:
        """`(` [flag *(SP flag)] `)`."""
        self.expect(b"(")
        found: list[str] = []
        while not self.took(b")"):
            if found:
                self.space()
            found.append(self.flag())
        return found

    def bare_flags(self) -> list[str]:
        """flag *(SP flag), or the same in parentheses: what STORE takes."""
        if self.peek() == b"(":
            return self.flags()
        found = [self.flag()]
        while self.took(b" "):
            found.append(self.flag())
        return found

    # Mailboxes

    def mailbox(self) -> str:
        """A mailbox name. INBOX in any case is "INBOX"."""
        return self._name(self.astring())

    def mailboxes(self) -> list[str]:
        """mailbox / `(` mailbox *(SP mailbox) `)`."""
        if not self.took(b"("):
            return [self.mailbox()]
        names = [self.mailbox()]
        while not self.took(b")"):
            self.space()
            names.append(self.mailbox())
        return names

    def pattern(self) -> str:
        """list-mailbox: a mailbox name in which `*` and `%` are wild."""
        octets = self.span(LIST_CHARS + _HIGH)
        return self._name(octets or self._string_or_bad())

    def _name(self, octets: bytes) -> str:
        if b"\0" in octets or b"\r" in octets or b"\n" in octets:
            raise Bad("A mailbox name holds no control octets")
        name = _utf8(octets) if self.utf8 or not octets.isascii() else mutf7.decode(octets)
        return "INBOX" if name.upper() == "INBOX" else name

    # Dates

    def date(self) -> int:
        """date: `1-Feb-1994`, quoted or not. Days since 1970-01-01."""
        octets = self.quoted() if self.peek() == b'"' else self.atom()
        try:
            return date.parse_day(octets.decode("latin-1"))
        except ValueError as error:
            raise Bad(str(error))

    def date_time(self) -> int:
        """`" 1-Feb-1994 21:52:25 -0800"` with its quotes. Seconds since 1970."""
        try:
            return date.parse_internal(self.quoted().decode("latin-1"))[0]
        except ValueError as error:
            raise Bad(str(error))


def _span_end(data: bytes, at: int, chars: bytes) -> int:
    """Where the octets of `chars` that begin at `at` end."""
    table = _SPAN.get(chars)
    if table is None:
        table = _SPAN[chars] = bytes(1 if c in chars else 0 for c in range(256))
    size = len(data)
    while at < size and table[data[at]]:
        at += 1
    return at


def _utf8(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("A string is not UTF-8")


def _shown(octets: bytes) -> str:
    return "a blank" if octets == b" " else octets.decode("latin-1").replace("\r\n", "a line end")
