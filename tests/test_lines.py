"""The receive buffer gives the same lines however the input is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.lines import Lines, TooLong

CHUNKS = st.lists(st.binary(max_size=12) | st.sampled_from([b"\r\n", b"\n", b"a\r", b"bc\nd"]), max_size=40)


def lines_of(lines: Lines, limit: int = 10**6) -> list[bytes]:
    found = []
    while (line := lines.line(limit)) is not None:
        found.append(line)
    return found


@given(CHUNKS)
def test_same_lines_however_cut(chunks: list[bytes]) -> None:
    lines = Lines()
    found = []
    for chunk in chunks:
        lines.feed(chunk)
        found += lines_of(lines)
    rest = lines.take(len(lines))
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in found)
    assert b"\n" not in rest
    assert b"".join(found) + rest == b"".join(chunks)
    assert len(lines) == 0


@given(CHUNKS, st.lists(st.integers(0, 20), max_size=40))
def test_take_and_line_keep_order(chunks: list[bytes], sizes: list[int]) -> None:
    lines = Lines()
    given_out = b""
    for chunk, size in zip(chunks, sizes, strict=False):
        lines.feed(chunk)
        taken = lines.take(size)
        assert len(taken) <= size
        given_out += taken + (lines.line(10**6) or b"")
    fed = b"".join(chunk for chunk, _ in zip(chunks, sizes, strict=False))
    assert given_out + lines.take(10**6) == fed


@given(st.integers(1, 30), st.integers(0, 60))
def test_limit_counts_the_end_and_does_not_depend_on_cuts(limit: int, length: int) -> None:
    wire = b"x" * length + b"\r\nnext\r\n"
    whole, dribbled = Lines(), Lines()
    whole.feed(wire)
    fits = length + 2 <= limit
    if fits:
        assert whole.line(limit) == b"x" * length + b"\r\n"
    else:
        with pytest.raises(TooLong):
            whole.line(limit)
    outcome: object = None
    for octet in wire:
        dribbled.feed(bytes([octet]))
        try:
            outcome = dribbled.line(limit)
        except TooLong:
            outcome = TooLong
        if outcome is not None:
            break
    assert (outcome is not TooLong) == fits


def test_too_long_line_is_skipped_piece_by_piece() -> None:
    lines = Lines()
    lines.feed(b"x" * 50)
    with pytest.raises(TooLong):
        lines.line(10)
    assert not lines.skip_line()
    assert len(lines) == 0
    lines.feed(b"xxx")
    assert not lines.skip_line()
    lines.feed(b"x\r\nnext\r\n")
    assert lines.skip_line()
    assert lines.line(10) == b"next\r\n"


def test_too_long_line_already_whole_is_skipped_at_once() -> None:
    lines = Lines()
    lines.feed(b"x" * 50 + b"\r\nnext\r\n")
    for _ in range(2):
        with pytest.raises(TooLong):
            lines.line(10)
    assert lines.skip_line()
    assert lines.line(10) == b"next\r\n"


def test_clear_forgets_what_came() -> None:
    lines = Lines()
    lines.feed(b"STARTTLS\r\nMAIL FROM:<a@b>\r\npart")
    assert lines.line(100) == b"STARTTLS\r\n"
    lines.clear()
    assert len(lines) == 0
    lines.feed(b"EHLO\r\n")
    assert lines.line(100) == b"EHLO\r\n"


def test_octets_are_searched_once() -> None:
    class Counting(bytearray):
        searched = 0

        def find(self, sub: bytes, start: int = 0) -> int:  # type: ignore[override]
            found = super().find(sub, start)
            Counting.searched += (found + 1 if found >= 0 else len(self)) - start
            return found

    lines = Lines()
    lines._buffer = Counting()
    for _ in range(5000):
        lines.feed(b"x")
        assert lines.line(10**6) is None
    lines.feed(b"\n" * 5000)
    assert len(lines_of(lines)) == 5000
    assert Counting.searched <= 10001


def test_consumed_octets_are_given_back() -> None:
    lines = Lines()
    lines.feed(b"x" * 99 + b"\n")
    for _ in range(10000):
        lines.feed(b"y" * 99 + b"\n")
        assert lines.line(200) is not None
    assert len(lines._buffer) < 200000
