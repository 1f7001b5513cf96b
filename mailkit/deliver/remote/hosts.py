"""Which servers take mail for a domain, in the order to try them (RFC 5321 5.1, RFC 7505, RFC 8305).

Everything here blocks on the name servers.
"""

from __future__ import annotations

import functools

from mailkit import clock
from mailkit.deliver.remote.routes import Route
from mailkit.dns.resolve import Resolver
from mailkit.exits import Perm, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESSES_MOST = 10  # how many are tried for one message
PATIENCE_S = 10.0  # for an address, while worse ones wait for it; for each while there are others, if all go in turn


class Place:
    """One address of a server. name: the host's name, or the address; "" is never. ip: an address, or the path of a
    socket. secure: DNSSEC proves that this is a server of the domain, or the administrator says so. rank: the MX
    preference, less is better."""

    __slots__ = ("ip", "name", "port", "rank", "secure")

    def __init__(self, name: str, ip: str, port: int, secure: bool = False, rank: int = 0) -> None:
        self.name = name
        self.ip = ip
        self.port = port
        self.secure = secure
        self.rank = rank

    def __repr__(self) -> str:
        return f"Place({self.name!r}, {self.ip!r}, {self.port}, {self.secure})"

    def __str__(self) -> str:
        return f"{self.name}[{self.ip}]" if self.name != self.ip else self.ip


def known(route: Route, domain: str) -> Place | None:
    """The place that needs no name server: a socket, an address in a route or as the domain itself. Perm when the
    domain is an address literal that is none."""
    if route.direct:
        return Place(route.host, route.host, route.port, True) if is_address(route.host) else None
    if not route.host and domain.startswith("["):
        ip = literal(domain)
        return Place(ip, ip, route.port)
    return None


def find(
    resolver: Resolver, route: Route, domain: str, me: str, ours: Callable[[str], bool]
) -> list[Place]:
    """The places to try, best first, ADDRESSES_MOST at most.

    me: our name; ours: is this an address of this machine? Perm when there is none, or it leads back to
    us; Temp when the name servers give no answer.
    """
    place = known(route, domain)
    if place is not None:
        return _not_ours([place], domain, ours) if not route.direct else [place]
    if route.direct:
        return _of_host(resolver, route.host, route.port, True)
    return _by_mx(resolver, route.host or domain, route.port, me, ours)


def literal(domain: str) -> str:
    """The address in "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). Perm when there is none."""
    text = domain.removeprefix("[").removesuffix("]")
    ip = text[5:] if text.lower().startswith("ipv6:") else text
    if not is_address(ip) or ip.startswith("/") or (":" in ip) != (ip != text):
        raise Perm(f"{domain} is not an address", code="5.1.2")
    return ip


@functools.lru_cache(1000)
def is_address(text: str) -> bool:
    """Is it an IP address, or the path of a socket?"""
    import ipaddress

    if text.startswith("/"):
        return True
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _by_mx(resolver: Resolver, domain: str, port: int, me: str, ours: Callable[[str], bool]) -> list[Place]:
    found = resolver.mx(domain)
    if not found.exists:
        raise Perm(f"the domain {domain} does not exist", code="5.1.2")
    if found.records == ((0, ""),) or (len(found.records) == 1 and found.records[0][1] == ""):
        raise Perm(f"the domain {domain} accepts no mail", code="5.1.10")  # RFC 7505 4.1
    # RFC 5321 5.1: without MX the domain itself is the host; what a CNAME led to counts in its place.
    exchangers = found.records or ((0, found.canonical or domain),)
    places: list[Place] = []
    failed: Trouble | None = None
    for preference, host in _shuffled(exchangers):
        if len(places) >= ADDRESSES_MOST:
            break
        try:
            addresses = _of_host(resolver, host, port, found.secure, preference) if host else []
        except Trouble as error:
            failed = _worse(failed, error)
            continue
        if host == me.lower() or any(ours(place.ip) for place in addresses):
            # RFC 5321 5.1: a server never sends to one that is no better than itself.
            places = [place for place in places if place.rank < preference]
            if not places:
                raise Perm(f"mail for {domain} leads back to this server, which does not know it", code="5.4.6")
            break
        places += addresses
    if not places:
        raise failed or Perm(f"no server for {domain} has an address", code="5.4.4")
    return places[:ADDRESSES_MOST]


def _shuffled(exchangers: tuple[tuple[int, str], ...]) -> list[tuple[int, str]]:
    """By preference; those of the same one in any order (RFC 5321 5.1)."""
    return sorted(exchangers, key=lambda pair: (pair[0], clock.random()))


def _of_host(resolver: Resolver, host: str, port: int, secure: bool, rank: int = 0) -> list[Place]:
    if host == "localhost":  # RFC 6761 6.3: not a question for name servers
        return [Place(host, "127.0.0.1", port, secure, rank), Place(host, "::1", port, secure, rank)]
    found = resolver.addresses(host)
    if not found.records:
        raise Perm(f"the server {host} has no address", code="5.4.4")
    return [Place(host, ip, port, secure and found.secure, rank) for ip in interleaved(found.records)]


def interleaved(addresses: tuple[str, ...]) -> list[str]:
    """IPv6 and IPv4 by turns, IPv6 first (RFC 8305 4), so that a family that does not work costs one try."""
    ipv6 = [ip for ip in addresses if ":" in ip]
    ipv4 = [ip for ip in addresses if ":" not in ip]
    out: list[str] = []
    for number in range(max(len(ipv6), len(ipv4))):
        out += ipv6[number : number + 1] + ipv4[number : number + 1]
    return out


def _worse(one: Trouble | None, other: Trouble) -> Trouble:
    """Temporary trouble decides over permanent: there may be a server yet."""
    return other if one is None or isinstance(one, Perm) else one


def _not_ours(places: list[Place], domain: str, ours: Callable[[str], bool]) -> list[Place]:
    if any(ours(place.ip) for place in places):
        raise Perm(f"{domain} is this server, which does not know the address", code="5.4.6")
    return places


def local(ip: str) -> bool:
    """Is it an address of this machine, or one that means no other (loopback, unspecified, multicast)?"""
    import ipaddress
    import socket

    address = ipaddress.ip_address(ip)
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return local(str(mapped))
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return True
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((ip, 0))
        except OSError:
            return False
    return True
