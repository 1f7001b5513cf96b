"""A page of results is what slicing the whole list would give, from whichever end it is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.wire import Bad, items, keys, pages, sets
from mailkit.imap.wire.reader import Reader

NUMBERS = st.integers(1, 30)


@pytest.mark.parametrize(("data", "page"), [
    (b"1:500", (1, 500)), (b"500:400", (400, 500)), (b"-1:-100", (-1, -100)), (b"-5:-2", (-2, -5)), (b"7:7", (7, 7)),
    (b"1:4294967295", (1, 4294967295)),
])  # fmt: skip
def test_grammar(data: bytes, page: tuple[int, int]) -> None:
    reader = Reader(data)
    assert pages.read(reader) == page
    assert reader.done


@pytest.mark.parametrize("data", [
    b"", b"1", b"1:", b":1", b"0:1", b"-0:-1", b"1:-1", b"-1:1", b"1:*", b"--1:-2", b"1:4294967296", b"- 1:-2",
])  # fmt: skip
def test_no_page(data: bytes) -> None:
    with pytest.raises(Bad):
        pages.read(Reader(data))


@given(st.binary(max_size=12) | st.text("-:0123456789*", max_size=12).map(str.encode))
def test_rubbish_is_bad_and_nothing_worse(data: bytes) -> None:
    for before, reading in ((b"", pages.read), (b"RETURN (PARTIAL ", keys.read), (b" (PARTIAL ", items.read_modifiers)):
        try:
            reading(Reader(before + data))  # type: ignore[operator]
        except Bad:
            continue


@given(st.booleans(), NUMBERS, NUMBERS, st.sets(st.integers(1, 40)))
def test_page_is_a_slice(backwards: bool, one: int, two: int, numbers: set[int]) -> None:
    whole = sorted(numbers)
    near, far = sorted((one, two))
    page = (-near, -far) if backwards else (near, far)
    wanted = whole[::-1][near - 1 : far][::-1] if backwards else whole[near - 1 : far]
    assert whole[pages.span(page, len(whole))] == wanted
    cut = pages.cut(page, list(sets.runs(whole)))
    assert [number for low, high in cut for number in range(low, high + 1)] == wanted
