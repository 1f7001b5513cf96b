"""Modified UTF-7 loses nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import mutf7
from tests.mail.work import steps

NAMES = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda name: not mutf7.broken(name))
PIECES = [b"&", b"-", b"&-", b"&AOQ-", b"&U,BTFw-", b"a", b"&AGE-", b"&8CY-", b"A", b"/", b",", b"&2AA-"]
DISK = st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=12).map(b"".join)


@given(NAMES)
def test_name_comes_back(name: str) -> None:
    encoded = mutf7.encode(name)
    assert mutf7.decode(encoded) == name
    assert all(0x20 <= octet <= 0x7E for octet in encoded)


@given(DISK)
def test_octets_come_back(octets: bytes) -> None:
    name = mutf7.decode(octets)
    assert mutf7.encode(name) == octets
    name.encode()  # fit for UTF8=ACCEPT


@pytest.mark.parametrize("name, octets", [
    ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501 5.1.3
    ("Entwürfe", b"Entw&APw-rfe"),
    ("a&b", b"a&-b"),
    ("&&", b"&-&-"),
    ("ä&ö", b"&AOQ-&-&APY-"),
    ("😀", b"&2D3eAA-"),
    ("\n", b"&AAo-"),
    ("", b""),
    ("\ue000\uf100", b"&4ADxAA-"),
])  # fmt: skip
def test_known_pairs(name: str, octets: bytes) -> None:
    assert mutf7.encode(name) == octets
    assert mutf7.decode(octets) == name
    assert not mutf7.broken(name)


@pytest.mark.parametrize("octets", [
    b"a&b", b"&", b"&Jjo", b"&Jjo!", b"&AGE-", b"&AOQ-&APY-", b"&AOR-", b"&A-", b"&2AA-", b"&AOQ=-", b"&U/BTFw-",
    b"\xc3\xa4", b"a\nb", b"\x7f", b"&8CY-", b"& AOQ-",
])  # fmt: skip
def test_what_is_not_shortest_is_kept_and_known(octets: bytes) -> None:
    name = mutf7.decode(octets)
    assert mutf7.broken(name)
    assert mutf7.encode(name) == octets


def test_lone_surrogates_do_not_break() -> None:
    assert mutf7.encode("a\ud800") == b"a?"


@pytest.mark.parametrize("piece", [b"&", b"&A", b"&AOQ-", b"-", b"&-", b"\xff"])
def test_work_is_linear(piece: bytes) -> None:
    once = steps(mutf7.decode, piece * 400)
    twice = steps(mutf7.decode, piece * 800)
    assert twice <= once * 2.1 + 10
