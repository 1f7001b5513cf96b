"""Encoded words and character sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import charset, word
from tests.mail.soup import octets
from tests.mail.work import steps


@pytest.mark.parametrize("value, text", [
    # RFC 2047 8
    (b"=?ISO-8859-1?Q?a?= b", "a b"),
    (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
    (b"=?ISO-8859-1?Q?a?=  \t =?ISO-8859-2?Q?b?=", "ab"),
    (b"=?ISO-8859-1?Q?a_b?=", "a b"),
    (b"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
    (b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"),
    # what mail programs send
    (b"=?utf-8*de?q?=C3=BCber?=", "über"),
    (b"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
    (b"=?utf-8?B?w6k?=", "é"),
    (b"x=?utf-8?q?=C3=A9?=y", "xéy"),
    (b"=?utf-8?q?two words?=", "two words"),
    (b"=?utf-8?q?open =?utf-8?q?shut?=", "=?utf-8?q?open shut"),
    (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
    (b"=?nonsense?q?caf=E9?=", "café"),
    (b"caf\xc3\xa9", "café"),
    (b"caf\xe9", "café"),
    (b"=?", "=?"),
    (b"=?a?q?", "=?a?q?"),
    (b"=?gb2312?b?1tDOxA==?=", "中文"),
    (b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
    (b"=?utf-8?q?a=0D=0ABcc:_b?=", "a  Bcc: b"),
])  # fmt: skip
def test_decode(value: bytes, text: str) -> None:
    assert word.decode(value) == text


@given(octets)
def test_decode_never_fails_and_gives_one_line(value: bytes) -> None:
    text = word.decode(value)
    assert "\n" not in text and "\r" not in text and "\0" not in text
    text.encode()


@given(st.text(max_size=200), st.integers(0, 60))
def test_round_trip(text: str, first: int) -> None:
    text = text.encode("utf-8", "ignore").decode().translate(dict.fromkeys((0, 10, 13)))
    encoded = word.encode(text, first)
    assert encoded.isascii()
    if word.needed(text):
        assert all(len(line) <= 76 for line in encoded.split(b"\n"))
    assert word.decode(encoded.replace(b"\n", b"")) == text


@given(st.binary(max_size=60))
def test_unbase64_never_fails(data: bytes) -> None:
    assert isinstance(word.unbase64(data), bytes)


def test_unbase64_mends_what_it_can() -> None:
    assert word.unbase64(b"YWJj\r\nZGVm") == b"abcdef"
    assert word.unbase64(b"YWJjZA") == b"abcd"
    assert word.unbase64(b"YWJjZ") == b"abc"
    assert word.unbase64(b"YW!Jj") == b"abc"


@pytest.mark.parametrize("piece", [b"=?", b"=?a?q?", b"=?a?x?b=", b"=?a?q?b ", b"=?a?b?", b"?=", b"=?a?q?b?= "])
def test_decode_is_linear(piece: bytes) -> None:
    once = steps(word.decode, piece * 400 + b"?=")
    twice = steps(word.decode, piece * 800 + b"?=")
    assert twice <= once * 2.1 + 20


@given(
    st.binary(max_size=40),
    st.text(max_size=12)
    | st.sampled_from(
        ["utf-7", "zlib", "rot13", "idna", "punycode", "unicode_escape", "undefined", "utf-16", "hz", "../x", "a\0b"]
    ),
)
def test_charset_never_fails(data: bytes, name: str) -> None:
    assert isinstance(charset.decode(data, name), str)


@pytest.mark.parametrize("name, data, text", [
    ("UTF-8", b"\xc3\xa9", "é"),
    ("utf8", b"\xc3\xa9\xff", "é�"),
    ("us-ascii", b"\xc3\xa9", "é"),
    ("us-ascii", b"\xe9", "é"),
    ("iso-8859-1", b"\x80", "€"),
    ("ISO-8859-15", b"\xa4", "€"),
    ("windows-1251", b"\xcf", "П"),
    ("koi8-u", b"\xa4", "є"),
    ("ks_c_5601-1987", b"\xb0\xa1", "가"),
    ("x-sjis", b"\x82\xa0", "あ"),
    ("punycode", b"a-bc", "a-bc"),
    ("unicode_escape", rb"\x41", r"\x41"),
    ("", b"\xe9", "é"),
])  # fmt: skip
def test_charset_means_what_senders_mean(name: str, data: bytes, text: str) -> None:
    assert charset.decode(data, name) == text


def test_unknown_names_are_not_imported() -> None:
    assert charset.codec("antigravity") is None
    assert charset.codec("zlib_codec") is None
    assert charset.codec("Windows-1252") == "cp1252"
