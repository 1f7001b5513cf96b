"""SEARCH keys against messages (RFC 9051 section 6.4.4).

A key is applied to many rows of the folder's table at once and keeps those that match. What the columns answer (flags,
numbers, sizes) goes first, then what the index's pieces answer (dates, common header fields), then what needs files; so
most searches never open a file, and those that do open few. Long searches go in slices, between which others have their
turn.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.imap import intake, selection, uidonly
from mailkit.imap.messages import pieces
from mailkit.imap.searching import contents, dates, headers, narrowing, planning, properties
from mailkit.imap.searching.planning import COLUMNS, FILES, PIECES
from mailkit.imap.wire import keys
from mailkit.maildir.kept import lacks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailkit.imap.searching.narrowing import Known, Rated
    from mailkit.imap.session import Session
    from mailkit.imap.wire.keys import Key
    from mailkit.maildir.view import View

    Leaf = Callable[["Matcher", Sequence[int], Key], list[int]]

BLOCK = {COLUMNS: 20_000, PIECES: 500, FILES: 100}
"""Rows between two turns of others."""


class Matcher:
    """The folder as the client knows it when the search begins: `rows[n - 1]` is the row of message n, or -1."""

    __slots__ = ("known", "now_s", "rated", "rows", "scores", "state", "table", "view")

    def __init__(self, state: Session, view: View) -> None:
        self.state = state
        self.view = view
        self.table, self.rows = view.rows(1, view.count)
        self.now_s = int(clock.now())
        self.known: Known = {}  # see `narrowing`
        self.rated: Rated = {}
        self.scores: dict[int, list[int]] = {}  # of rows that FUZZY keys matched

    def parts(self, rows: Sequence[int], kind: int) -> list[bytes | None]:
        """One kind of piece of each row."""
        return self.view.folder.parts(self.table, rows, (kind,), pieces.build)


async def find(state: Session, view: View, key: Key, scores: dict[int, int] | None = None) -> list[int]:
    """UIDs of the matching messages, ascending. scores: gets their relevancy by UID, when there is a FUZZY key."""
    matcher = Matcher(state, view)
    rows = await find_rows(matcher, key)
    if scores is not None:
        scores.update(relevancies(matcher, rows))
    return list(selection.column(matcher.table.uids, rows))


def relevancies(matcher: Matcher, rows: Sequence[int]) -> dict[int, int]:
    """Relevancy of each row by its UID; nothing where nothing was FUZZY."""
    uids = matcher.table.uids
    return {uids[row]: relevancy(matcher, row) for row in rows} if matcher.scores else {}


async def find_rows(matcher: Matcher, key: Key) -> list[int]:
    """Rows of the matching messages, ascending. Bad [UIDREQUIRED] before anything is done."""
    state = matcher.state
    uidonly.refuse_key(state, key)
    rows: Sequence[int] = matcher.rows if isinstance(matcher.rows, range) else [row for row in matcher.rows if row >= 0]
    for each in sorted(planning.conjuncts(key), key=planning.cost):
        if planning.cost(each) == FILES:
            await narrowing.ask(matcher, rows, each)
            decided, unread = narrowing.portions(matcher, rows, each)
            found = await match_all(matcher, decided, each, PIECES if each[0] in ("OR", "NOT", "FUZZY") else COLUMNS)
            rows = sorted(found + await match_all(matcher, unread, each, FILES))
        else:
            rows = await match_all(matcher, rows, each, planning.cost(each))
    return list(rows)


async def match_all(matcher: Matcher, rows: Sequence[int], key: Key, looks: int) -> list[int]:
    """Those of `rows` that match, in turns with others. looks: COLUMNS, PIECES or FILES."""
    state = matcher.state
    found: list[int] = []
    for start in range(0, len(rows), BLOCK[looks]):
        block = rows[start : start + BLOCK[looks]]
        if looks == COLUMNS or (looks == PIECES and made(matcher, block, key)):
            found += match(matcher, block, key)
        else:
            found += await state.conn.offload(match, matcher, block, key)
        if looks != COLUMNS:
            await intake.breathe(state, start + len(block), len(rows))
    return found


def made(matcher: Matcher, rows: Sequence[int], key: Key) -> bool:
    """All that the key looks at is in the index: that is done sooner than handed to a thread. FIELDS may send us to
    the file."""
    kinds = sorted(planning.kinds_of(key))
    slow = not kinds or pieces.FIELDS in kinds or keys.mentions(key, "FUZZY")
    return not slow and not lacks(matcher.table, rows, kinds)


def match(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """Those of `rows` (ascending) that match, ascending. Blocking where files are looked at."""
    name = key[0]
    if name == "AND":
        for each in sorted(planning.operands(key), key=planning.cost):
            rows = match(matcher, rows, each)
        return list(rows)
    if name == "OR":
        first = set(match(matcher, rows, planning.operands(key)[0]))
        rest = [row for row in rows if row not in first]
        return sorted(first.union(match(matcher, rest, planning.operands(key)[1])))
    if name == "NOT":
        inner = planning.operands(key)[0]
        if inner[0] == "FLAG":
            return properties.no_flag(matcher, rows, inner)
        without = set(match(matcher, rows, inner))
        return [row for row in rows if row not in without]
    assert isinstance(name, str)
    return LEAVES[name](matcher, rows, key)


def fuzzy(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """FUZZY."""
    from mailkit.imap.searching import fuzzy  # few searches are

    return fuzzy.matched(matcher, rows, key)


def relevancy(matcher: Matcher, row: int) -> int:
    """1 to 100: the mean of what FUZZY keys made of a row; 100 where none looked at it."""
    found = matcher.scores.get(row)
    return sum(found) // len(found) if found else 100


LEAVES: dict[str, Leaf] = {
    "ALL": properties.everything, "FLAG": properties.flag, "RECENT": properties.recent, "SEQ": properties.numbered,
    "UID": properties.numbered, "MODSEQ": properties.modified, "LARGER": properties.sized, "SMALLER": properties.sized,
    "HEADER": headers.in_header, "BODY": contents.in_body, "TEXT": contents.in_text, "FUZZY": fuzzy,
    **dict.fromkeys(planning.DAYS, dates.dated), **dict.fromkeys(planning.SAVED_DAYS, dates.saved),
    **dict.fromkeys(planning.IDENTIFIERS, properties.identified),
}  # fmt: skip
