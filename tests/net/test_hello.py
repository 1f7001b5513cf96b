"""The host name in a ClientHello, however it comes, and whatever else comes."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.net import hello


def sent(name: str | None, **settings: object) -> bytes:
    """The first octets of a client that asks for this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    for key, value in settings.items():
        setattr(context, key, value)
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


HELLO = sent("mail.example.test")


def in_records(message: bytes, sizes: list[int]) -> bytes:
    """A message in records of these sizes, and one for what is left."""
    records = []
    for size in [*sizes, len(message)]:
        part, message = message[:size], message[size:]
        if part:
            records.append(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part)
    return b"".join(records)


def test_name() -> None:
    assert hello.server_name(HELLO) == "mail.example.test"
    assert hello.server_name(HELLO + b"more") == "mail.example.test"
    assert hello.server_name(sent(None)) == ""
    assert hello.server_name(sent("x.test", maximum_version=ssl.TLSVersion.TLSv1_2)) == "x.test"


@given(st.integers(0, len(HELLO) - 1))
def test_not_before_it_is_whole(size: int) -> None:
    assert hello.server_name(HELLO[:size]) is None


@given(st.lists(st.integers(1, 100), max_size=14))
def test_in_several_records(sizes: list[int]) -> None:
    octets = in_records(HELLO[5:], sizes)
    assert hello.server_name(octets) == "mail.example.test"
    assert hello.server_name(octets[:-1]) is None


def test_nobody_waits_for_ever() -> None:
    """Not for a message that is too long, nor for one in countless pieces."""
    assert hello.server_name(in_records(HELLO[5:], [1] * 100)) == ""
    assert hello.server_name(b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(100)) == ""
    assert hello.server_name(b"\x16\x03\x01\x40\x01" + HELLO[5:]) == ""
    assert hello.server_name(b"\x16\x03\x01\x00\x00" * 2) == ""


@pytest.mark.parametrize(
    "octets", [b"EHLO x\r\n", b"\x15\x03\x01\x00\x02\x02\x00", b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", b"\0" * 9]
)
def test_what_is_none(octets: bytes) -> None:
    assert hello.server_name(octets) == ""


@given(st.integers(9, len(HELLO) - 1), st.binary(min_size=1, max_size=3))
def test_damage_is_no_error(at: int, octets: bytes) -> None:
    assert isinstance(hello.server_name(HELLO[:at] + octets + HELLO[at + len(octets) :]), str)


@given(st.binary(max_size=300))
def test_soup(octets: bytes) -> None:
    for start in (b"", HELLO[:5], HELLO[:9], HELLO[:50], HELLO[:100]):
        assert isinstance(hello.server_name(start + octets), str | None)
