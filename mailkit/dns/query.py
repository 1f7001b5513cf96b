"""One question to a recursive name server, over dnspython.

The AD bit counts only from a server that we reach without leaving the machine, or when control/dnstrust
says that the way to it is safe: anybody on the path can set it (RFC 4035 3.2.3; resolv.conf's "trust-ad"
is the same decision).
"""

from __future__ import annotations

from mailkit.control import Control
from mailkit.dns.answer import Answer
from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import dns.message
    import dns.rdatatype
    import dns.resolver

# A negative answer without an SOA may not be kept (RFC 2308 5); dnspython reports such a TTL as the
# largest there is.
_NO_TTL = 1 << 31
_PAYLOAD_OCTETS = 1232  # fits every path without fragments


class Query:
    """Asks the given name servers, or those of /etc/resolv.conf when there are none.

    servers: addresses, each "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" or "[2001:db8::1]:5353".
    timeout_s: for one question with all its repetitions. trusted: believe the AD bit of servers that are
    not on this machine.
    """

    def __init__(self, servers: list[str], timeout_s: float, trusted: bool = False) -> None:
        import dns.flags
        import dns.nameserver
        import dns.resolver

        resolver = dns.resolver.Resolver(configure=not servers)
        if servers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(*split(server)) for server in servers]
        resolver.lifetime = timeout_s
        # A lost packet is asked again, and another server tried, well before the whole time is over.
        resolver.timeout = max(0.5, timeout_s / 5)
        # RFC 6840 5.7: AD in a question asks for AD in the answer.
        resolver.flags = dns.flags.RD | dns.flags.AD
        resolver.use_edns(0, 0, _PAYLOAD_OCTETS)
        self._resolver = resolver
        self._trusted = trusted or all(_near(server) for server in resolver.nameservers)

    def __call__(self, name: str, kind: str) -> Answer:
        """The records of `name` ("example.org") and `kind` ("MX"). Temp 4.4.3: no server gave an answer."""
        import dns.exception
        import dns.name
        import dns.resolver

        try:
            found = self._resolver.resolve(name + ".", kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            return self._missing(error)
        except (dns.exception.SyntaxError, dns.name.BadEscape, dns.name.EmptyLabel):
            return Answer(exists=False)  # text that can be no name
        except (dns.exception.DNSException, OSError) as error:
            raise _failed(name, kind, error)
        records = tuple(_value(record, kind) for record in found.rrset or ())
        return Answer(
            records,
            _ttl(found.chaining_result.minimum_ttl),
            secure=self._secure(found.response),
            canonical=_text(found.canonical_name),
        )

    def _missing(self, error: dns.resolver.NXDOMAIN) -> Answer:
        responses: dict[Any, dns.message.QueryMessage] = error.responses()  # type: ignore[no-untyped-call]
        response = next(iter(responses.values()))
        result = response.resolve_chaining()
        return Answer(
            (),
            _ttl(result.minimum_ttl),
            exists=False,
            secure=self._secure(response),
            canonical=_text(result.canonical_name),
        )

    def _secure(self, response: dns.message.Message) -> bool:
        import dns.flags

        return self._trusted and bool(response.flags & dns.flags.AD)


def configured(control: Control) -> Query:
    """The Query of control/dnsservers, dnstimeout and dnstrust. Temp when no server can be had from them, or from
    /etc/resolv.conf where they name none: mail waits until somebody has put it right."""
    import dns.exception

    servers = control.lines("dnsservers")
    try:
        return Query(servers, control.seconds("dnstimeout"), control.flag("dnstrust"))
    except ValueError as error:
        raise Temp("no usable name server", code="4.3.5", detail=f"control/dnsservers: {error}")
    except (dns.exception.DNSException, OSError) as error:
        raise Temp("no usable name server", code="4.3.5", detail=f"/etc/resolv.conf: {error}")


def split(server: str) -> tuple[str, int]:
    """Address and port of a name server: "192.0.2.1:5353" -> ("192.0.2.1", 5353). ValueError: neither."""
    import ipaddress

    host, port = server, "53"
    if server.startswith("["):
        host, _, port = server[1:].partition("]")
        port = port.removeprefix(":") or "53"
    elif server.count(":") == 1:
        host, _, port = server.partition(":")
    return str(ipaddress.ip_address(host)), int(port)


def _near(server: object) -> bool:
    import ipaddress

    address = getattr(server, "address", server)
    try:
        return ipaddress.ip_address(str(address)).is_loopback
    except ValueError:
        return False  # DNS over HTTPS, named by a URL


def _failed(name: str, kind: str, error: Exception) -> Temp:
    why = str(error) or type(error).__name__
    return Temp(f"the name servers gave no answer for {name}", code="4.4.3", detail=f"{kind} {name}: {why}")


def _ttl(seconds: int) -> int:
    return 0 if seconds >= _NO_TTL - 1 else seconds


def _text(name: Any) -> str:
    return str(name.to_text(omit_final_dot=True)).lower() if len(name) > 1 else ""


def _value(record: Any, kind: str) -> object:
    if kind in ("A", "AAAA"):
        return str(record.address)
    if kind == "MX":
        return int(record.preference), _text(record.exchange)
    if kind == "TXT":
        return b"".join(record.strings)
    if kind == "SRV":
        return int(record.priority), int(record.weight), int(record.port), _text(record.target)
    if kind == "TLSA":
        return int(record.usage), int(record.selector), int(record.mtype), bytes(record.cert)
    return _text(record.target)  # PTR, CNAME
