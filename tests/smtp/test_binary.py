"""Binary messages as text: every part decodes to the octets that came."""

from __future__ import annotations

import email
import email.policy

from hypothesis import given
from hypothesis import strategies as st

from mailkit.smtp import binary


def text(data: bytes) -> bytes:
    return b"".join(binary.texts(data))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_parts_keep_their_octets(one: bytes, two: bytes) -> None:
    raw = b"Content-Type: multipart/mixed; boundary=limit\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    for body in (one, two):
        raw += b"--limit\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n" + body + b"\r\n"
    message = email.message_from_bytes(text(raw + b"--limit--\r\n"), policy=email.policy.default)
    parts = list(message.iter_parts())
    if b"--limit" not in one + two:
        assert [part.get_payload(decode=True) for part in parts] == [one, two]
    assert message["Content-Transfer-Encoding"] == "8bit"


def test_text_stays_as_it_is() -> None:
    raw = b"Subject: x\r\nContent-Type: text/plain\r\n\r\nline\r\n.\r\n"
    assert text(raw) == raw.replace(b"\r\n", b"\n")


def test_enclosed_message_keeps_its_parts() -> None:
    inner = b"Content-Type: image/x\r\nContent-Transfer-Encoding: BINARY\r\nSubject: inner\r\n\r\n\0\r\n"
    raw = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\n" + inner
    wanted = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
    assert text(raw) == wanted + b"Content-Type: image/x\nContent-Transfer-Encoding: base64\nSubject: inner\n\nAA0K\n"


@given(st.binary(max_size=400))
def test_any_octets_become_text(data: bytes) -> None:
    for raw in (data, b"Content-Transfer-Encoding: binary\r\n\r\n" + data):
        assert b"\r" not in text(raw) and b"\0" not in text(raw)


def test_long_part() -> None:
    body = bytes(range(256)) * 1000
    raw = b"Content-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n" + body
    message = email.message_from_bytes(text(raw), policy=email.policy.default)
    assert message.get_payload(decode=True) == body
    assert max(map(len, text(raw).split(b"\n"))) <= 76
