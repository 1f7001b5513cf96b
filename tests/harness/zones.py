"""The DNS as a dict.

    world = zones.Zones({
        "example.org": {"MX": [(10, "mx.example.org")], "TXT": [b"v=spf1 -all"]},
        "mx.example.org": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
        "www.example.org": {"CNAME": ["example.org"]},
        "dead.example": "timeout",
    })
    resolver = Resolver(world)      # or zones.resolver({...})

A name that is missing is NXDOMAIN, a kind that is missing is an empty answer, "timeout" is no answer at all.
`world.asked` lists the questions, `world.secure` holds the names whose answers carry the AD bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mailkit.dns.answer import Answer
from mailkit.dns.resolve import Resolver
from mailkit.exits import Temp


class Zones(dict[str, Any]):
    """A query function for mailkit.dns.resolve.Resolver."""

    def __init__(self, records: Mapping[str, Any], ttl: int = 3600, secure: tuple[str, ...] = ()) -> None:
        super().__init__(records)
        self.ttl = ttl
        self.secure = set(secure)
        self.asked: list[tuple[str, str]] = []

    def __call__(self, name: str, kind: str) -> Answer:
        self.asked.append((name, kind))
        secure = name in self.secure
        for _ in range(9):
            found = self.get(name)
            if found is None:
                return Answer(ttl=self.ttl, exists=False, secure=secure, canonical=name)
            if found == "timeout" or found.get(kind) == "timeout":
                raise Temp(f"the name servers gave no answer for {name}", code="4.4.3", detail="a test's zone")
            if kind in found or "CNAME" not in found:
                return Answer(tuple(found.get(kind, ())), self.ttl, secure=secure, canonical=name)
            name = found["CNAME"][0]
        raise Temp(f"the name servers gave no answer for {name}", code="4.4.3", detail="a CNAME loop in a test's zone")


def resolver(records: Mapping[str, Any], **options: Any) -> Resolver:
    """A resolver over such a dict."""
    return Resolver(Zones(records, **options))
