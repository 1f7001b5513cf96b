"""Pieces in the log: however they came to lie there, a look at all of them finds what a look at each does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.maildir import kept
from mailkit.maildir.folder import Folder
from mailkit.maildir.reading import Reading
from tests.maildir import boxes

MANY = 30
few_octets = st.binary(max_size=6).map(lambda data: bytes(b"ab"[octet % 2] for octet in data))


def build(message: Reading, made: list[bytes], kinds: Sequence[int]) -> None:
    """Pieces of different lengths, some alike; those that are asked for."""
    number = int(message.data.split()[1])
    for kind in kinds:
        made[kind] = b"<%d%b>" % (kind, b"ab" * (number * (kind + 1) % 5))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder whose pieces were made at different times, in no order, some of them twice."""
    directory = boxes.make(tmp_path / "Maildir")
    for number in range(MANY):
        Path(directory, f"cur/{number:02d}.a.b:2,S").write_bytes(b"Subject: %d\n\ntext\n" % number)
    opened = boxes.alone(directory)
    opened.sync()
    for rows, kinds in ((range(20, 25), (3, 4)), (range(3), (3,)), ([22, 7, 9], (3, 5)), (range(5, 30), (2, 3))):
        opened.parts(opened.table, rows, kinds, build)
    return opened


def each(folder: Folder, rows: Sequence[int], kind: int) -> list[tuple[int, bytes]]:
    """What is kept, cut for each row by itself."""
    return [(row, (kept.stored(folder.table, row) or [b""] * 8)[kind]) for row in rows]


@pytest.mark.parametrize("rows", [range(MANY), range(4, 23), [1, 7, 8, 9, 22, 29], [28], []])
@pytest.mark.parametrize("kind", [2, 3])
def test_what_has_the_octets_is_found(folder: Folder, rows: Sequence[int], kind: int) -> None:
    for needle in (b"", b"<", b">", b"ba", b"abababab", b"3ab>", b"><", b"a>", b"2<"):
        found = folder.having(folder.table, rows, kind, needle, build)
        assert found == [(row, piece) for row, piece in each(folder, rows, kind) if needle in piece]


@given(st.lists(few_octets.filter(len), max_size=8), st.lists(few_octets, min_size=16, max_size=16), few_octets)
def test_hits(pieces: list[bytes], between: list[bytes], needle: bytes) -> None:
    window, starts, heads, tails = b"", [], [], []
    for piece, before, front in zip(pieces, between[::2], between[1::2], strict=False):
        window += before
        starts.append(len(window))
        window += front + piece
        heads.append(len(front))
        tails.append(len(front + piece))
    found = list(kept._hits(window + between[-1], needle, starts, heads, tails))
    spans = [(at + head, at + tail) for at, head, tail in zip(starts, heads, tails, strict=True)]
    assert found == [(i, *spans[i]) for i, piece in enumerate(pieces) if needle in piece]


@pytest.mark.parametrize("damaged", [0, 4, 6, 21, 22, MANY - 1])
def test_damage_is_found_among_neighbours(folder: Folder, damaged: int, lines: list[str]) -> None:
    """Also where only the others are asked for: then it does not matter."""
    whole = folder.having(folder.table, range(MANY), 3, b"", build)
    assert whole == each(folder, range(MANY), 3)
    log = Path(folder.directory, "mailkit-log")
    at = folder.table.detail.part_at[damaged]
    octets = bytearray(log.read_bytes())
    octets[at + 1] ^= 0x20
    log.write_bytes(octets)
    others = [row for row in range(MANY) if row != damaged]
    again = boxes.alone(folder.directory)
    assert again.having(again.table, others, 3, b"", build) == [whole[row] for row in others]
    assert again.table.detail.made[damaged]
    assert again.having(again.table, range(MANY), 3, b"", build) == whole
    assert len([line for line in lines if "verdict=damaged" in line]) == 1
