"""The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): a front end says whose connection it hands on.

Read only from peers in control/proxyfrom, and then the header must be there. `parse` is the engine, `receive`
applies what it found to a session.
"""

from __future__ import annotations

import _socket

from mailkit.net.conn import Gone
from mailkit.smtp import dialogue
from mailkit.smtp.wire import Receiver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V1_LONGEST = 107
_V2_HEAD = 16
# Address block of each family of version 2: octets of one address.
_FAMILIES = {1: (_socket.AF_INET, 4), 2: (_socket.AF_INET6, 16)}


class Proxied:
    """Addresses and ports of the real connection; peer "" when the front end speaks for itself (LOCAL, UNKNOWN)."""

    __slots__ = ("local", "local_port", "octets", "peer", "peer_port")

    def __init__(self, octets: int, peer: str = "", peer_port: int = 0, local: str = "", local_port: int = 0) -> None:
        self.octets = octets  # of the header
        self.peer = peer
        self.peer_port = peer_port
        self.local = local
        self.local_port = local_port


def parse(data: bytes) -> Proxied | None:
    """The header at the beginning of `data`, None while it is not complete. ValueError when it is none."""
    if data[: len(_SIGNATURE)] == _SIGNATURE[: len(data)]:
        return _v2(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _v1(data)
    raise ValueError("no PROXY header")


def _v1(data: bytes) -> Proxied | None:
    end = data.find(b"\r\n")
    if end < 0 and len(data) < _V1_LONGEST:
        return None
    if end < 0 or end + 2 > _V1_LONGEST:
        raise ValueError("PROXY line too long")
    words = data[:end].decode("ascii", "replace").split(" ")
    if words[1] == "UNKNOWN":
        return Proxied(end + 2)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise ValueError("bad PROXY line")
    family = _socket.AF_INET if words[1] == "TCP4" else _socket.AF_INET6
    return Proxied(end + 2, _ip(family, words[2]), _port(words[4]), _ip(family, words[3]), _port(words[5]))


def _v2(data: bytes) -> Proxied | None:
    if len(data) < _V2_HEAD:
        return None
    version, command = data[12] >> 4, data[12] & 15
    length = int.from_bytes(data[14:16], "big")
    if version != 2 or command > 1:
        raise ValueError("bad PROXY header")
    if len(data) < _V2_HEAD + length:
        return None
    block = data[_V2_HEAD : _V2_HEAD + length]
    if command == 0 or data[13] >> 4 not in _FAMILIES:
        return Proxied(_V2_HEAD + length)
    family, size = _FAMILIES[data[13] >> 4]
    if length < 2 * size + 4:
        raise ValueError("PROXY header too short")
    source, target, ports = block[:size], block[size : 2 * size], block[2 * size :]
    return Proxied(
        _V2_HEAD + length,
        _socket.inet_ntop(family, source),
        int.from_bytes(ports[:2], "big"),
        _socket.inet_ntop(family, target),
        int.from_bytes(ports[2:4], "big"),
    )


def _ip(family: int, text: str) -> str:
    try:
        return _socket.inet_ntop(family, _socket.inet_pton(family, text))
    except OSError:
        raise ValueError("bad address in the PROXY line")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise ValueError("bad port in the PROXY line")
    return int(text)


async def receive(session: Session) -> None:
    """Read the header, before anything else is said, and take over the addresses.

    Gone when it is none: a front end that is set up wrongly cannot be told so in SMTP.
    """
    data = b""
    while True:
        await dialogue.receive(session)
        data += session.receiver.take(len(session.receiver))
        try:
            found = parse(data)
        except ValueError:
            raise Gone
        if found is not None:
            break
    if found.peer:
        conn = session.conn
        conn.peer, conn.peer_port = found.peer, found.peer_port
        conn.local, conn.local_port = found.local, found.local_port
        session.meet()
        session.receiver = Receiver(session.repair)
    if data[found.octets :]:
        session.receiver.feed(data[found.octets :])
        session.facts.spoke_early = True
