"""i;unicode-casemap (RFC 5051): what it holds equal is equal."""

from __future__ import annotations

import sys
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail.collation import folded, sorting


def casemap(text: str) -> str:
    """RFC 5051 section 2: the titlecase of each character where that is one character, then taken apart."""
    return normalize("NFKD", "".join(char.title() if len(char.title()) == 1 else char for char in text))


def test_every_character_is_what_its_titlecase_is() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if char.title() != char or normalize("NFKD", char) != char:
            assert folded(char) == folded(casemap(char)), hex(code)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_what_is_contained_is_found(before: str, text: str, after: str) -> None:
    assert folded(casemap(text)) == folded(text)
    assert folded(folded(text)) == folded(text)
    assert folded(before) in folded(before + "x" + after)


@pytest.mark.parametrize(("needle", "text"), [
    ("cafe", "Café"), ("CAFÉ", "cafe\u0301"), ("grüsse", "GRÜẞE"), ("grüße", "Grüsse"), ("file", "ﬁle"), ("istanbul", "ISTANBUL"),
    ("ж", "Ж"), ("σ", "ΟΔΟΣ"), ("ａｂｃ", "ABC"),
])  # fmt: skip
def test_found(needle: str, text: str) -> None:
    assert folded(needle) in folded(text)


@pytest.mark.parametrize(("needle", "text"), [("é", "cafe"), ("ü", "u"), ("b", "a")])
def test_not_found(needle: str, text: str) -> None:
    assert folded(needle) not in folded(text)


def test_order() -> None:
    words = ["_x", "Zebra", "alpha", "Beta", "äpfel", "1"]
    assert sorted(words, key=lambda word: sorting(folded(word))) == ["1", "alpha", "äpfel", "Beta", "Zebra", "_x"]
