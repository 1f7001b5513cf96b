"""Who has words like others: the marks of messages, of those of their words."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailkit.fulltext import rating
from mailkit.fulltext import store as stores
from mailkit.fulltext.draft import MESSAGE_MOST, Draft
from mailkit.fulltext.rating import Rating
from mailkit.fulltext.store import NAME, Store
from mailkit.fulltext.words import BODY, HEADER, TEXT


def rate(block: bytes) -> list[dict[int, int]]:
    """Two terms: words with an a, better the shorter they are; and "end"."""
    words = block.split(b"\n")[1:-1]
    with_a = {place: 100 - len(word) for place, word in enumerate(words) if b"a" in word}
    return [with_a, {place: 50 for place, word in enumerate(words) if word == b"end"}]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two files."""
    monkeypatch.setattr(stores, "OCTETS_MOST", 0)
    (tmp_path / NAME).mkdir()
    made = Store(str(tmp_path), 7)
    first, second = Draft(), Draft()
    first.add(1, b"a", b"banana end")
    first.add(2, b"end", b"none")
    first.add_unread(3)
    second.add(5, b"x", b"ab abc end")
    second.add(6, b"end", b"aaaa")
    second.add(7, b"", b"a" * (MESSAGE_MOST + 1))
    for draft in (first, second):
        made.add(draft, set())
    return made


def asked(store: Store, field: str) -> Rating:
    found = Rating(store, field, rate, min)
    while found.step():
        pass
    return found


@pytest.mark.parametrize(
    ("field", "marks"),
    [(BODY, {1: 50, 5: 50}), (HEADER, {}), (TEXT, {1: 50, 5: 50, 6: 50})],
)
def test_every_term_must_fit(store: Store, field: str, marks: dict[int, int]) -> None:
    found = asked(store, field)
    assert found.marks == marks
    assert (found.covered, found.unread) == ({1, 2, 3, 5, 6, 7}, {3, 7})


def test_the_best_word_counts(store: Store) -> None:
    found = Rating(store, TEXT, lambda block: rate(block)[:1], max)
    while found.step():
        pass
    assert found.marks == {1: 99, 5: 98, 6: 96}


def test_best_is_of_all() -> None:
    assert rating.best([{1: 5, 2: 7}, {2: 3, 3: 1}, {1: 6}]) == {1: 6, 2: 7, 3: 1}


def test_a_damaged_file_is_left_out(store: Store) -> None:
    victim = next(Path(store.directory).iterdir())
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(bytes(data))
    found = asked(store, BODY)
    assert len(found.covered) == 3
    assert not victim.exists()
