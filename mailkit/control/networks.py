"""Lists of addresses and networks, as control files have them.

    192.0.2.1
    192.0.2.0/24
    2001:db8::/32
    loopback                the peer is on this machine (127.0.0.0/8, ::1, or no network at all: a pipe)
"""

from __future__ import annotations

import _socket

LOOPBACK = "loopback"


class Networks:
    """A parsed list; `"192.0.2.7" in networks`. ValueError names the entry that is none."""

    __slots__ = ("_nets", "_pipe")

    def __init__(self, entries: list[str]) -> None:
        self._pipe = LOOPBACK in entries
        texts = [entry for entry in entries if entry != LOOPBACK]
        if self._pipe:
            texts += ["127.0.0.0/8", "::1"]
        self._nets = [_network(text) for text in texts]

    def __contains__(self, address: str) -> bool:
        if not address:
            return self._pipe
        if not self._nets:
            return False
        number, bits = _number(address)
        return any(bits == of and number >> shift == net for net, shift, of in self._nets)

    def __bool__(self) -> bool:
        return bool(self._nets)


def is_loopback(address: str) -> bool:
    """On this machine: loopback addresses, also as IPv6 writes them, and pipes ("")."""
    plain = address.removeprefix("::ffff:")
    return not address or plain == "::1" or (plain.startswith("127.") and plain.count(".") == 3)


def customer(address: str) -> str:
    """What stands for one customer where they are counted: the /64 of an IPv6 address, "2001:db8::-64", which each has
    whole; any other address itself. There is no slash in it. ValueError: no address."""
    address = address.removeprefix("::ffff:") if "." in address else address
    if ":" not in address or address == "::1":
        return address.replace("/", "")
    try:
        octets = _socket.inet_pton(_socket.AF_INET6, address.partition("%")[0])
    except OSError:
        raise ValueError(f"{address!r} is no IP address")
    return _socket.inet_ntop(_socket.AF_INET6, octets[:8] + bytes(8)) + "-64"


def _number(address: str) -> tuple[int, int]:
    """(address as a number, 32 or 128 bits); IPv4-mapped IPv6 counts as IPv4. ValueError."""
    try:
        if ":" not in address:
            return int.from_bytes(_socket.inet_pton(_socket.AF_INET, address), "big"), 32
        octets = _socket.inet_pton(_socket.AF_INET6, address.partition("%")[0])
    except OSError:
        raise ValueError(f"{address!r} is no IP address")
    if octets[:12] == b"\0" * 10 + b"\xff\xff":
        return int.from_bytes(octets[12:], "big"), 32
    return int.from_bytes(octets, "big"), 128


def _network(text: str) -> tuple[int, int, int]:
    """(prefix, how far to shift an address to compare, bits of an address)."""
    address, slash, length = text.partition("/")
    number, bits = _number(address)
    if slash and not (length.isascii() and length.isdigit() and int(length) <= bits):
        raise ValueError(f"{text!r} is no network")
    shift = bits - int(length) if slash else 0
    return number >> shift, shift, bits
