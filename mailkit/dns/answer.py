"""What a look-up gave."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Answer:
    """The records of one name and kind.

    records: in the order the server gave; empty when there are none. By kind: A and AAAA addresses (str),
    PTR and CNAME names (str, no final dot, lower case), MX pairs (preference, host), TXT the joined
    strings (bytes), SRV (priority, weight, port, target), TLSA (usage, selector, matching type, data).
    exists: False for NXDOMAIN: nothing of any kind is at that name. ttl: seconds for which this holds, from
    the records, or from the SOA for "there is none" (RFC 2308 5). secure: a resolver we trust says that
    DNSSEC proves it (the AD bit, RFC 4035 3.2.3). canonical: the name after following CNAMEs.
    """

    __slots__ = ("canonical", "exists", "records", "secure", "ttl")

    def __init__(
        self,
        records: tuple[Any, ...] = (),
        ttl: int = 0,
        *,
        secure: bool = False,
        exists: bool = True,
        canonical: str = "",
    ) -> None:
        self.records = records
        self.ttl = ttl
        self.secure = secure
        self.exists = exists
        self.canonical = canonical

    def __repr__(self) -> str:
        return f"Answer({self.records!r}, ttl={self.ttl}, secure={self.secure}, exists={self.exists})"
