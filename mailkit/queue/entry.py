r"""The envelope at the head of a queue file.

    mailkit-queue 1
    note bob@example.net: 450 4.2.1 try later             (padded with blanks to a fixed width)
    from <alice@example.test>
    arrived 1763768464
    auth alice@example.test
    body 8BITMIME
    T <bob@example.net> notify=DELAY,FAILURE orcpt=rfc822;bob@example.net
    D <carol@example.test>

    Received: ...                                          (the message, untouched, lines end in LF)

Blanks, "%", "<", ">" and control octets inside values are written %XX, so every value is one word; the rest is UTF-8.
The first character of a recipient's line is its status, rewritten in place when it changes. The note is the last
trouble seen, for people; it is rewritten in place too. Everything else never changes after the entry was injected.

Params of the envelope (all optional): arrived (Unix seconds, set by inject), with, peer, helo, auth, ret, envid,
body (8BITMIME, BINARYMIME), smtputf8 (yes), requiretls (yes), by, priority, hold and came (see mailkit-queue(5)).
Params of a recipient: notify, orcpt, via (the addresses it was sent on from, comma separated), expanded (yes: an
alias stands for it; see deliver.route).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAGIC = b"mailkit-queue 1\n"
NOTE_OCTETS = 200
NOTE_AT = len(MAGIC) + len(b"note ")
LARGEST = 16 << 20  # octets of envelope: more than any server accepts recipients for

WAITS = "T"  # to be tried
WARNED = "W"  # to be tried; the sender has been told of the delay
DONE = "D"  # delivered, or handed on
FAILED = "F"  # failed, and whoever is to know has been told
CANCELLED = "X"  # taken out by the administrator
STATUSES = WAITS + WARNED + DONE + FAILED + CANCELLED

_NOTELESS = MAGIC + b"note".ljust(5 + NOTE_OCTETS) + b"\n"
_ESCAPED = " %<>\x7f" + "".join(map(chr, range(32)))
_PLAIN = bytes(octet for octet in range(128) if chr(octet) not in _ESCAPED)


class Recipient:
    """One address to deliver to. `at`: offset of its status byte in the file, known after encode and decode."""

    __slots__ = ("address", "at", "params", "status")

    def __init__(self, address: str, status: str = WAITS, params: dict[str, str] | None = None, at: int = 0) -> None:
        self.address = address
        self.status = status
        self.params = {} if params is None else params
        self.at = at

    @property
    def pending(self) -> bool:
        """Is there something left to do for it?"""
        return self.status in (WAITS, WARNED)

    def __repr__(self) -> str:
        return f"Recipient({self.address!r}, {self.status!r}, {self.params!r})"


class Envelope:
    """Who it is from ("" for the null sender), who it is for, and what was said about it at SMTP time."""

    __slots__ = ("params", "recipients", "sender")

    def __init__(self, sender: str, recipients: Iterable[Recipient], params: dict[str, str] | None = None) -> None:
        self.sender = sender
        self.recipients = list(recipients)
        self.params = {} if params is None else params

    @property
    def pending(self) -> list[Recipient]:
        """The recipients with something left to do."""
        return [recipient for recipient in self.recipients if recipient.pending]


def encode(envelope: Envelope) -> bytes:
    """The head of a queue file, through the blank line; sets `at` of every recipient."""
    out = bytearray(_NOTELESS)
    out += b"from <" + _word(envelope.sender) + b">\n"
    for key, value in envelope.params.items():
        out += _key(key) + b" " + _word(value) + b"\n"
    for recipient in envelope.recipients:
        recipient.at = len(out)
        out += recipient.status.encode() + b" <" + _word(recipient.address) + b">"
        for key, value in recipient.params.items():
            out += b" " + _key(key) + b"=" + _word(value)
        out += b"\n"
    out += b"\n"
    return bytes(out)


def decode(data: bytes) -> tuple[Envelope, int]:
    """The envelope at the head of `data` and the offset of the message behind it.

    EOFError when `data` ends before the envelope does (read more); ValueError names the line that is damaged.
    """
    if not data.startswith(MAGIC[: len(data)]):
        raise ValueError("line 1: not a queue file of this version")
    end = data.find(b"\n\n")
    if end < 0:
        raise EOFError("the envelope does not end")
    lines = data[:end].split(b"\n")
    if len(lines) < 3 or not lines[1].startswith(b"note"):
        raise ValueError("line 2: no note")
    sender = _sender(lines[2])
    params: dict[str, str] = {}
    recipients: list[Recipient] = []
    at = len(lines[0]) + len(lines[1]) + len(lines[2]) + 3
    for number, line in enumerate(lines[3:], 4):
        if line[1:3] == b" <":
            recipients.append(_recipient(line, at, number))
        else:
            key, _, value = line.partition(b" ")
            params[_lower(key, number)] = _text(value)
        at += len(line) + 1
    if not recipients:
        raise ValueError("no recipients")
    return Envelope(sender, recipients, params), end + 2


def fresh(data: bytes) -> bytes:
    """The whole entry `data` as it was injected: nothing noted, everybody waits. EOFError, ValueError as for decode."""
    envelope, _ = decode(data)
    first = bytearray(data)
    first[NOTE_AT : NOTE_AT + NOTE_OCTETS] = note("")
    for recipient in envelope.recipients:
        first[recipient.at] = ord(WAITS)
    return bytes(first)


def note(text: str) -> bytes:
    """`text` as the fixed-width note: one line of UTF-8, cut and padded."""
    line = " ".join(text.split()).encode("utf-8", "replace")[:NOTE_OCTETS]
    return line.decode("utf-8", "ignore").encode().ljust(NOTE_OCTETS)


def read_note(data: bytes) -> str:
    """The note in the head of a queue file, "" when there is none."""
    return data[NOTE_AT : NOTE_AT + NOTE_OCTETS].decode("utf-8", "replace").split("\n")[0].rstrip()


def _sender(line: bytes) -> str:
    if not (line.startswith(b"from <") and line.endswith(b">")):
        raise ValueError("line 3: no sender")
    return _text(line[6:-1])


def _recipient(line: bytes, at: int, number: int) -> Recipient:
    status = chr(line[0])
    if status not in STATUSES:
        raise ValueError(f"line {number}: unknown status {status!r}")
    words = line[2:].split(b" ")
    if len(words[0]) < 3 or not words[0].endswith(b">"):
        raise ValueError(f"line {number}: no address")
    params = {}
    for word in words[1:]:
        key, equals, value = word.partition(b"=")
        if not equals:
            raise ValueError(f"line {number}: {word!r} is not key=value")
        params[_lower(key, number)] = _text(value)
    return Recipient(_text(words[0][1:-1]), status, params, at)


def _lower(key: bytes, number: int) -> str:
    if not (key.isalnum() and key.islower()):
        raise ValueError(f"line {number}: {key.decode('ascii', 'replace')!r} is not a key")
    return key.decode()


def _key(key: str) -> bytes:
    if not (len(key) > 1 and key.isascii() and key.isalnum() and key.islower()):
        raise ValueError(f"{key!r} is not a key")
    return key.encode()


def _word(text: str) -> bytes:
    octets = text.encode("utf-8", "surrogateescape")
    if not octets.translate(None, _PLAIN):
        return octets
    escaped = "".join(f"%{ord(char):02X}" if char in _ESCAPED else char for char in text)
    return escaped.encode("utf-8", "surrogateescape")


def _text(word: bytes) -> str:
    if b"%" in word:
        parts = word.split(b"%")
        try:
            word = parts[0] + b"".join(bytes((int(part[:2], 16),)) + part[2:] for part in parts[1:])
        except ValueError:
            raise ValueError(f"{word!r} has a bad escape")
    return word.decode("utf-8", "surrogateescape")
