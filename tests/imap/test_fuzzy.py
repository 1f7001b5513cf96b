"""FUZZY (RFC 6203): which words are like which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.messages.pieces import fold
from mailkit.imap.searching import fuzzy


def likeness(term: str, text: str) -> int:
    """Of one word to a text."""
    (folded,) = fuzzy.terms_of(term)
    return fuzzy.likeness(folded, fuzzy.words(fold(text)))


@pytest.mark.parametrize(("term", "text", "value"), [
    ("hello", "Say Hello, please", 100), ("cafe", "Café", 100), ("CAFÉ", "cafe", 100), ("grusse", "Grüße", 100),
    ("conf", "the conference", 80), ("helo", "hello", 60), ("helllo", "hello", 60), ("hallo", "hello", 60),
    ("ehllo", "hello", 60), ("hello", "help", 0), ("he", "hello", 0), ("cat", "car", 0), ("x", "", 0),
    ("report", "weekly repotr", 60), ("world", "word", 60),
])  # fmt: skip
def test_likeness(term: str, text: str, value: int) -> None:
    assert likeness(term, text) == value


@pytest.mark.parametrize(("needle", "text", "value"), [
    ("IMAP break", "broken IMAP", 0), ("imap broken", "Broken: IMAP", 100), ("imap brokn", "broken imap", 80),
    ("", "anything", 100), ("imap", "", 0), ("meeting tomorow", "Tomorrow's meeting", 80),
])  # fmt: skip
def test_score(needle: str, text: str, value: int) -> None:
    assert fuzzy.score(fuzzy.terms_of(needle), fuzzy.words(fold(text))) == value


WORD = st.text("abcé", min_size=4, max_size=8)


@given(WORD, st.integers(0, 8), st.sampled_from(["drop", "add", "change", "swap"]))
def test_every_slip_is_found(word: str, at: int, slip: str) -> None:
    at %= len(word)
    changed = {
        "drop": word[:at] + word[at + 1 :], "add": word[:at] + "z" + word[at:], "change": word[:at] + "z" + word[at + 1 :],
        "swap": word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    }[slip]  # fmt: skip
    assert fuzzy.one_slip(word, changed) or word == changed
    assert fuzzy.one_slip(changed, word) == fuzzy.one_slip(word, changed)


@given(st.text(max_size=30), st.text(max_size=100))
def test_any_texts(needle: str, text: str) -> None:
    terms = fuzzy.terms_of(needle)
    assert len(terms) <= fuzzy.TERMS_MOST
    assert 0 <= fuzzy.score(terms, fuzzy.words(fold(text))) <= 100
    assert fuzzy.score(terms, set(terms) | {"x"}) == 100
