"""What we write is what the grammar reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap import responses
from mailkit.imap.wire.reader import Reader


@given(st.binary(max_size=30))
def test_strings_read_back(octets: bytes) -> None:
    assert Reader(responses.string(octets)).string() == octets
    assert Reader(responses.nstring(octets)).nstring() == octets


@given(
    st.text(max_size=12).filter(lambda name: not set(name) & set("\0\r\n") and name.upper() != "INBOX"), st.booleans()
)
def test_names_read_back(name: str, utf8: bool) -> None:
    assert Reader(responses.mailbox(name, utf8), utf8).mailbox() == name


def test_eight_bit_is_never_quoted() -> None:
    assert responses.string(b"\xe9") == b"{1}\r\n\xe9"
    assert responses.string(b"x" * 2000).startswith(b"{2000}\r\n")


def test_status_is_one_line() -> None:
    assert responses.status(b"a", "NO", "two\r\nlines", "CANNOT") == b"a NO [CANNOT] two  lines\r\n"


@pytest.mark.parametrize(
    ("name", "octets"), [("INBOX", b"INBOX"), ("a b", b'"a b"'), ("é", b"&AOk-"), ("", b'""'), ("x]", b'"x]"')]
)
def test_names(name: str, octets: bytes) -> None:
    assert responses.mailbox(name, False) == octets
