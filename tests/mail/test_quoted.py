"""Messages in seven bits: nothing above 127 is left, and they say the same as before."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import content, mime, quoted

GRUSS = "grüße\n".encode()

NESTED = (
    b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b1\nContent-Transfer-Encoding: 8bit\n\n"
    b"pre\xc3\xa4mble\n--b1\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    + GRUSS
    + b"\n"
    b"--b1\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
    b"Subject: inside\nContent-Type: text/html; charset=iso-8859-1\n\nna\xefve \n\n"
    b"--b1\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: binary\n\n\0\xff\r\n\x01\n"
    b"--b1\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n--b1--\nepi\xc3\xb6logue\n"
)


def _leaves(data: bytes) -> list[bytes]:
    pending, found = [mime.scan(data)], []
    while pending:
        part = pending.pop(0)
        pending += part.inner()
        if not part.inner():
            found.append(content.decoded(data, part))
    return found


def test_text_becomes_quoted_printable() -> None:
    data = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + GRUSS
    out = quoted.seven_bit(data)
    assert out == (
        b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
        b"Content-Transfer-Encoding: quoted-printable\n\ngr=C3=BC=C3=9Fe\n"
    )


def test_seven_bit_messages_stay_as_they_are() -> None:
    for data in (b"Subject: x\n\nhello\n", b"", b"\n", b"Subject: only a header\n", b"no header\n"):
        assert quoted.seven_bit(data) == data


def test_a_message_without_mime_gets_it() -> None:
    out = quoted.seven_bit(b"Subject: x\nMIME-Version: 0.9\n\n" + GRUSS)
    assert out.isascii()
    assert b"charset=unknown-8bit" in out
    assert out.count(b"MIME-Version") == 1
    assert _leaves(out) == [GRUSS.replace(b"\n", b"\r\n")]


def test_every_part_of_a_nested_message_says_the_same() -> None:
    out = quoted.seven_bit(NESTED)
    assert out.isascii()
    before, after = _leaves(NESTED), _leaves(out)
    assert after[:2] + after[3:] == before[:2] + before[3:]
    assert after[2].replace(b"\r\n", b"\n") == before[2].replace(b"\r\n", b"\n")
    encodings = [line for line in out.split(b"\n") if line.startswith(b"Content-Transfer-Encoding")]
    assert b"8bit" not in b"".join(encodings) and b"binary" not in b"".join(encodings)


def test_what_another_program_reads_is_the_same() -> None:
    before = email.message_from_bytes(NESTED, policy=email.policy.default)
    after = email.message_from_bytes(quoted.seven_bit(NESTED), policy=email.policy.default)
    for old, new in zip(before.walk(), after.walk(), strict=True):
        assert old.get_content_type() == new.get_content_type()
        if old.get_content_maintype() == "text":
            assert old.get_content() == new.get_content()


def test_stray_octets_in_encoded_parts() -> None:
    head = b"Content-Type: text/plain\nContent-Transfer-Encoding: "
    assert quoted.seven_bit(head + b"base64\n\naGVs\xffbG8=\n").endswith(b"aGVsbG8=\n")
    assert quoted.seven_bit(head + b"quoted-printable\n\na=3Db\xff\n").endswith(b"a=3Db=FF\n")


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Type: text/plain\nContent-Transfer-Encoding: x-uuencode\n\n\xff\n",
        b"Content-Type: multipart/mixed\n\nno boundary \xff\n",
    ],
)
def test_what_cannot_be_converted(data: bytes) -> None:
    with pytest.raises(ValueError, match="8-bit octets"):
        quoted.seven_bit(data)


LINES = st.lists(
    st.sampled_from(
        [b"--b1\n", b"--b1--\n", b"\n", b"Content-Type: text/plain\n", b"Content-Type: multipart/mixed; boundary=b1\n"]
        + [
            b"Content-Type: message/rfc822\n",
            b"Content-Transfer-Encoding: 8bit\n",
            GRUSS,
            b"text\n",
            b"\xff",
            b"a b \n",
        ]
        + [b"Content-Transfer-Encoding: base64\n", b"--b2\n", b"Content-Type: multipart/digest; boundary=b2\n", b"\0"]
    ),
    max_size=25,
)


@given(LINES)
def test_any_octets_are_converted_or_refused(pieces: list[bytes]) -> None:
    data = b"Subject: x\n" + b"".join(pieces)
    try:
        out = quoted.seven_bit(data)
    except ValueError:
        return
    root = mime.scan(data)
    if data[root.start : root.body].isascii() and root.end > root.body:
        again = mime.scan(out)
        headers_clean = all(b"\xff" not in part and "ü".encode() not in part for part in _headers(data, root))
        if headers_clean:
            assert out[again.body :].isascii()
    if data.isascii():
        assert out == data


def _headers(data: bytes, part: mime.Part) -> list[bytes]:
    found = [data[part.start : part.body]]
    for inner in part.inner():
        found += _headers(data, inner)
    return found
