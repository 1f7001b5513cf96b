"""Texts to be found again, and what a search by reading finds."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import strategies as st

from mailkit.fulltext.draft import Draft
from mailkit.fulltext.store import NAME, Store
from mailkit.fulltext.words import HEADER, TEXT, Query

UIDVALIDITY = 7

Texts = dict[int, tuple[bytes, bytes]]

text = st.text("ab\n -é東\x00\x7f", max_size=12).map(str.encode)
texts = st.dictionaries(st.integers(1, 60), st.tuples(text, text), max_size=12)
queries = st.builds(Query, st.sampled_from(["HEADER", "BODY", "TEXT"]), text).filter(lambda query: bool(query.parts))


def store(path: Path, uidvalidity: int = UIDVALIDITY) -> Store:
    return Store(str(path), uidvalidity)


def draft(given: Texts) -> Draft:
    """All in one draft."""
    made = Draft()
    for uid, (header, body) in given.items():
        made.add(uid, header, body)
    return made


def add(into: Store, given: Texts, alive: set[int] | None = None) -> None:
    """As a filling does it."""
    os.makedirs(into.directory, exist_ok=True)
    into.add(draft(given), set(given) if alive is None else alive)


def reading(given: Texts, query: Query) -> set[int]:
    """UIDs of the texts that have the needle."""
    found = set()
    for uid, (header, body) in given.items():
        in_header = query.field in (HEADER, TEXT) and query.needle in header
        in_body = query.field != HEADER and query.needle in body
        if in_header or in_body:
            found.add(uid)
    return found


def look(into: Store, query: Query) -> tuple[set[int], set[int], set[int]]:
    """(sure, maybe, covered)"""
    search = into.search([query])
    while search.step(1):
        pass
    return search.sure[query], search.maybe[query], search.covered


def segments(path: Path) -> list[Path]:
    """Their files."""
    return sorted(file for file in (path / NAME).iterdir() if file.name != "lock" and file.suffix != ".tmp")
