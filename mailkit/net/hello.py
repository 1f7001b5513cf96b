"""The ClientHello (RFC 8446 4.1.2): which host name does a client ask for? Read before anything else of a handshake.

    record     0x16, version of 2 octets, length of 2, and so many octets of the message; it may take several
    message    0x01, length of 3: version of 2, random of 32, then vectors, each after its length:
               session id, cipher suites, compression methods, extensions
    extension  type of 2, a vector; type 0 holds a vector of names (RFC 6066 3): kind 0 and a vector

Only as much is judged as it takes to find the name: what is wrong with the rest, the TLS library says.
"""

from __future__ import annotations

_HANDSHAKE = b"\x16"  # the type of a record
_HELLO = b"\1"  # the type of a message
_SERVER_NAME = b"\0\0"  # the type of an extension
_HOST = b"\0"  # the kind of a name
_RECORD_MOST = 16384
_MOST = 65536  # octets of a message; those of today have 2,000, most of it keys
_RECORDS = 16  # of a message; one is usual, and this is asked with each octet that a slow client sends


class _Short(Exception):
    """A vector says that it is longer than what is there."""


def server_name(octets: bytes) -> str | None:
    """The name in what a client sent so far; "" when it names none, or this is no ClientHello; None when that cannot
    be told yet."""
    message = _message(octets)
    if message is None:
        return None
    try:
        return _name(message)
    except (_Short, UnicodeDecodeError):
        return ""


def _message(octets: bytes) -> bytes | None:
    """The first message of the records, without its type and length; None when it is not whole yet, b"" when it is no
    ClientHello, or none that anybody would send."""
    message = b""
    for _ in range(_RECORDS):
        size = int.from_bytes(octets[3:5], "big")
        if octets[:1] not in (b"", _HANDSHAKE) or (len(octets) >= 5 and not 0 < size <= _RECORD_MOST):
            return b""
        message += octets[5 : 5 + size]
        end = 4 + int.from_bytes(message[1:4], "big")
        if message[:1] not in (b"", _HELLO) or end > _MOST:
            return b""
        if len(message) >= end:
            return message[4:end]
        if len(octets) < 5 + size or not octets:
            return None
        octets = octets[5 + size :]
    return b""


def _name(message: bytes) -> str:
    """The host name in a whole message. _Short, UnicodeDecodeError."""
    rest = message[2 + 32 :]
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        _, rest = _vector(rest, width)
    extensions = _vector(rest, 2)[0] if rest else b""
    while extensions:
        kind = extensions[:2]
        extension, extensions = _vector(extensions[2:], 2)
        if kind == _SERVER_NAME:
            names, _ = _vector(extension, 2)
            name, _ = _vector(names[1:], 2)
            return name.decode("ascii") if names[:1] == _HOST else ""
    return ""


def _vector(octets: bytes, width: int) -> tuple[bytes, bytes]:
    """A vector whose length is in `width` octets before it, and what follows it. _Short."""
    end = width + int.from_bytes(octets[:width], "big")
    if len(octets) < max(end, width):
        raise _Short
    return octets[width:end], octets[end:]
