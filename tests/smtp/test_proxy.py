"""The PROXY protocol, and what a session makes of it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.smtp import proxy
from tests.harness.transcript import FakeConn
from tests.smtp.worlds import codes, queued, talk, world

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(family: int, block: bytes, command: int = 1) -> bytes:
    return SIGNATURE + bytes((0x20 | command, family << 4 | 1)) + len(block).to_bytes(2, "big") + block


def addresses(family: int, source: str, target: str) -> bytes:
    return socket.inet_pton(family, source) + socket.inet_pton(family, target) + b"\x10\x92\x00\x19"


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


SAID = b"EHLO client.example.net\r\nMAIL FROM:<carol@example.net>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"


@pytest.mark.parametrize("header", [V4, b"PROXY TCP4 198.51.100.7 192.0.2.25 4242 25\r\n"])
def test_message_comes_from_whom_the_front_end_names(header: bytes, tmp_path: Path) -> None:
    home = world(tmp_path, {"proxyfrom": ["192.0.2.1"]})
    conn = talk(home, header[:9], header[9:], SAID, b"Subject: x\r\n\r\n.\r\n")
    ((envelope, message),) = queued(home)
    assert envelope.params["peer"] == "198.51.100.7"
    assert b"([198.51.100.7])" in message
    assert (conn.peer, conn.peer_port, conn.local) == ("198.51.100.7", 4242, "192.0.2.25")


def test_front_end_must_send_a_header(tmp_path: Path) -> None:
    home = world(tmp_path, {"proxyfrom": ["192.0.2.1"]})
    assert talk(home, SAID).output == b""


def test_others_must_not(tmp_path: Path) -> None:
    home = world(tmp_path, {"proxyfrom": ["192.0.2.9"]})
    assert codes(talk(home, b"PROXY UNKNOWN\r\n")) == ["220", "500"]


def test_front_end_may_speak_for_itself(tmp_path: Path) -> None:
    home = world(tmp_path, {"proxyfrom": ["192.0.2.1"]})
    conn: FakeConn = talk(home, b"PROXY UNKNOWN\r\n", b"NOOP\r\n")
    assert codes(conn) == ["220", "250"]
    assert conn.peer == "192.0.2.1"
