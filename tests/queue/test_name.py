"""File names of queue entries."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.queue import name
from mailkit.queue.name import Name


@given(st.integers(0, 10**12), st.integers(0, 999), st.text("0123456789abcdef", min_size=1), st.integers(0, 10**12))
def test_a_name_is_read_back(due: int, attempts: int, id: str, size: int) -> None:
    found = name.parse(str(Name(due, attempts, id, size)))
    assert found is not None
    assert (found.due, found.attempts, found.id, found.size) == (due, attempts, id, size)


@given(st.integers(0, 10**12), st.text("0123456789abcdef", min_size=1), st.binary(max_size=99))
def test_what_a_name_in_tmp_says_is_read_back(due: int, id: str, data: bytes) -> None:
    text = Name(due, 0, id, 5).sealed(data)
    found = name.seal(text)
    assert found is not None
    assert (str(found.name), found.octets, found.crc) == (str(Name(due, 0, id, 5)), len(data), crc32(data))
    assert name.parse(text) is None


@given(st.text(",.=SFC0123456789abcdefg", max_size=40))
def test_no_other_name_says_anything(text: str) -> None:
    found = name.seal(text)
    assert found is None or text == f"{found.name},F={text.split(',F=')[1].split(',')[0]},C={found.crc:08x}"
    assert name.seal("1.0.a,S=5" + text) is None or text.startswith(",F=")


def test_a_name_somebody_wrote_by_hand_stays_as_it_is() -> None:
    found = name.parse("1.0.abc,S=5")
    assert found is not None
    assert str(found) == "1.0.abc,S=5"
    assert str(found.at(2)) == "0000000002.0.abc,S=5"


def test_names_sort_by_due_time() -> None:
    names = [str(Name(due, 3, "a", 1)) for due in (5, 40, 1763768464, 9999999999)]
    assert sorted(names) == names


@pytest.mark.parametrize(
    "text", ["", "x", ".nfs0001", "1.0.a", "1.0.a,S=", "1.0.a,S=x", "a.0.b,S=1", "1.0,S=1", "1.0.a/b,S=1"]
)
def test_other_names_are_not_ours(text: str) -> None:
    assert name.parse(text) is None
