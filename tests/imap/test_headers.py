"""SEARCH HEADER finds the same whether the index keeps the field decoded, as it is written, or not at all."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.control import Home
from mailkit.imap.messages import pieces
from mailkit.mail import header
from tests.imap import mailboxes
from tests.imap.pair import Client

NAMES = ("Subject", "FROM", "x-label", "X-Other", "Message-ID")
TEXTS = (
    b"", b" ", b"one two", b"one\n two", b"ONE\r\n\tthree", b"=?utf-8?q?caf=C3=A9?=", b"=?utf-8?q?o?=\n =?utf-8?q?ne?=",
    b"a@b.example, c", "Grüße".encode(), b"<x.y@z>", b"=?x?", b"\xff\xfe one", b"two=?",
)  # fmt: skip
NEEDLES = ("", "one", "One T", "o", "cafe", "grüsse", "@b", "<x.y@z>", "=?", "e t", "absent")
_second = count(880_000)
fields = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(TEXTS)), max_size=6)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return mailboxes.make(tmp_path)


def says(block: bytes, name: str, needle: str) -> bool:
    """A field of that name contains the text; several address fields are one list, which is decoded as a whole."""
    values = header.values(block, name.encode())
    if name == "FROM" and values:
        values = [b", ".join(values)]
    return any(pieces.fold(needle) in pieces.fold(header.text(value)) for value in values)


@given(st.lists(fields, min_size=1, max_size=8))
def test_wherever_the_field_is_kept(home: Home, messages: list[list[tuple[str, bytes]]]) -> None:
    blocks = [b"".join(name.encode() + b": " + text + b"\n" for name, text in message) for message in messages]
    cur = Path(mailboxes.inbox(home), "cur")
    for path in (*cur.iterdir(), *cur.with_name("new").iterdir()):
        path.unlink()
    for block in blocks:
        cur.joinpath(f"{next(_second)}.a.host:2,").write_bytes(block + b"\ntext\n")
    client = Client(home)
    for name in NAMES:
        for needle in NEEDLES:
            literal = needle.encode()
            lines = client.send(b"x SEARCH CHARSET UTF-8 HEADER %b {%d+}\r\n%b\r\n" % (name.encode(), len(literal), literal))
            wanted = [number for number, block in enumerate(blocks, 1) if says(block, name, needle)]
            assert lines[0].split()[2:] == list(map(str, wanted)), (name, needle)
    client.do("LOGOUT")


def test_the_second_subject_is_a_subject(home: Home) -> None:
    cur = Path(mailboxes.inbox(home), "cur")
    cur.joinpath("880000.a.host:2,").write_bytes(b"Subject: first one\nTo: a\nSubject: =?utf-8?q?caf=C3=A9?=\n\n")
    client = Client(home)
    client.do("FETCH 1:* (ENVELOPE BODYSTRUCTURE)")
    assert client.do("SEARCH SUBJECT cafe")[0] == "* SEARCH 3"
    assert client.do("SEARCH SUBJECT first")[0] == "* SEARCH 1 3"
    assert client.do("SEARCH FROM cafe")[0] == "* SEARCH"
