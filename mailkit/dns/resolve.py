"""Resolver: the questions mail asks, with a cache.

    resolver = resolve.configured(home.control)
    resolver.mx("example.org").records          ((10, "mx1.example.org"), (20, "mx2.example.org"))

Every function blocks (control/dnstimeout at most for each question) and raises Temp 4.4.3 when the name
servers give no answer. Tests give a dict of zones as the query (tests/harness/zones.py).
"""

from __future__ import annotations

from mailkit.dns.answer import Answer
from mailkit.dns.cache import Cache
from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mailkit.control import Control


class Unknown(Exception):
    """The cache does not hold what was asked for."""


class Resolver:
    """Look-ups through `query(name, kind)`, each kept in `cache` for as long as it holds."""

    def __init__(self, query: Callable[[str, str], Answer], cache: Cache | None = None) -> None:
        self._query = query
        self._cache = Cache() if cache is None else cache

    def remembered(self) -> Resolver:
        """The same from the cache alone: it never blocks, and raises Unknown where it would have to ask."""
        return Resolver(_unasked, self._cache)

    def ask(self, name: str, kind: str) -> Answer:
        """The records of any kind. Names may be in Unicode and end in a dot; an impossible one does not exist."""
        name = ascii_name(name)
        if not name:
            return Answer(exists=False)
        known = self._cache.find(name, kind)
        if known is None:
            try:
                known = self._query(name, kind)
            except Temp as error:
                known = error
            self._cache.keep(name, kind, known)
        if isinstance(known, Temp):
            # A new exception each time: a raised one gathers the tracebacks of all who met it.
            raise Temp(known.text, code=known.code, detail=known.detail)
        return known

    def mx(self, domain: str) -> Answer:
        """Pairs (preference, host), best first; a null MX (RFC 7505) is the one pair (0, "")."""
        found = self.ask(domain, "MX")
        return Answer(
            tuple(sorted(found.records)),
            found.ttl,
            secure=found.secure,
            exists=found.exists,
            canonical=found.canonical,
        )

    def addresses(self, host: str, ipv4: bool = True, ipv6: bool = True) -> Answer:
        """IPv6 and IPv4 addresses of a host, IPv6 first. secure: all of it is.

        When one family gets no answer and the other has addresses, these are given: a name server that
        chokes on AAAA must not stop mail (RFC 4074 4). Temp only when nothing was found and something
        failed.
        """
        found: list[Answer] = []
        failed: Temp | None = None
        for kind, wanted in (("AAAA", ipv6), ("A", ipv4)):
            try:
                found += [self.ask(host, kind)] if wanted else []
            except Temp as error:
                failed = error
        records = tuple(address for answer in found for address in answer.records)
        if failed is not None and not records:
            raise failed
        if not found:
            return Answer()
        secure = failed is None and all(answer.secure for answer in found)
        shortest = min(found, key=lambda answer: answer.ttl)
        return Answer(
            records,
            shortest.ttl,
            secure=secure,
            exists=any(answer.exists for answer in found),
            canonical=found[-1].canonical,
        )

    def ptr(self, ip: str) -> Answer:
        """The names of an address. An address that is none has no names."""
        import ipaddress

        try:
            return self.ask(ipaddress.ip_address(ip).reverse_pointer, "PTR")
        except ValueError:
            return Answer(exists=False)

    def txt(self, name: str) -> Answer:
        """TXT records as bytes, the strings of one record joined (RFC 7208 3.3)."""
        return self.ask(name, "TXT")

    def srv(self, name: str) -> Answer:
        """SRV records (RFC 2782) of a full name, "_imaps._tcp.example.org": (priority, weight, port, target)."""
        return self.ask(name, "SRV")

    def tlsa(self, name: str) -> Answer:
        """TLSA records of a full name, "_25._tcp.mx.example.org"."""
        return self.ask(name, "TLSA")


def _unasked(name: str, kind: str) -> Answer:
    raise Unknown(name)


def configured(control: Control) -> Resolver:
    """The resolver that control/dnsservers, dnstimeout and dnstrust describe; nothing is asked yet."""
    from mailkit.dns import query

    return Resolver(query.configured(control))


def ascii_name(name: str) -> str:
    """`name` in lower case, without final dot and in A-labels; "" when no such name can exist in the DNS."""
    name = name.removesuffix(".").lower()
    if not name.isascii():
        from mailkit.mail import idn

        try:
            name = idn.ascii(name)
        except ValueError:
            return ""
    if len(name) > 253 or not all(0 < len(label) < 64 for label in name.split(".")):
        return ""
    return name
