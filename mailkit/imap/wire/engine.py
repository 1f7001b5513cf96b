"""Octets in, commands out: the framing of IMAP (RFC 9051 sections 2.2 and 4.3).

A command is one line, and goes on after each literal `{n}` CRLF n-octets. It is handed over as one `Command`
whose `args` hold the text with its literals in place, just as it came, so that `reader` can follow the
grammar without a second form of the same thing:

    a1 LOGIN {5}CRLF  alice {6}CRLF  secretCRLF   ->  Command(b"a1", "LOGIN", b"{5}\\r\\nalice {6}\\r\\nsecret")

The message of an APPEND never gathers here. When its literal is announced the caller gets an `Upload`, answers
`accept()` or `refuse()`, then gets `Data` as octets come in, and at last the `Command` with what followed the literal.

What is kept is bounded: one line, the literals of one command, and what the caller fed last. The caller feeds
only when `event()` returned None.

Line ends: CRLF; a bare LF is taken as well, as every large server does (mailkit-deviations(7)). A CR
elsewhere, or a NUL, makes the command BAD. Literals are counted octets and may hold both.
"""

from __future__ import annotations

from mailkit.lines import Lines, TooLong

COMMAND = 0
"""Next is the text of a command, or its continuation after a literal."""
LITERAL = 1
"""Next are the octets of a literal that is kept."""
OFFER = 2
"""An upload was announced, the caller has to accept or refuse it."""
UPLOAD = 3
"""Next are the octets of an upload."""
SKIP = 4
"""Next are octets of a refused literal which the peer sends all the same (RFC 7888 section 4)."""
DROP = 5
"""Next is the rest of a line that was too long."""
BROKEN = 6
"""The peer announced more octets than anybody would skip; nothing is read any more."""

UPLOADING = {"APPEND": 1, "REPLACE": 2}
"""Commands that bring messages, and how many arguments come before: a literal among those is no message."""

SKIP_MOST_OCTETS = 1 << 30
NAME_MOST_OCTETS = 32
TAG_MOST_OCTETS = 64
TAG_CHARS = bytes(c for c in range(33, 127) if c not in b'(){%*"\\+')


class Command:
    """A whole command: tag, NAME in capitals, and the octets after the name and its blank."""

    __slots__ = ("args", "name", "tag")

    def __init__(self, tag: bytes, name: str, args: bytes) -> None:
        self.tag = tag
        self.name = name
        self.args = args


class Continue:
    """A literal is awaited: the caller sends `+` (RFC 9051 section 7.6)."""

    __slots__ = ()


class Upload:
    """A message is announced: `args` is the text since the command's name or since the last upload."""

    __slots__ = ("args", "binary", "name", "size_octets", "synchronising", "tag")

    def __init__(self, command: Command, size_octets: int, synchronising: bool, binary: bool) -> None:
        self.tag = command.tag
        self.name = command.name
        self.args = command.args
        self.size_octets = size_octets
        self.synchronising = synchronising
        self.binary = binary


class Data:
    """Some octets of the upload that was accepted; `left` are still to come."""

    __slots__ = ("left", "octets")

    def __init__(self, octets: bytes, left: int) -> None:
        self.octets = octets
        self.left = left


class Broken:
    """A command that cannot be run. `code` is a response code or empty; after `fatal` nothing more can be read."""

    __slots__ = ("code", "fatal", "tag", "text")

    def __init__(self, tag: bytes, text: str, code: str = "", fatal: bool = False) -> None:
        self.tag = tag
        self.text = text
        self.code = code
        self.fatal = fatal


CONTINUE = Continue()

Event = Command | Continue | Upload | Data | Broken


class Engine:
    """One direction of one connection: feed octets, take events.

    `line_octets` bounds the text of a command, `literal_octets` all its literals together; both may be
    changed at any time (they grow at login).
    """

    __slots__ = ("_announced", "_head", "_left", "_lines", "_literals", "_name", "_state", "_tag", "_uploading",
                 "line_octets", "literal_octets")  # fmt: skip

    def __init__(self, line_octets: int, literal_octets: int) -> None:
        self._lines = Lines()
        self.line_octets = line_octets
        self.literal_octets = literal_octets
        self.clear()

    def clear(self) -> None:
        """Forget everything received (RFC 9051 6.2.1: after STARTTLS nothing said in the clear counts)."""
        self._lines.clear()
        self._left = 0
        self._reset(COMMAND)

    def _reset(self, state: int) -> None:
        self._state = state
        self._tag = b""
        self._name = ""
        self._head: bytearray | None = None
        self._literals = 0
        self._uploading = False
        self._announced: tuple[int, bool, bool] | None = None

    def feed(self, data: bytes) -> None:
        """Take octets as they came."""
        self._lines.feed(data)

    def __len__(self) -> int:
        """Octets received and not yet part of an event."""
        return len(self._lines)

    def ahead(self) -> bytes:
        """Those octets, which stay here."""
        return self._lines.held()

    def event(self) -> Event | None:
        """The next event, or None when more octets are needed (or, after an `Upload`, an answer to it)."""
        while True:
            state = self._state
            if state == COMMAND:
                event = self._command()
                if event is not None or self._state == COMMAND:
                    return event
            elif state == LITERAL:
                if not self._literal():
                    return None
            elif state == UPLOAD:
                return self._upload()
            elif state == SKIP:
                if not self._skip():
                    return None
            elif state != DROP or not self._drop():
                return None

    def line(self) -> bytes | None:
        """One line that is no command, without its end: an answer to `+` (AUTHENTICATE, IDLE).

        None when more octets are needed. Raises TooLong; the rest of that line will not be seen.
        """
        try:
            line = self._lines.line(self.line_octets)
        except TooLong:
            self._reset(DROP)
            raise
        return None if line is None else _without_end(line)

    def accept(self) -> bool:
        """Take the upload that was offered; True when the caller must send `+` first."""
        assert self._announced is not None
        self._state = UPLOAD
        self._left, synchronising, _ = self._announced
        return synchronising

    def refuse(self) -> bool:
        """Drop the literal that was announced and the rest of its command: the caller answers NO or BAD at once.

        A peer that waits for `+` will not send the octets any more; one that does not wait is listened to
        until its command is over. False when that would be too much: the caller closes the connection.
        """
        assert self._announced is not None
        size_octets, synchronising, _ = self._announced
        self._reset(COMMAND)
        if not synchronising:
            self._left = size_octets
            self._state = SKIP if size_octets <= SKIP_MOST_OCTETS else BROKEN
        return self._state != BROKEN

    def abandon(self) -> None:
        """Swallow the rest of a command whose upload was accepted and cannot be used."""
        self._reset(SKIP)

    # One method per state.

    def _command(self) -> Event | None:
        try:
            line = self._lines.line(self.line_octets - self._text_octets())
        except TooLong:
            return self._fail(f"A command has at most {self.line_octets} octets beside its literals", DROP)
        if line is None:
            return None
        text = _without_end(line)
        if b"\r" in text or b"\0" in text:
            return self._fail("A command holds neither CR nor NUL")
        if self._head is not None:
            self._head += text
        else:
            broken = self._begin(text)
            if broken is not None:
                return broken
        announced = literal_at_end(text)
        return self._whole() if announced is None else self._announce(announced)

    def _text_octets(self) -> int:
        return 0 if self._head is None else len(self._head) - self._literals

    def _begin(self, text: bytes) -> Event | None:
        """Split the first line of a command into tag, name and the rest."""
        tag, _, rest = text.partition(b" ")
        if not is_tag(tag):
            return self._fail("A command begins with a tag")
        self._tag = tag
        name, _, args = rest.partition(b" ")
        if not 0 < len(name) <= NAME_MOST_OCTETS or name.translate(None, TAG_CHARS):
            return self._fail("A tag is followed by a command")
        self._name = name.decode("ascii").upper()
        self._head = bytearray(args)
        return None

    def _announce(self, announced: tuple[int, bool, bool]) -> Event | None:
        """A literal comes next: keep it, offer it, or refuse it."""
        assert self._head is not None
        size_octets, synchronising, binary = announced
        before = bytes(self._head[: self._head.rindex(b"{") - binary])
        self._announced = announced
        if self._uploads(before):
            self._state = OFFER
            self._uploading = True
            return Upload(Command(self._tag, self._name, before), size_octets, synchronising, binary)
        if self._literals + size_octets > self.literal_octets:
            return self._too_big()
        self._literals += size_octets
        self._head += b"\r\n"
        self._left = size_octets
        self._state = LITERAL
        return CONTINUE if synchronising else None

    def _uploads(self, before: bytes) -> bool:
        """Is a literal after these arguments a message? Blanks in quotes only make a message of what is none.

        Behind the first one every literal is: another message, or a piece of one (RFC 4469).
        """
        if self._uploading:
            return True
        if self._name == "UID" and before[:8].upper() == b"REPLACE ":
            return before.count(b" ") > UPLOADING["REPLACE"]
        return self._name in UPLOADING and before.count(b" ") >= UPLOADING[self._name]

    def _literal(self) -> bool:
        """Gather the literal; True when it is whole."""
        assert self._head is not None
        if len(self._lines) < self._left:
            return False
        self._head += self._lines.take(self._left)
        self._left = 0
        self._state = COMMAND
        return True

    def _upload(self) -> Data | None:
        octets = self._lines.take(self._left)
        if self._left and not octets:
            return None
        self._left -= len(octets)
        if not self._left:
            self._announced = None
            self._head = bytearray()
            self._state = COMMAND
        return Data(octets, self._left)

    def _skip(self) -> bool:
        """Swallow a refused literal and the text after it; True when the command is over or goes on with a literal."""
        self._left -= len(self._lines.take(self._left))
        if self._left:
            return False
        try:
            line = self._lines.line(self.line_octets)
        except TooLong:
            self._reset(DROP)
            return True
        if line is None:
            return False
        announced = literal_at_end(_without_end(line))
        if announced is None or announced[1]:
            self._reset(COMMAND)
        elif announced[0] > SKIP_MOST_OCTETS:
            self._reset(BROKEN)
        else:
            self._left = announced[0]
        return True

    def _drop(self) -> bool:
        if not self._lines.skip_line():
            return False
        self._state = COMMAND
        return True

    def _whole(self) -> Command:
        assert self._head is not None
        command = Command(self._tag, self._name, bytes(self._head))
        self._reset(COMMAND)
        return command

    def _fail(self, text: str, state: int = COMMAND) -> Broken:
        broken = Broken(self._tag or b"*", text)
        self._reset(state)
        return broken

    def _too_big(self) -> Broken:
        broken = Broken(self._tag, f"The literals of a command have at most {self.literal_octets} octets", "TOOBIG")
        broken.fatal = not self.refuse()
        return broken


def literal_at_end(text: bytes) -> tuple[int, bool, bool] | None:
    """The literal a line ends with: (octets, synchronising, literal8), or None.

    `{5}` waits for `+`, `{5+}` (RFC 7888) does not; `~{5}` may hold NUL (RFC 3516).
    """
    if not text.endswith(b"}"):
        return None
    at = text.rfind(b"{")
    if at < 0:
        return None
    digits = text[at + 1 : -1]
    synchronising = not digits.endswith(b"+")
    if not synchronising:
        digits = digits[:-1]
    if not digits.isdigit() or len(digits) > 18:
        return None
    return int(digits), synchronising, text[at - 1 : at] == b"~"


def is_tag(tag: bytes) -> bool:
    """RFC 9051 section 9: 1*<any ASTRING-CHAR except "+">, here at most 64 octets."""
    return 0 < len(tag) <= TAG_MOST_OCTETS and not tag.translate(None, TAG_CHARS)


def _without_end(line: bytes) -> bytes:
    return line[:-2] if line.endswith(b"\r\n") else line[:-1]
