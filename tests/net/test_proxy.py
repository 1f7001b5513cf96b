"""The PROXY protocol: its headers, and reading them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.exits import Perm
from mailkit.net import blocking, proxy
from tests.harness.homes import make_home, set_control

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(family: int, block: bytes, command: int = 1) -> bytes:
    return SIGNATURE + bytes((0x20 | command, family << 4 | 1)) + len(block).to_bytes(2, "big") + block


def addresses(family: int, source: str, target: str) -> bytes:
    return socket.inet_pton(family, source) + socket.inet_pton(family, target) + b"\x10\x92\x00\x19"


LINE = b"PROXY TCP4 198.51.100.7 192.0.2.25 4242 25\r\n"
V4 = v2(1, addresses(socket.AF_INET, "198.51.100.7", "192.0.2.25"))
V6 = v2(2, addresses(socket.AF_INET6, "2001:db8::7", "2001:db8::25") + b"\x04\0\x01x")


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (b"PROXY TCP4 198.51.100.7 192.0.2.25 4242 25\r\n", ("198.51.100.7", 4242, "192.0.2.25", 25)),
        (b"PROXY TCP6 2001:DB8:0::7 2001:db8::25 4242 25\r\n", ("2001:db8::7", 4242, "2001:db8::25", 25)),
        (b"PROXY UNKNOWN\r\n", ("", 0, "", 0)),
        (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", ("", 0, "", 0)),
        (V4, ("198.51.100.7", 4242, "192.0.2.25", 25)),
        (V6, ("2001:db8::7", 4242, "2001:db8::25", 25)),
        (v2(1, b"", command=0), ("", 0, "", 0)),
        (v2(3, b"x" * 216), ("", 0, "", 0)),
    ],
)
def test_headers(header: bytes, wanted: tuple[str, int, str, int]) -> None:
    for end in range(len(header)):
        assert proxy.parse(header[:end]) is None
    found = proxy.parse(header + b"EHLO x\r\n")
    assert found is not None
    assert (found.peer, found.peer_port, found.local, found.local_port) == wanted
    assert found.octets == len(header)


@pytest.mark.parametrize(
    "header",
    [
        b"EHLO x\r\n",
        b"PROXY TCP4 198.51.100.7 192.0.2.25 4242\r\n",
        b"PROXY TCP4 2001:db8::7 192.0.2.25 4242 25\r\n",
        b"PROXY TCP4 198.51.100.7 192.0.2.25 66666 25\r\n",
        b"PROXY TCP5 198.51.100.7 192.0.2.25 4242 25\r\n",
        b"PROXY \r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x11\x11\0\0",
        SIGNATURE + b"\x22\x11\0\0",
        v2(1, b"short"),
    ],
)
def test_what_is_no_header_is_refused(header: bytes) -> None:
    with pytest.raises(ValueError):
        proxy.parse(header)


@given(st.binary(max_size=60), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]))
def test_any_octets(data: bytes, head: bytes) -> None:
    try:
        proxy.parse(head + data)
    except ValueError:
        pass


@pytest.mark.parametrize("header", [V4, V6, LINE, b"PROXY UNKNOWN\r\n", v2(1, b"", command=0)])
@pytest.mark.parametrize("most", [1, 7, 1000])
def test_nothing_behind_the_header_is_taken(header: bytes, most: int) -> None:
    rest = bytearray(header + b"EHLO x\r\n")

    async def receive(octets: int) -> bytes:
        octets = min(octets, most)
        piece = bytes(rest[:octets])
        del rest[:octets]
        return piece

    assert blocking.run(proxy.read(receive)).octets == len(header)
    assert rest == b"EHLO x\r\n"


@given(st.binary(max_size=60), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]))
def test_reading_ends_with_any_octets(data: bytes, head: bytes) -> None:
    rest = bytearray(head + data)

    async def receive(octets: int) -> bytes:
        assert octets > 0
        piece = bytes(rest[:octets])
        del rest[:octets]
        return piece

    try:
        found = blocking.run(proxy.read(receive))
    except ValueError:
        return
    assert found.octets + len(rest) == len(head + data)


@pytest.mark.parametrize("sent", [b"", LINE[:-1], V4[:14], V4[:-1]])
def test_an_end_in_the_header_is_no_header(sent: bytes) -> None:
    pieces = [sent] if sent else []

    async def receive(octets: int) -> bytes:
        return pieces.pop() if pieces else b""

    with pytest.raises(ValueError):
        blocking.run(proxy.read(receive))


def test_ipv4_in_ipv6_reads_as_ipv4() -> None:
    found = proxy.parse(v2(2, addresses(socket.AF_INET6, "::ffff:198.51.100.7", "::ffff:192.0.2.25")))
    assert found is not None and (found.peer, found.local) == ("198.51.100.7", "192.0.2.25")
    found = proxy.parse(b"PROXY TCP6 ::ffff:198.51.100.7 ::1 4242 25\r\n")
    assert found is not None and (found.peer, found.local) == ("198.51.100.7", "::1")


def test_fronts_follow_the_file(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    fronts = proxy.Fronts(home)
    assert not fronts and "192.0.2.1" not in fronts
    set_control(home, "proxyfrom", "192.0.2.0/24", "loopback")
    assert fronts and "192.0.2.1" in fronts and "127.0.0.1" in fronts and "198.51.100.1" not in fronts
    assert "" not in fronts, "a pipe has no front end"
    set_control(home, "proxyfrom", "nonsense")
    with pytest.raises(Perm):
        bool(fronts)
