"""Header blocks: what is read, kept and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import header
from tests.mail.soup import octets
from tests.mail.work import steps

BLOCK = (
    b"Received: from a\n\tby b\nReceived: from c\nsubject : one\n two\r\n"
    b"Delivered-To: Bob@Example.test\nno field\nX-Empty:\n"
)


@pytest.mark.parametrize("data, body", [
    (b"A: b\n\nbody", b"body"),
    (b"A: b\r\n\r\nbody", b"body"),
    (b"A: b\r\n\nbody\r\n\r\n", b"body\r\n\r\n"),
    (b"A: b\n\r\nbody\n\n", b"body\n\n"),
    (b"A: b\r\n\n\r\n", b"\r\n"),
    (b"A: b\n\r\n\n", b"\n"),
    (b"\nbody", b"body"),
    (b"\r\nbody\n\n", b"body\n\n"),
    (b"A: b\n", b""),
    (b"A: b", b""),
    (b"", b""),
    (b"A: b\n \n\nbody", b"body"),
])  # fmt: skip
def test_body_begins_after_the_first_empty_line(data: bytes, body: bytes) -> None:
    assert data[header.body_start(data) :] == body
    assert header.split(data)[1] == body


def test_body_start_keeps_its_bounds() -> None:
    data = b"A: b\n\nC: d\n\nE: f\n\n"
    assert header.body_start(data, 6) == 12
    assert header.body_start(data, 6, 9) == 9
    assert header.body_start(data, 6, 11) == 11


@given(octets)
def test_split_loses_only_the_empty_line(data: bytes) -> None:
    block, body = header.split(data)
    assert data.startswith(block)
    assert data[len(block) :].removesuffix(body) in (b"", b"\n", b"\r\n")
    assert b"\n\n" not in block


@given(octets)
def test_raw_fields_are_the_block(block: bytes) -> None:
    raw = header.raw_fields(block)
    assert b"".join(raw) == block
    assert all(raw)


@given(octets)
def test_fields_agree_however_lines_end(data: bytes) -> None:
    block = header.split(data)[0].replace(b"\r", b"")
    assert header.fields(block.replace(b"\n", b"\r\n")) == header.fields(block)


@given(octets, st.sampled_from([b"from", b"Subject", b"content-type"]))
def test_only_and_without_part_the_block(data: bytes, name: bytes) -> None:
    block = header.split(data)[0]
    kept, rest = header.only(block, [name]), header.without(block, [name])
    assert len(kept) + len(rest) == len(block)
    assert header.values(rest, name) == []
    assert header.values(kept, name) == header.values(block, name)


def test_fields_are_found_by_name() -> None:
    assert header.values(BLOCK, b"SUBJECT") == [b"one two"]
    assert header.value(BLOCK, b"received") == b"from a\tby b"
    assert header.value(BLOCK, b"x-empty") == b""
    assert header.value(BLOCK, b"missing") is None
    assert header.delivered_to(BLOCK) == ["bob@example.test"]


def test_replaced_takes_the_first_place() -> None:
    block = header.replaced(BLOCK, b"RECEIVED: new")
    assert block.startswith(b"RECEIVED: new")
    assert header.values(block, b"received") == [b"new"]
    assert header.replaced(b"A: b\n", b"C: d\n") == b"A: b\nC: d\n"


def test_new_fields_take_the_line_ends_of_the_block() -> None:
    assert header.appended(b"A: b\r\n", b"C: d\n\te\n") == b"A: b\r\nC: d\r\n\te\r\n"
    assert header.appended(b"A: b", b"C: d") == b"A: b\nC: d\n"


@given(st.text(max_size=300))
def test_written_field_reads_the_same(content: str) -> None:
    content = " ".join(content.encode("utf-8", "ignore").decode().replace("\0", "").split())
    line = header.field("Subject", content)
    assert line.endswith(b"\n")
    assert len(header.raw_fields(line)) == 1
    assert [header.text(found) for found in header.values(line, b"subject")] == [content]
    assert all(len(part) <= 78 or b" " not in part[1:].strip() for part in line.splitlines()[1:])
    assert line.isascii()


def test_nobody_smuggles_a_field_in() -> None:
    for line in (header.field("X", "a\r\nBcc: b"), header.structured("X", "a\r\nBcc: b\n\nc")):
        assert header.raw_fields(line) == [line]
        assert line.count(b"\n") == 1


def test_long_words_are_cut() -> None:
    line = header.field("Subject", "x" * 3000)
    assert max(map(len, line.splitlines())) <= 78
    assert header.text(line.partition(b":")[2]) == "x" * 3000


def test_work_is_linear() -> None:
    for piece in (b"a: b\n", b" \n", b"\n\t", b":\n"):
        once = steps(header.raw_fields, piece * 500) + steps(header.fields, piece * 500)
        twice = steps(header.raw_fields, piece * 1000) + steps(header.fields, piece * 1000)
        assert twice <= once * 2.1
