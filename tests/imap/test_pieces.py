"""What the index keeps of messages: the same answers as from the files, and no more made than asked for."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.messages import pieces
from mailkit.mail import header, mime
from mailkit.maildir.folder import Folder
from tests.mail.soup import octets
from tests.maildir import boxes

NAMES = st.sets(st.sampled_from([b"From", b"TO", b"cc", b"Subject", b"date", b"Content-Type"]))
HEADER = b"From: a@example.test\nSubject: one\n two\nX-Other: 3\n\n"


def opened(path: Path, *messages: bytes) -> Folder:
    directory = boxes.make(path)
    for number, message in enumerate(messages):
        Path(directory, f"cur/{number}.a.b:2,").write_bytes(message)
    folder = boxes.alone(directory)
    folder.sync()
    return folder


def made(folder: Folder, row: int) -> set[int]:
    """The kinds that are there."""
    return {kind for kind in range(8) if folder.table.detail.made[row] >> kind & 1}


@given(octets, NAMES)
def test_chosen_fields_are_those_of_the_header(data: bytes, names: set[bytes]) -> None:
    block = header.split(data)[0].replace(b"\0", b"")
    piece = pieces.fields(block, ended=True)
    assert piece != pieces.NOT_KEPT
    assert pieces.Choice(names).of(piece) == mime.crlf(header.only(block + b"\n", names)).removesuffix(b"\r\n\r\n")
    assert pieces.kept_fields(piece) == pieces.Choice(pieces.KEPT).of(piece)


def test_one_choice_serves_every_row_of_names() -> None:
    choice = pieces.Choice([b"SUBJECT", b"from"])
    for block in (b"From: a\nSubject: b\n", b"subject: b\nTo: c\nfrom: a\n", b"To: c\n", b"Subject: b\nSubject: c\n"):
        assert choice.of(pieces.fields(block, ended=True)) == mime.crlf(header.only(block, [b"from", b"subject"]))
    assert choice.of(pieces.NOT_KEPT) is None


@given(octets | st.text(max_size=40).map(str.encode))
def test_folded_text_is_that_of_the_decoded_value(data: bytes) -> None:
    value = data.replace(b"\n", b"").strip()
    assert pieces.folded(value) == pieces.fold(header.text(value))


def test_only_what_is_asked_for_is_made(tmp_path: Path) -> None:
    body = b"text\n" * 5000
    folder = opened(tmp_path / "Maildir", HEADER + body)
    (fields,) = folder.parts(folder.table, [0], (pieces.FIELDS,), pieces.build)
    assert fields == b":from:subject\0From: a@example.test\r\n\0Subject: one\r\n two\r\n"
    assert made(folder, 0) == {pieces.RECEIVED, pieces.FIELDS}
    assert folder.table.detail.sizes[0] == 0, "the body was not read"
    (size,) = folder.parts(folder.table, [0], (pieces.SIZE,), pieces.build)
    assert size == b" RFC822.SIZE %d" % len((HEADER + body).replace(b"\n", b"\r\n"))
    assert made(folder, 0) == {pieces.RECEIVED, pieces.SIZE, pieces.FIELDS}
    again = boxes.alone(folder.directory)
    assert again.parts(again.table, [0], (pieces.FIELDS,), pieces.build) == [fields]
    assert again.parts(again.table, [0], (pieces.SIZE,), pieces.build) == [size]


def test_the_order_of_asking_does_not_matter(tmp_path: Path) -> None:
    folder = opened(tmp_path / "Maildir", HEADER + b"text\n", HEADER + b"text\n", b"no header", b"")
    for kind in (7, 2, 5, 0, 3, 6, 1, 4):
        folder.parts(folder.table, [0, 2, 3], (kind,), pieces.build)
    whole = folder.parts(folder.table, range(4), range(8), pieces.build)
    other = opened(tmp_path / "other", HEADER + b"text\n", HEADER + b"text\n", b"no header", b"")
    for row in range(4):
        stamp = os.stat(folder.path(row + 1))
        os.utime(other.path(row + 1), ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert other.parts(other.table, range(4), range(8), pieces.build) == whole
