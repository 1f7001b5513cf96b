"""What the full-text index knows of the messages a search looks at, so that few of them are read.

`known` has an answer for each key that would read messages: the rows that match, and the rows that must be read. A key
without an answer, as when there is no index or the search is for few messages anyway, reads them all.
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

    from mailkit.fulltext.store import Search
    from mailkit.imap.searching.matching import Matcher
    from mailkit.imap.wire.keys import Key

    Known = dict[Key, tuple[set[int], set[int]]]

LEAST = 200
"""To read fewer messages than this is cheaper than to look into the index."""


async def ask(matcher: Matcher, rows: Sequence[int], key: Key) -> None:
    """Fill `matcher.known` for `key`, which reads messages. What the index of the selected folder lacks comes later."""
    matcher.known.clear()
    state = matcher.state
    if len(rows) < LEAST or not state.home.control.flag("fulltext"):
        return
    queries = {leaf: query for leaf in leaves(key) if (query := question(leaf)).parts}
    if not queries:
        return
    folder = matcher.view.folder
    search = Store(folder.directory, folder.uidvalidity).search(queries.values())
    while await state.conn.offload(search.step):
        await intake.breathe(state)
    if search.covered:
        await state.conn.offload(learn, matcher, rows, queries, search)
    if matcher.view is state.view:
        filling.begin(state, search.covered)


def leaves(key: Key) -> Iterator[Key]:
    """The keys in `key` that read messages."""
    name = key[0]
    if name == "AND":
        assert isinstance(key[1], list)
        for each in key[1]:
            yield from leaves(each)
    elif name in ("OR", "NOT"):
        for each in key[1:]:
            assert isinstance(each, tuple)
            yield from leaves(each)
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


def to_rows(matcher: Matcher, uids: set[int]) -> set[int]:
    """Rows of those that are still there."""
    return {row for row in map(matcher.table.row, uids) if row is not None}


def portions(matcher: Matcher, rows: Sequence[int], key: Key) -> tuple[Sequence[int], Sequence[int]]:
    """(rows that are decided without reading a message, the others)."""
    answers = [matcher.known.get(leaf) for leaf in leaves(key)]
    if not answers:
        return (), rows  # FUZZY, of which the index knows nothing
    unread: set[int] = set()
    for answer in answers:
        if answer is None:
            return (), rows
        unread |= answer[1]
    if not unread:
        return rows, ()
    return [row for row in rows if row not in unread], [row for row in rows if row in unread]
