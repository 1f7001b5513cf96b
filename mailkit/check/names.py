"""The DNS: do the records of each domain lead here, and does our address lead back to our name?"""

from __future__ import annotations

import ipaddress

from mailkit.check.finding import BAD, GOOD, NOTE, UNSURE, WARN, Finding, Site
from mailkit.deliver import route
from mailkit.deliver.remote import routes
from mailkit.exits import Temp
from mailkit.net import sockets
from mailkit.setup import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def check(site: Site) -> Iterator[Finding]:
    """Our own name first: when nobody answers for that, the rest is not asked."""
    try:
        addresses = site.resolver.addresses(site.me).records
    except Temp as trouble:
        mend = "look at /etc/resolv.conf and control/dnsservers; --no-network leaves this out"
        yield Finding(UNSURE, str(trouble), mend)
        return
    yield from _own_name(site, addresses)
    for domain in sorted(route.hosted(site.home)):
        try:
            yield from [*_mx(site, domain), *_spf(site, domain), *_srv(site, domain)]
        except Temp as trouble:
            yield Finding(UNSURE, f"{domain}: {trouble}")
    lines = site.home.control.lines("relayto")
    for domain in dict.fromkeys(line.rpartition("@")[2].lower() for line in lines if not line.startswith(".")):
        try:
            yield from _sent_on(site, domain)
        except Temp as trouble:
            yield Finding(UNSURE, f"{domain}: {trouble}")


def _own_name(site: Site, addresses: tuple[str, ...]) -> Iterator[Finding]:
    if not addresses:
        yield Finding(BAD, f"{site.me} has no address", f"add the record: {site.me}. A (this machine's address)")
    for address in addresses:
        if not ipaddress.ip_address(address).is_global:
            yield Finding(NOTE, f"{site.me} is {address}: nobody outside can reach that")
            continue
        try:
            found = site.resolver.ptr(address).records
        except Temp as trouble:
            yield Finding(UNSURE, f"{address}: {trouble}")
            continue
        if site.me.lower() in found:
            yield Finding(GOOD, f"{site.me} is {address}, and back")
        else:
            text = f"{address} leads back to {', '.join(found) or 'no name'}: many servers refuse mail from such"
            yield Finding(WARN, text, f"ask who gave you the address for the name {site.me}")


def _mx(site: Site, domain: str) -> Iterator[Finding]:
    """RFC 5321 5.1: who takes the mail of a domain."""
    records = site.resolver.mx(domain).records
    hosts = [host for _, host in records]
    mend = f"add the record: {domain}. MX 10 {site.me}."
    if site.me.lower() in hosts:
        others = [host for host in hosts if host != site.me.lower()]
        yield Finding(GOOD, f"{domain}: MX is this host" + (f", besides {', '.join(others)}" if others else ""))
    elif hosts == [""]:
        yield Finding(BAD, f"{domain}: its MX says that it takes no mail (RFC 7505)", mend)
    elif hosts:
        # A filter in front, or a second name of this machine.
        yield Finding(WARN, f"{domain}: MX is {', '.join(hosts)}, not {site.me}", mend)
    elif set(site.resolver.addresses(domain).records) & set(site.resolver.addresses(site.me).records):
        yield Finding(NOTE, f"{domain}: has no MX; its address is this host's, which will do", mend)
    else:
        yield Finding(BAD, f"{domain}: no MX, so its mail does not come here", mend)


def _sent_on(site: Site, domain: str) -> Iterator[Finding]:
    """Where does the mail go that control/relayto takes? By MX only to a better one than us (RFC 5321 5.1)."""
    if routes.choose(site.home, "", domain).host:
        yield Finding(GOOD, f"{domain}: what is taken for it goes the way that control/routes says")
        return
    found = site.resolver.mx(domain).records
    ours = min((preference for preference, host in found if host == site.me.lower()), default=None)
    better = [host for preference, host in found if host and (ours is None or preference < ours)]
    if better:
        yield Finding(GOOD, f"{domain}: what is taken for it goes to {', '.join(better)}")
    else:
        text = f"{domain}: its mail is taken (control/relayto) and comes back: no MX is better than {site.me}"
        yield Finding(BAD, text, f"echo '{domain} [SERVER]' >> {site.home.join('control', 'routes')}")


def _spf(site: Site, domain: str) -> Iterator[Finding]:
    """RFC 7208 4.5: one record that begins with v=spf1."""
    found = [text for text in site.resolver.txt(domain).records if text == b"v=spf1" or text.startswith(b"v=spf1 ")]
    if len(found) == 1:
        yield Finding(GOOD, f"{domain}: SPF is {found[0].decode('ascii', 'backslashreplace')}")
    elif found:
        yield Finding(BAD, f"{domain}: has {len(found)} SPF records: none of them counts", "leave one of them")
    else:
        text = f"{domain}: no SPF record: large providers put its mail aside"
        yield Finding(WARN, text, f'add the record: {domain}. TXT "v=spf1 mx -all"')


def _srv(site: Site, domain: str) -> Iterator[Finding]:
    """RFC 6186 3, RFC 8314 5.1: where clients find our services when a user types nothing but an address."""
    try:
        listen = {name: port for name, _, port in sockets.understood(site.home.control.lines("listen"))}
    except ValueError:
        return  # the check `control` tells it
    right, missing = [], []
    for name, port in records.offered(listen):
        found = site.resolver.srv(f"_{name}._tcp.{domain}").records
        if any((its_port, host) == (port, site.me.lower()) for _, _, its_port, host in found):
            right.append(name)
        elif found:
            _, _, its_port, host = min(found)
            place = f"{host or 'nowhere'} port {its_port}"
            text = f"{domain}: SRV sends {name} clients to {place}, not to {site.me} port {port}"
            yield Finding(WARN, text, f"the record is to be: _{name}._tcp.{domain}. SRV 0 1 {port} {site.me}.")
        else:
            missing.append(name)
    if right:
        yield Finding(GOOD, f"{domain}: SRV tells clients of {', '.join(right)}")
    if missing:
        text = f"{domain}: no SRV for {', '.join(missing)}: clients cannot find out by themselves"
        yield Finding(NOTE, text, "mailkit-setup -n prints the records")
