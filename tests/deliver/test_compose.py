"""What sendmail puts right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import clock
from mailkit.deliver import compose
from tests.harness import fakeclock


@pytest.mark.parametrize(
    ("address", "expected"),
    [("bob", "bob@d.test"), ("bob@", "bob@d.test"), ("bob@x.test", "bob@x.test"), ('"a@b"@c', '"a@b"@c')],
)
def test_bare_names_get_a_domain(address: str, expected: str) -> None:
    assert compose.qualified(address, "d.test") == expected


def test_recipients_are_those_of_to_cc_and_bcc_each_once() -> None:
    block = b"To: Bob <bob@x.test>, carol\nCc: (no) dave@x.test,\n eve: bob@x.test;\nBcc: f@x.test\nFrom: me@x.test\n"
    assert compose.recipients(block, "d.test") == ["bob@x.test", "carol@d.test", "dave@x.test", "f@x.test"]


def test_resent_fields_go_before_the_others() -> None:
    assert compose.recipients(b"To: a@x\nResent-To: b@x\nResent-Bcc: c@x\n", "d") == ["b@x", "c@x"]


def test_missing_fields_are_added_and_bcc_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    fakeclock.install(monkeypatch, 1_800_000_000)
    monkeypatch.setattr(clock, "token", lambda octets=8: "f00d")
    assert compose.repaired(b"To: b@x\nBcc: c@x\n d@x\n", "alice@x", "Alice, A.", "x") == (
        b'From: "Alice, A." <alice@x>\nDate: Fri, 15 Jan 2027 08:00:00 +0000\nMessage-ID: <f00d@x>\nTo: b@x\n'
    )


def test_what_is_there_stays() -> None:
    block = b"From: a@x\nDate: then\nMESSAGE-ID: <1@x>\n"
    assert compose.repaired(block, "b@x", "B", "x") == block


@pytest.mark.parametrize(
    ("data", "block", "body"),
    [
        (b"A: b\n\nc\n", b"A: b\n", b"c\n"),
        (b"A: b\n c\n\nd", b"A: b\n c\n", b"d"),
        (b"just text\nmore\n", b"", b"just text\nmore\n"),
        (b"A: b\njust text\n", b"A: b\n", b"just text\n"),
        (b" A: b\n", b"", b" A: b\n"),
        (b"http://x y\n", b"http://x y\n", b""),
        (b"\nbody", b"", b"body"),
        (b"A: b", b"A: b", b""),
        (b"", b"", b""),
    ],
)
def test_where_the_header_ends(data: bytes, block: bytes, body: bytes) -> None:
    assert compose.parted(data) == (block, body)


@given(st.binary(max_size=200))
def test_no_octet_is_lost_between_header_and_body(data: bytes) -> None:
    block, body = compose.parted(data)
    assert data in (block + body, block + b"\n" + body)
