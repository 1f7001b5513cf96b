"""Bodies decoded, for SEARCH and BINARY."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import content, mime
from tests.mail.soup import octets


def only_part(encoding: bytes, body: bytes, kind: bytes = b"text/plain; charset=utf-8") -> tuple[bytes, mime.Part]:
    data = b"Content-Type: %b\nContent-Transfer-Encoding: %b\n\n%b" % (kind, encoding, body)
    return data, mime.scan(data)


@given(st.binary(max_size=200))
def test_base64_comes_back(octets: bytes) -> None:
    data, part = only_part(b"BASE64", base64.encodebytes(octets))
    assert content.decoded(data, part) == octets
    assert content.known(part)


@given(st.text(max_size=100))
def test_quoted_printable_comes_back(text: str) -> None:
    wanted = text.encode("utf-8", "ignore").replace(b"\r", b"").replace(b"\n", b"\r\n")
    data, part = only_part(b"quoted-printable", quopri.encodestring(wanted.replace(b"\r\n", b"\n")))
    assert content.decoded(data, part) == wanted
    assert content.text(data, part) == wanted.decode()


@pytest.mark.parametrize("encoding, body, decoded, known", [
    (b"7bit", b"a\nb\n", b"a\r\nb\r\n", True),
    (b"8bit", b"\xe9\r\n", b"\xe9\r\n", True),
    (b"binary", b"a", b"a", True),
    (b"x-uuencode", b"a\n", b"a\r\n", False),
    (b"base64", b"YWI", b"ab", True),
    (b"base64", b"!!!", b"", True),
    (b"quoted-printable", b"a=\nb=C3=A9=xx", b"ab\xc3\xa9=xx", True),
])  # fmt: skip
def test_decoded(encoding: bytes, body: bytes, decoded: bytes, known: bool) -> None:
    data, part = only_part(encoding, body)
    assert content.decoded(data, part) == decoded
    assert content.known(part) == known


def test_charset_is_heeded() -> None:
    data, part = only_part(b"8bit", b"\xcf", b"text/plain; charset=windows-1251")
    assert content.text(data, part) == "П"
    data, part = only_part(b"8bit", b"\xc3\xa9", b"text/plain")
    assert content.text(data, part) == "é"


def test_every_text_is_found_in_order() -> None:
    data = (
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: image/png\n\nno\n"
        b"--b\nContent-Type: message/rfc822\n\nSubject: =?utf-8?q?=C3=A9?=\n\ntwo\n--b\n\nthree\n--b--\n"
    )
    texts = list(content.texts(data, mime.scan(data)))
    assert [text.strip() for text in texts] == ["one", "Subject: é", "two", "three"]


@given(octets)
def test_nothing_fails(data: bytes) -> None:
    root = mime.scan(data)
    assert all(isinstance(text, str) for text in content.texts(data, root))
    pending = [root]
    for part in pending:
        assert isinstance(content.decoded(data, part), bytes)
        pending += part.inner()
