"""What the DNS is to say of a host and its domains, as lines of a zone file.

    mail.example.org.                       IN A    198.51.100.7
    example.org.                            IN MX   10 mail.example.org.
    example.org.                            IN TXT  "v=spf1 mx -all"
    _submissions._tcp.example.org.          IN SRV  0 1 465 mail.example.org.      (RFC 6186, RFC 8314 5.1)
    ; 198.51.100.7 must lead back to mail.example.org. (PTR): ask whoever gave you the address
"""

from __future__ import annotations

import ipaddress
import socket

from mailkit.net import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What clients look for (RFC 6186 3, RFC 8314 5.1), the better first: priorities say so.
_SERVICES = ("submissions", "submission", "imaps", "imap", "pop3s", "pop3")
_SOMEWHERE = (("198.51.100.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))


def lines(host: str, domains: list[str], listen: list[str], addresses: list[str]) -> Iterator[str]:
    """The records. listen: lines of control/listen; addresses: those that others reach this machine by."""
    for address in addresses:
        yield _line(host, "AAAA" if ":" in address else "A", address)
    if not addresses:
        yield f"; {host}. needs an A record, or AAAA, with the address by which others reach this machine"
    ports = {name: port for name, _, port in sockets.understood(listen)}
    for domain in domains:
        yield _line(domain, "MX", f"10 {host}.")
        yield _line(domain, "TXT", '"v=spf1 mx -all"')
        for name, port in offered(ports):
            # RFC 8314 4.5.2: implicit TLS comes first.
            priority = 0 if name in sockets.IMPLICIT_TLS else 10
            yield _line(f"_{name}._tcp.{domain}", "SRV", f"{priority} 1 {port} {host}.")
    for address in addresses or ["that address"]:
        yield f"; {address} must lead back to {host}. (PTR): ask whoever gave you the address"


def offered(ports: dict[str, int]) -> list[tuple[str, int]]:
    """The services, of those that listen, that clients look for in the DNS; with their ports, the better first."""
    return [(name, ports[name]) for name in _SERVICES if name in ports]


def _line(name: str, kind: str, data: str) -> str:
    return f"{name + '.':39} IN {kind:4} {data}"


def addresses() -> list[str]:
    """This machine's addresses on the way out, those that the whole world reaches; nothing is sent."""
    found = []
    for somewhere, family in _SOMEWHERE:
        with socket.socket(family, socket.SOCK_DGRAM) as end:
            try:
                end.connect((somewhere, 53))
            except OSError:
                continue  # no way out in this family
            own = end.getsockname()[0]
            if ipaddress.ip_address(own).is_global:
                found.append(own)
    return found
