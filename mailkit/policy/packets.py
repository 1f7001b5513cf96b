"""The milter protocol's packets, version 6 (libmilter's mfdef.h): octets to values and back, no I/O.

    length (4 octets, big endian, of command and data) | command (1 octet) | data
"""

from __future__ import annotations

VERSION = 6

# What a milter may do with a message, of which we let it do these.
ADD_HEADERS = 0x01
CHANGE_HEADERS = 0x10
QUARANTINE = 0x20
ACTIONS = ADD_HEADERS | CHANGE_HEADERS | QUARANTINE

# Steps a milter may ask to leave out (SMFIP_NO...), and replies it may ask not to have to give (SMFIP_NR_...).
NO_CONNECT, NO_HELO, NO_MAIL, NO_RCPT, NO_BODY, NO_HEADERS, NO_END_OF_HEADERS = (1 << bit for bit in range(7))
NO_DATA = 0x200
NR_HEADER, NR_CONNECT, NR_HELO, NR_MAIL, NR_RCPT = 0x80, 0x1000, 0x2000, 0x4000, 0x8000
NR_DATA, NR_END_OF_HEADERS, NR_BODY = 0x10000, 0x40000, 0x80000
LEADING_SPACE = 0x100000
STEPS = 0x1FFFFF

BODY_MOST = 65535
LONGEST = 2 << 20  # octets of a packet from a milter: a header it wants to add may be long, not endless


class Broken(Exception):
    """The milter does not keep to the protocol."""


class Packets:
    """Octets from a milter in, packets out."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        """Add octets as they came."""
        self._buffer += data

    def packet(self) -> tuple[bytes, bytes] | None:
        """(command, data), or None: feed more. Broken for a length that cannot be."""
        if len(self._buffer) < 4:
            return None
        length = int.from_bytes(self._buffer[:4], "big")
        if not 1 <= length <= LONGEST:
            raise Broken(f"packet of {length} octets")
        if len(self._buffer) < 4 + length:
            return None
        packet, self._buffer = self._buffer[4 : 4 + length], self._buffer[4 + length :]
        return packet[:1], packet[1:]


def encode(command: bytes, data: bytes = b"") -> bytes:
    """One packet."""
    return (len(data) + 1).to_bytes(4, "big") + command + data


def texts(*values: str) -> bytes:
    """Texts, each ended by a NUL."""
    return b"".join(value.replace("\0", "").encode("utf-8", "surrogateescape") + b"\0" for value in values)


def options(actions: int, steps: int) -> bytes:
    """The negotiation packet (SMFIC_OPTNEG)."""
    return encode(b"O", b"".join(number.to_bytes(4, "big") for number in (VERSION, actions, steps)))


def negotiated(command: bytes, data: bytes) -> tuple[int, int]:
    """(actions, steps) of the milter's answer. Broken when it wants what was not offered."""
    if command != b"O" or len(data) < 12:
        raise Broken("no answer to the negotiation")
    version, actions, steps = (int.from_bytes(data[at : at + 4], "big") for at in (0, 4, 8))
    if version < 2 or version > VERSION or actions & ~ACTIONS:
        raise Broken(f"wants version {version}, actions {actions:#x}")
    return actions, steps


def macros(command: bytes, values: dict[str, str]) -> bytes:
    """The macros that hold for the command that comes next (SMFIC_MACRO)."""
    pairs = [text for name, value in values.items() if value for text in (name, value)]
    return encode(b"D", command + texts(*pairs))


def connect(name: str, address: str, port: int) -> bytes:
    """SMFIC_CONNECT."""
    if not address:
        return encode(b"C", texts(name) + b"L" + port.to_bytes(2, "big") + texts(""))
    family = b"6" if ":" in address else b"4"
    return encode(b"C", texts(name) + family + port.to_bytes(2, "big") + texts(address))


def header(name: bytes, value: bytes) -> bytes:
    """SMFIC_HEADER."""
    return encode(b"L", name.replace(b"\0", b"") + b"\0" + value.replace(b"\0", b"") + b"\0")


def field(data: bytes) -> tuple[str, str]:
    """Name and value of a header field in a packet. Broken for what is no name (RFC 5322 2.2), or not two texts."""
    found = split(data)
    name = found[0] if len(found) == 2 else ""
    if not name or not name.isascii() or not name.isprintable() or " " in name or ":" in name:
        raise Broken("wants a header field without a name")
    return name, found[1]


def split(data: bytes) -> list[str]:
    """The NUL-ended texts of a packet."""
    return data.decode("utf-8", "surrogateescape").split("\0")[:-1]
