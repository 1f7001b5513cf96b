"""A validating resolver (unbound) over a signed zone (nsd), both on loopback: the real thing answers as the dict does."""

from __future__ import annotations

import random
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.dnssec
import dns.name
import dns.resolver
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mailkit.control import Home
from mailkit.dns import query, resolve
from mailkit.dns.query import Query
from mailkit.dns.resolve import Resolver
from mailkit.exits import Temp
from tests.harness import programs

pytestmark = pytest.mark.neighbour

ZONE = """\
$ORIGIN signed.test.
$TTL 600
@       IN SOA ns hostmaster 1 3600 600 86400 120
        IN NS  ns
        IN MX  20 b
        IN MX  10 a
        IN TXT "v=spf1 " "-all"
ns      IN A   127.0.0.1
a       IN A   192.0.2.1
        IN AAAA 2001:db8::1
b  60   IN A   192.0.2.2
www     IN CNAME a
null    IN MX  0 .
_imaps._tcp IN SRV 0 1 993 a
_25._tcp.a IN TLSA 3 1 1 0101010101010101010101010101010101010101010101010101010101010101
big     IN TXT {big}
"""
BIG = [f"{number:03d}" + "x" * 197 for number in range(30)]


def _free_port() -> int:
    """Free for UDP and TCP, and not among those that the kernel gives to others' connections meanwhile."""
    for port in random.sample(range(10000, 20000), 100):
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise AssertionError("no free ports")


@contextmanager
def _daemon(command: list[str], ready: str) -> Iterator[None]:
    """Run a server until the block ends; it is ready when a line of its log holds `ready`."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert server.stdout is not None
    try:
        seen = []
        for line in server.stdout:
            seen.append(line)
            if ready in line:
                break
        else:
            raise AssertionError(f"{command[0]} did not start: {''.join(seen)}")
        yield
    finally:
        server.terminate()
        server.stdout.read()
        server.wait()
        server.stdout.close()


def _signed(directory: Path) -> str:
    """Write the signed zone; returns its key as a trust anchor."""
    zone = dns.zone.from_text(ZONE.format(big=" ".join(f'"{text}"' for text in BIG)), relativize=False)
    private = ec.generate_private_key(ec.SECP256R1())
    algorithm = dns.dnssec.Algorithm.ECDSAP256SHA256
    key = dns.dnssec.make_dnskey(private.public_key(), algorithm, flags=257)
    dns.dnssec.sign_zone(zone, keys=[(private, key)], lifetime=86400, add_dnskey=True)
    zone.to_file(str(directory / "signed.zone"), relativize=False)
    return f"signed.test. IN DNSKEY {key.to_text()}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a validating resolver."""
    nsd, unbound = programs.need("nsd"), programs.need("unbound")
    directory = tmp_path_factory.mktemp("dns")
    anchor = _signed(directory)
    zone_port, port = _free_port(), _free_port()
    (directory / "nsd.conf").write_text(f"""\
server:
    ip-address: 127.0.0.1@{zone_port}
    zonesdir: {directory}
    zonelistfile: {directory}/zone.list
    pidfile: ""
    database: ""
    xfrdfile: ""
    username: ""
    server-count: 1
remote-control:
    control-enable: no
zone:
    name: signed.test
    zonefile: signed.zone
""")
    (directory / "unbound.conf").write_text(f"""\
server:
    interface: 127.0.0.1@{port}
    chroot: ""
    username: ""
    pidfile: ""
    directory: {directory}
    use-syslog: no
    verbosity: 1
    do-not-query-localhost: no
    local-zone: "test." nodefault
    trust-anchor: "{anchor}"
    domain-insecure: "refused.test"
remote-control:
    control-enable: no
stub-zone:
    name: signed.test
    stub-addr: 127.0.0.1@{zone_port}
stub-zone:
    name: refused.test
    stub-addr: 127.0.0.1@{zone_port}
""")
    with (
        _daemon([nsd, "-d", "-c", str(directory / "nsd.conf")], "nsd started"),
        _daemon([unbound, "-d", "-c", str(directory / "unbound.conf")], "start of service"),
    ):
        yield f"127.0.0.1:{port}"


def test_records_of_each_kind(server: str) -> None:
    resolver = Resolver(Query([server], 5))
    mx = resolver.mx("signed.test")
    assert mx.records == ((10, "a.signed.test"), (20, "b.signed.test"))
    assert 0 < mx.ttl <= 600
    assert resolver.addresses("a.signed.test").records == ("2001:db8::1", "192.0.2.1")
    assert resolver.txt("signed.test").records == (b"v=spf1 -all",)
    assert resolver.tlsa("_25._tcp.a.signed.test").records == ((3, 1, 1, b"\x01" * 32),)
    assert resolver.srv("_imaps._tcp.signed.test").records == ((0, 1, 993, "a.signed.test"),)
    assert resolver.mx("null.signed.test").records == ((0, ""),)


def test_an_alias_is_followed(server: str) -> None:
    found = Query([server], 5)("www.signed.test", "A")
    assert found.records == ("192.0.2.1",)
    assert found.canonical == "a.signed.test"


def test_what_dnssec_proves_is_secure(server: str) -> None:
    ask = Query([server], 5)
    assert ask("signed.test", "MX").secure
    assert ask("nowhere.signed.test", "MX").secure
    assert ask("b.signed.test", "MX").secure


def test_the_ad_bit_of_a_server_elsewhere_counts_only_when_trusted(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same server, as if it were on another machine.
    monkeypatch.setattr(query, "_near", lambda server: False)
    assert not Query([server], 5)("signed.test", "MX").secure
    assert Query([server], 5, trusted=True)("signed.test", "MX").secure


def test_a_negative_answer_holds_as_long_as_the_soa_says(server: str) -> None:
    ask = Query([server], 5)
    missing = ask("nowhere.signed.test", "MX")
    assert not missing.exists and not missing.records
    assert 0 < missing.ttl <= 120
    empty = ask("b.signed.test", "MX")
    assert empty.exists and not empty.records
    assert 0 < empty.ttl <= 120


def test_a_large_answer_comes_whole(server: str) -> None:
    assert Query([server], 5)("big.signed.test", "TXT").records == ("".join(BIG).encode(),)


def test_servfail_is_temporary(server: str) -> None:
    with pytest.raises(Temp) as caught:
        Query([server], 5)("refused.test", "MX")
    assert caught.value.code == "4.4.3"


def test_a_server_that_says_nothing_is_temporary() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(Temp) as caught:
            Query([f"127.0.0.1:{silent.getsockname()[1]}"], 0.05)("signed.test", "MX")
    assert caught.value.code == "4.4.3"
    assert "signed.test" in caught.value.detail


def test_nobody_at_the_server_is_temporary() -> None:
    with pytest.raises(Temp):
        Query([f"127.0.0.1:{_free_port()}"], 0.05)("signed.test", "MX")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_server_addresses(text: str, wanted: tuple[str, int]) -> None:
    assert query.split(text) == wanted


def test_configured_from_control_values(server: str, tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "dnsservers").write_text(server + "\n")
    assert resolve.configured(home.control).mx("signed.test").secure


def test_a_server_that_is_no_address_is_said(tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "dnsservers").write_text("ns.example.org\n")
    with pytest.raises(Temp) as caught:
        resolve.configured(Home(str(tmp_path)).control)
    assert "dnsservers" in caught.value.detail


def test_a_machine_without_name_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(self: object, name: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", nothing)
    with pytest.raises(Temp) as caught:
        resolve.configured(Home(str(tmp_path)).control)
    assert "resolv.conf" in caught.value.detail
