"""helo: is the name after HELO or EHLO one that a mail server may have (RFC 5321 4.1.1.1, 4.1.3)?

Refused: a name or address of ours, an address literal that is not the client's address, a bare IP address, octets
no name can hold. A name without a dot is only marked. Asked of unknown mail servers on service mx.
"""

from __future__ import annotations

from mailkit.control.networks import is_loopback
from mailkit.policy.verdict import Verdict, header, reject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.policy.facts import Facts

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


async def helo(facts: Facts) -> Verdict | None:
    """Judge the name."""
    if not facts.stranger or is_loopback(facts.peer):
        return None
    name = facts.helo.lower().rstrip(".")
    if name.startswith("[") and name.endswith("]"):
        return _literal(name[1:-1].removeprefix("ipv6:"), facts.peer)
    # RFC 5321 4.1.2: underscores are no host names, but machines with one send real mail.
    if not name or not set(name) <= _NAME:
        return reject("5.5.2", "that is no host name", code=501)
    if name.replace(".", "").isdigit():
        return reject("5.7.1", "an address stands in brackets")
    control = facts.home.control
    if name == control.text("me").lower() or name in (domain.lower() for domain in control.lines("domains")):
        return reject("5.7.1", "that is our name, not yours")
    if "." not in name:
        return header("X-Policy", "helo=unqualified")
    return None


def _literal(address: str, peer: str) -> Verdict | None:
    if address == peer.lower():
        return None
    return reject("5.7.1", "that is not your address")
