"""The message on the wire: CRLF, dots, strays, however it is cut."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.smtp.client import body
from mailkit.smtp.client.body import Body, Wire


def _open(tmp_path: Path, data: bytes) -> int:
    path = tmp_path / "message"
    path.write_bytes(data)
    return os.open(path, os.O_RDONLY)


def _wire(pieces: list[bytes], dotted: bool) -> bytes:
    wire = Wire(dotted)
    return b"".join([*map(wire.put, pieces), wire.end()])


def _undotted(data: bytes) -> bytes:
    """What a server makes of DATA."""
    lines = data.split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        (b"", b""),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"no end", b"no end\r\n"),
        (b".\n", b"..\r\n"),
        (b"a\n.b\n..\n", b"a\r\n..b\r\n...\r\n"),
        (b"a\rb\n", b"a b\r\n"),
        (b"a\r\n.\r\nb\n", b"a\r\n..\r\nb\r\n"),
        (b"a\n.\rRSET\n", b"a\r\n.. RSET\r\n"),
        (b"end\r", b"end \r\n"),
        (b"\r", b" \r\n"),
    ],
)
def test_wire(stored: bytes, sent: bytes) -> None:
    assert _wire([stored], dotted=True) == sent


MESSAGES = st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\n.\n", b"\n.\r\n", b"\xff", b"text"])).map(
    b"".join
)


@given(MESSAGES, st.lists(st.integers(0, 60)), st.booleans())
def test_cutting_changes_nothing(data: bytes, places: list[int], dotted: bool) -> None:
    marks = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(marks)]
    assert _wire(pieces, dotted) == _wire([data], dotted)


@given(MESSAGES)
def test_no_message_ends_itself(data: bytes) -> None:
    sent = _wire([data], dotted=True)
    assert b"\r\n.\r\n" not in b"\r\n" + sent
    assert sent.count(b"\r") == sent.count(b"\n") == sent.count(b"\r\n")
    assert _undotted(sent) == _wire([data], dotted=False)


@given(MESSAGES)
def test_lines_that_were_clean_come_through_unchanged(data: bytes) -> None:
    clean = data.replace(b"\r", b"")
    sent = _wire([clean], dotted=False)
    assert sent.replace(b"\r\n", b"\n") == clean + (b"\n" if clean and not clean.endswith(b"\n") else b"")


def test_facts_and_size(tmp_path: Path) -> None:
    fd = _open(tmp_path, b"envelope\n\nSubject: a\n\ngr\xc3\xbc\xc3\x9fe")
    found = Body(fd, 10)
    assert b"".join(found.blocks(dotted=False)) == b"Subject: a\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n"
    assert found.size == len(b"".join(found.blocks(dotted=False)))
    assert (found.eight_bit, found.eight_bit_header, found.tls_optional) == (True, False, False)
    assert os.lseek(fd, 0, os.SEEK_CUR) == 0
    os.close(fd)


def test_a_message_of_several_blocks(tmp_path: Path) -> None:
    data = b"Subject: long\n\n" + b".line that starts with a dot\n" * 30_000
    fd = _open(tmp_path, data)
    found = Body(fd)
    blocks = list(found.blocks(dotted=True))
    assert len(blocks) > 3
    assert max(map(len, blocks)) < 2 * body.BLOCK
    assert _undotted(b"".join(blocks)) == data.replace(b"\n", b"\r\n")
    assert found.size == len(data) + data.count(b"\n")
    os.close(fd)


@pytest.mark.parametrize(
    ("header", "optional"),
    [
        (b"TLS-Required: No\n", True),
        (b"Subject: x\ntls-required:no\n", True),
        (b"TLS-Required:\n No\nSubject: x\n", True),
        (b"TLS-Required: yes\n", False),
        (b"X-TLS-Required: no\n", False),
        (b"Subject: x\n", False),
    ],
)
def test_tls_required_no(tmp_path: Path, header: bytes, optional: bool) -> None:
    fd = _open(tmp_path, header + b"\nTLS-Required: no\n")
    assert Body(fd).tls_optional is optional
    os.close(fd)


def test_eight_bit_header(tmp_path: Path) -> None:
    fd = _open(tmp_path, b"Subject: gr\xc3\xbc\xc3\x9fe\n\nbody\n")
    found = Body(fd)
    assert found.eight_bit and found.eight_bit_header
    os.close(fd)


def test_converted_message_is_a_body_of_its_own(tmp_path: Path) -> None:
    fd = _open(tmp_path, b"a\nb\n")
    found = body.converted(Body(fd), bytes.upper)
    os.close(fd)
    assert b"".join(found.blocks(dotted=False)) == b"A\r\nB\r\n"
    assert found.size == 6
    found.close()


def test_half_a_message_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    fd = _open(tmp_path, b"a\nb\n")
    found = Body(fd)
    (tmp_path / "message").write_bytes(b"a\n")
    with pytest.raises(OSError, match="changed"):
        list(found.blocks(dotted=True))
    os.close(fd)
