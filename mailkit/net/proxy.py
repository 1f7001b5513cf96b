"""The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): a front end says whose connection it hands on.

Read only from the peers in control/proxyfrom, and then the header must be there; it comes before everything else, the
TLS handshake too. `parse` and `missing` are the engine; the drivers give `read` their way to receive octets.
"""

from __future__ import annotations

import _socket

from mailkit import log
from mailkit.control.networks import Networks
from mailkit.exits import Perm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailkit.control import Home
    from mailkit.net.conn import Conn

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V1_LONGEST = 107
_V2_HEAD = 16
# In all, for the header of one connection. The specification wants no less than 3 s: a lost packet may come again.
WITHIN_S = 10.0
# Address block of each family of version 2: octets of one address.
_FAMILIES = {1: (_socket.AF_INET, 4), 2: (_socket.AF_INET6, 16)}


class Fronts:
    """The front ends in control/proxyfrom; `"192.0.2.7" in fronts`. Perm when the file has an entry that is none.

    They are addresses: a pipe or a Unix socket has no front end, even where the file lists loopback, because ssh and
    other mail servers come that way.
    """

    def __init__(self, home: Home) -> None:
        self._control = home.control
        self._lines: list[str] = []
        self._networks = Networks([])

    def __contains__(self, address: str) -> bool:
        return address in self._present() if address else False

    def __bool__(self) -> bool:
        return bool(self._present())

    def _present(self) -> Networks:
        lines = self._control.lines("proxyfrom")
        if lines is not self._lines:  # which it is until the file changes
            try:
                self._networks = Networks(lines)
            except ValueError as error:
                raise Perm("configuration error", code="4.3.5", detail=f"control/proxyfrom: {error}")
            self._lines = lines
        return self._networks


class Proxied:
    """Addresses and ports of the real connection; peer "" when the front end speaks for itself (LOCAL, UNKNOWN)."""

    __slots__ = ("local", "local_port", "octets", "peer", "peer_port")

    def __init__(self, octets: int, peer: str = "", peer_port: int = 0, local: str = "", local_port: int = 0) -> None:
        self.octets = octets  # of the header
        self.peer = peer
        self.peer_port = peer_port
        self.local = local
        self.local_port = local_port

    def introduce(self, conn: Conn) -> None:
        """Give a connection the addresses of the real one."""
        if self.peer:
            conn.peer, conn.peer_port = self.peer, self.peer_port
            conn.local, conn.local_port = self.local, self.local_port


def parse(data: bytes) -> Proxied | None:
    """The header at the beginning of `data`, None while it is not complete. ValueError when it is none."""
    if data[: len(_SIGNATURE)] == _SIGNATURE[: len(data)]:
        return _v2(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _v1(data)
    raise ValueError("no PROXY header")


def missing(data: bytes) -> int:
    """How many octets may be read in one go after `data`, the incomplete beginning of a header, without taking any
    that lie behind the header."""
    if len(data) < len(_SIGNATURE):
        return len(_SIGNATURE) - len(data)  # the shortest line, PROXY UNKNOWN, has 15
    if not data.startswith(_SIGNATURE):
        return 1 if data.endswith(b"\r") else 2
    if len(data) < _V2_HEAD:
        return _V2_HEAD - len(data)
    return _V2_HEAD + int.from_bytes(data[14:16], "big") - len(data)


async def read(receive: Callable[[int], Awaitable[bytes]]) -> Proxied:
    """The header a connection begins with, and not an octet more. receive: at most so many octets of what came, b"" at
    the end. ValueError when there is none."""
    data = b""
    while (found := parse(data)) is None:
        piece = await receive(missing(data))
        if not piece:
            raise ValueError("the connection ended before the PROXY header did")
        data += piece
    return found


def refuse(conn: Conn, error: str) -> None:
    """Log that a front end's connection is closed: one that is set up wrongly cannot be told so in any protocol."""
    log.event("proxy", c=conn.id, service=conn.service, peer=conn.peer, error=error)


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
        _text(family, source),
        int.from_bytes(ports[:2], "big"),
        _text(family, target),
        int.from_bytes(ports[2:4], "big"),
    )


def _ip(family: int, text: str) -> str:
    try:
        return _text(family, _socket.inet_pton(family, text))
    except OSError:
        raise ValueError("bad address in the PROXY line")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise ValueError("bad port in the PROXY line")
    return int(text)


def _text(family: int, octets: bytes) -> str:
    """IPv4 in IPv6 reads as IPv4, as it does for connections without a front end."""
    text = _socket.inet_ntop(family, octets)
    return text.removeprefix("::ffff:") if "." in text else text
