"""fcrdns: has the client's address a name, and does the name lead back to the address (RFC 8601 3, "iprev")?

The name found is put into Received. Without one the client is refused, or marked where control/policy says `note`.
"""

from __future__ import annotations

from mailkit.control.networks import is_loopback
from mailkit.exits import Temp
from mailkit.policy.verdict import Verdict, defer, reject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home
    from mailkit.dns.resolve import Resolver
    from mailkit.policy.facts import Facts

_NAMES_MOST = 5  # PTR records looked at: an address with hundreds of names must not cost hundreds of questions

_resolvers: dict[str, Resolver] = {}


async def connect(facts: Facts) -> Verdict | None:
    """Look the name up, once a session."""
    if not facts.stranger or is_loopback(facts.peer) or facts.peer_name:
        return None  # nobody to ask about, or a front end has looked it up (XCLIENT)
    try:
        name = await facts.offload(verified, resolver(facts.home), facts.peer)
    except Temp as trouble:
        return defer("4.7.25", "the name of your address cannot be looked up now", detail=str(trouble))
    facts.peer_name = str(name)
    if not name:
        return reject("5.7.25", "your address has no name that leads back to it")
    return None


def resolver(home: Home) -> Resolver:
    """The resolver of a home, one a process so that sessions share its cache."""
    if home.path not in _resolvers:
        from mailkit.dns import resolve

        _resolvers[home.path] = resolve.configured(home.control)
    return _resolvers[home.path]


def verified(resolver: Resolver, ip: str) -> str:
    """The first name of `ip` that has `ip` among its addresses, "" when there is none. Temp as the resolver says."""
    same = _canonical(ip)
    for name in resolver.ptr(ip).records[:_NAMES_MOST]:
        found = resolver.addresses(str(name), ipv4=":" not in same, ipv6=":" in same)
        if any(_canonical(str(address)) == same for address in found.records):
            return str(name).rstrip(".").lower()
    return ""


def _canonical(ip: str) -> str:
    import ipaddress

    address = ipaddress.ip_address(ip.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
