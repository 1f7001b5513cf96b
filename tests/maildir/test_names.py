"""File names: what we make is unique and read back; what others make is some name."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailkit import clock
from mailkit.maildir import marks, names, sync

ANY = st.binary(max_size=80).map(lambda octets: octets.decode("utf-8", "surrogateescape"))
LETTERS = st.text(alphabet="DFPRSTabcdefghijklmnopqrstuvwxyz", max_size=12)


def test_unique_names_differ_within_one_microsecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now_ns", lambda: 1_700_000_000_123_456_789)
    monkeypatch.setattr(clock, "token", lambda octets=8: "0" * 2 * octets)
    made = {names.unique() for _ in range(100)}
    assert len(made) == 100
    assert all(name.startswith("1700000000.M123456P") for name in made)


def test_unique_name_ends_with_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "host", lambda: "mail")
    assert names.unique().endswith(".mail")


@given(LETTERS)
def test_flags_come_back_sorted_and_once(letters: str) -> None:
    base, found = names.parse(names.with_flags("1.x.h,S=3", letters))
    assert base == "1.x.h,S=3"
    assert found == "".join(sorted(set(letters)))


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_sizes_come_back(size: int, wire_size: int) -> None:
    base = names.with_sizes("1.x.h", size, wire_size)
    assert names.sizes(names.with_flags(base, "S")) == (size, wire_size)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1.x.h", (None, None)),
        ("1.x.h,S=12", (12, None)),
        ("1.x.h,W=12:2,S", (None, 12)),
        ("1.x.h,S=,W=-3", (None, None)),
        ("1.x.h,S=١٢", (None, None)),
        ("1.x.h,S=" + "9" * 40, (None, None)),
        ("1.x.h:2,S=5", (None, None)),
    ],
)
def test_sizes_that_are_no_numbers_are_not_told(name: str, expected: tuple[int | None, int | None]) -> None:
    assert names.sizes(name) == expected


@given(ANY)
def test_any_name_is_some_name(name: str) -> None:
    base, flags = names.parse(name)
    assert base == name.partition(":")[0]
    assert ":" + "2," + flags in name or flags == ""
    assert names.received(name) >= 0
    assert names.age(name)[2] == name


def test_age_orders_by_arrival() -> None:
    mixed = ["10.M000001P1.h", "rubbish", "9.M000010P1.h", "10.strange", "9.M000002P1.h"]
    assert [mixed.index(name) for name in sorted(mixed, key=names.age)] == [1, 4, 2, 3, 0]


@example(",W=12,W=")
@given(st.lists(st.sampled_from([",W=", ",S=", "12", "a", "W=", ","]), max_size=6).map("".join))
def test_wire_sizes_of_newcomers_are_those_of_names(base: str) -> None:
    assert sync.Newcomer(base.encode(), 0).size == (names.sizes(base)[1] or 0)


@given(st.integers(0, 2**32 - 1))
def test_marks_are_letters_and_back(number: int) -> None:
    assert marks.READING[marks.SUFFIX[number]] == (number, False)


@given(st.binary(max_size=60), st.integers(0, 2**32 - 1))
def test_renaming_keeps_what_nobody_knows(info: bytes, number: int) -> None:
    renamed = marks.renamed(b"base:2," + info, number)
    base, found, _ = marks.parse(renamed)
    assert (base, found) == (b"base", number)
    strange = {letter for letter in info if letter not in marks.LETTERS}
    assert strange <= set(renamed[len(b"base:2,") :])


@pytest.mark.parametrize("name", [b"base:2,SF", b"base", b"base:1,S", b"base:2,S!", b"base:2,SS", b"base:"])
def test_names_of_others_are_odd(name: bytes) -> None:
    assert marks.parse(name)[2]


def test_names_of_others_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "_MEMO", 10)
    marks.READING.clear()
    marks.SUFFIX.clear()
    for number in range(100):
        assert marks.READING[b":2,S%d" % number] == (marks.READING[b":2,S"][0], True)
        assert len(marks.READING) <= 12
        assert marks.SUFFIX[number].startswith(b":2,") and len(marks.SUFFIX) <= 12
