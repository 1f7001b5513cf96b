"""What the full-text index knows of the messages a search looks at, so that few of them are read.

`known` has an answer for each key that would read messages: the rows that match, and the rows that must be read;
`rated` for those inside FUZZY, with how well the rows match. A key without an answer, as when there is no index or the
search is for few messages anyway, reads them all.
"""

from __future__ import annotations

from mailkit.fulltext.store import Store
from mailkit.fulltext.words import Query
from mailkit.imap import intake
from mailkit.imap.messages import pieces
from mailkit.imap.searching import filling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailkit.fulltext.rating import Rating
    from mailkit.fulltext.store import Search
    from mailkit.imap.searching.matching import Matcher
    from mailkit.imap.session import Session
    from mailkit.imap.wire.keys import Key

    Known = dict[Key, tuple[set[int], set[int]]]
    Rated = dict[Key, tuple[dict[int, int], set[int]]]

LEAST = 200
"""To read fewer messages than this is cheaper than to look into the index."""


async def ask(matcher: Matcher, rows: Sequence[int], key: Key) -> None:
    """Fill `matcher.known` for `key`, which reads messages. What the index of the selected folder lacks comes later."""
    matcher.known.clear()
    matcher.rated.clear()
    state = matcher.state
    if len(rows) < LEAST or not state.home.control.flag("fulltext"):
        return
    folder = matcher.view.folder
    store = Store(folder.directory, folder.uidvalidity)
    exact = [leaf for leaf in leaves(key) if leaf[0] != "FUZZY"]
    queries = {leaf: query for leaf in exact if (query := question(leaf)).parts}
    ratings = {leaf: found for leaf in leaves(key) if leaf[0] == "FUZZY" and (found := rating(store, leaf)) is not None}
    covered: set[int] | None = None
    if queries:
        search = store.search(queries.values())
        await run(state, search)
        if search.covered:
            await state.conn.offload(learn, matcher, rows, queries, search)
        covered = search.covered
    for leaf, asked in ratings.items():
        await run(state, asked)
        if asked.covered:
            await state.conn.offload(learn_marks, matcher, rows, leaf, asked)
        covered = asked.covered
    if covered is not None and matcher.view is state.view:
        filling.begin(state, covered)


async def run(state: Session, search: Search | Rating) -> None:
    """Look into all segments, in turns with others."""
    while await state.conn.offload(search.step):
        await intake.breathe(state)


def rating(store: Store, leaf: Key) -> Rating | None:
    """The question that a key inside FUZZY is, if it is one."""
    from mailkit.imap.searching import fuzzy  # few searches are

    inner = leaf[1]
    assert isinstance(inner, tuple)
    return fuzzy.rating(store, inner)


def leaves(key: Key) -> Iterator[Key]:
    """The keys in `key` that read messages; those inside FUZZY each in one of their own."""
    name = key[0]
    if name == "AND":
        assert isinstance(key[1], list)
        for each in key[1]:
            yield from leaves(each)
    elif name in ("OR", "NOT"):
        for each in key[1:]:
            assert isinstance(each, tuple)
            yield from leaves(each)
    elif name == "FUZZY":
        assert isinstance(key[1], tuple)
        for each in leaves(key[1]):
            yield each if each[0] == "FUZZY" else ("FUZZY", each)
    elif name in ("BODY", "TEXT") or (name == "HEADER" and str(key[1]).lower().encode("latin-1") not in pieces.KEPT):
        yield key


def question(leaf: Key) -> Query:
    """The same for the index."""
    name = str(leaf[1]).lower() if leaf[0] == "HEADER" else ""
    return Query(str(leaf[0]), pieces.fold(str(leaf[-1])), name.encode("ascii") if name.isascii() else b"")


def learn(matcher: Matcher, rows: Sequence[int], queries: dict[Key, Query], search: Search) -> None:
    """UIDs to rows."""
    uids = matcher.table.uids
    missing = {row for row in rows if uids[row] not in search.covered}
    for leaf, query in queries.items():
        sure, maybe = search.sure[query], search.maybe[query] - search.sure[query]
        matcher.known[leaf] = (to_rows(matcher, sure), missing | to_rows(matcher, maybe))


def learn_marks(matcher: Matcher, rows: Sequence[int], leaf: Key, asked: Rating) -> None:
    """The same for a key inside FUZZY."""
    uids, row_of = matcher.table.uids, matcher.table.row
    unread = {row for row in rows if uids[row] not in asked.covered} | to_rows(matcher, asked.unread)
    marks = {row: mark for uid, mark in asked.marks.items() if (row := row_of(uid)) is not None}
    inner = leaf[1]
    assert isinstance(inner, tuple)
    matcher.rated[inner] = (marks, unread)
    matcher.known[leaf] = (set(marks), unread)


def to_rows(matcher: Matcher, uids: set[int]) -> set[int]:
    """Rows of those that are still there."""
    return {row for row in map(matcher.table.row, uids) if row is not None}


def portions(matcher: Matcher, rows: Sequence[int], key: Key) -> tuple[Sequence[int], Sequence[int]]:
    """(rows that are decided without reading a message, the others)."""
    answers = [matcher.known.get(leaf) for leaf in leaves(key)]
    if not answers:
        return (), rows
    unread: set[int] = set()
    for answer in answers:
        if answer is None:
            return (), rows
        unread |= answer[1]
    if not unread:
        return rows, ()
    return [row for row in rows if row not in unread], [row for row in rows if row in unread]
