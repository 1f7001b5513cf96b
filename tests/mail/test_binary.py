"""Binary parts come back as they were, whatever octets they have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import binary, content, mime

HEAD = b"Content-Transfer-Encoding: binary\r\n\r\n"


def through_a_maildir(data: bytes) -> bytes:
    """What is read of a message that was written with LF line ends."""
    return mime.crlf(data.replace(b"\r\n", b"\n"))


@given(st.binary(max_size=200) | st.lists(st.sampled_from([b"\0", b"\r", b"\n", b"\r\n", b"x"])).map(b"".join))
def test_binary_message_comes_back(body: bytes) -> None:
    kept = through_a_maildir(binary.storable(HEAD + body))
    assert content.decoded(kept, mime.scan(kept)) == body


@given(st.lists(st.sampled_from([b"\0", b"\n", b"\r", b"x", b"--"]), max_size=20).map(b"".join))
def test_binary_part_comes_back_and_its_neighbours_stay(body: bytes) -> None:
    head, foot = (
        b"Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n\r\nhello\r\n--cut\r\n",
        b"\r\n--cut--\r\n",
    )
    kept = through_a_maildir(binary.storable(head + HEAD + body + foot))
    first, second = mime.scan(kept).parts
    assert kept.startswith(head)
    assert kept.endswith(foot)
    assert content.decoded(kept, first) == b"hello"
    assert content.decoded(kept, second) == body


def test_what_lines_hold_is_not_touched() -> None:
    assert binary.storable(HEAD + b"text\r\n\xff\r\n") == HEAD + b"text\r\n\xff\r\n"
    assert binary.storable(b"A: b\r\n\r\nbare\nline\r\n") == b"A: b\r\n\r\nbare\nline\r\n"


def test_nul_outside_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        binary.storable(b"A: b\r\n\r\n\0")


@given(st.binary(max_size=100))
def test_any_octets_are_stored_or_refused(data: bytes) -> None:
    try:
        assert b"\0" not in binary.storable(data)
    except ValueError:
        assert b"\0" in data
