"""What a needle says about words is true of every text."""

from __future__ import annotations

import pytest
from hypothesis import given

from mailkit.fulltext.words import BODY, HEADER, TEXT, Query, words
from tests.fulltext import library


@pytest.mark.parametrize(
    ("needle", "parts", "exact"),
    [
        ("meeting", ["meeting"], True),
        ("größe", ["größe"], True),
        ("会議", ["会議"], True),
        ("two words", ["two\n", "\nwords"], False),
        ("a@b.example", ["a\n", "\nb\n", "\nexample"], False),
        (" led", ["\nled"], False),
        ("ends.", ["ends\n"], False),
        ("\nx", ["\nx"], False),
        ("--", [], False),
        ("", [], False),
    ],
)
def test_parts(needle: str, parts: list[str], exact: bool) -> None:
    query = Query(BODY, needle.encode())
    assert query.parts == [part.encode() for part in parts]
    assert query.exact == exact


def test_a_header_field_is_never_sure() -> None:
    assert not Query(HEADER, b"word").exact
    assert Query(TEXT, b"word").exact


def test_the_name_of_a_field_is_looked_for_as_well() -> None:
    assert Query(HEADER, b"yes", b"x-spam").parts == [b"\nspam\n", b"\nx\n", b"yes"]
    assert Query(HEADER, b"", b"x-spam").parts
    assert Query(HEADER, b"yes", b"x-spam") != Query(HEADER, b"yes")


@given(library.text, library.text, library.text)
def test_who_has_the_needle_has_its_parts(before: bytes, needle: bytes, after: bytes) -> None:
    block = b"\n" + b"\n".join(words(before + needle + after)) + b"\n"
    assert all(part in block for part in Query(BODY, needle).parts)


@given(library.text, library.text)
def test_an_exact_needle_is_where_its_part_is(text: bytes, needle: bytes) -> None:
    query = Query(BODY, needle)
    if query.exact:
        assert (needle in text) == any(needle in word for word in words(text))
