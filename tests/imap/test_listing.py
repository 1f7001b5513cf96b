"""Wildcards."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.folders.listing import above, matches, pattern


@pytest.mark.parametrize(("wanted", "name", "fits"), [
    ("*", "a/b", True), ("%", "a/b", False), ("%", "a", True), ("a/%", "a/b", True), ("a/%", "a", False),
    ("%/%", "a/b", True),
    ("*b", "a/b", True), ("a%b", "aXb", True), ("a%b", "a/b", False), ("", "a", False), ("a*", "a", True),
    ("%%", "ab", True),
])  # fmt: skip
def test_matches(wanted: str, name: str, fits: bool) -> None:
    assert matches(wanted, name) is fits


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=10))
def test_matches_as_a_regular_expression_would(wanted: str, name: str) -> None:
    expression = "".join({"*": ".*", "%": "[^/]*"}.get(char, re.escape(char)) for char in wanted)
    assert matches(wanted, name) is (re.fullmatch(expression, name) is not None)


def test_many_wildcards_take_no_time() -> None:
    assert not matches("*a%" * 60 + "b", "a" * 200)


def test_inbox_in_any_case() -> None:
    assert pattern("", "inbox/%") == "INBOX/%"
    assert pattern("Inbox/", "x") == "INBOX/x"
    assert above("a/b/c") == ["a", "a/b"]


@pytest.mark.parametrize("wild", ["%" * 60_000, "*%" * 30_000, "%*" * 30_000, "*%%" * 20_000 + "*"])
def test_a_long_row_of_wildcards_is_one(wild: str) -> None:
    assert pattern("", wild) == ("*" if "*" in wild else "%")
    assert pattern("inbox/", f"a{wild}b") == f"INBOX/a{'*' if '*' in wild else '%'}b"


@given(st.text("ab/%*", max_size=8), st.text("ab/", max_size=6))
def test_one_wildcard_stands_for_those_beside_it(text: str, name: str) -> None:
    assert matches(pattern("", text), name) == matches(text, name)
