"""Search results that are kept up to date (CONTEXT=SEARCH, CONTEXT=SORT; RFC 5267 section 4.3).

A context is what a search with RETURN (UPDATE) found, in its order. Whenever the client is told of the folder, messages
that came or changed since the last time are matched again, and what that makes of the result is told as ADDTO and
REMOVEFROM. Message numbers among the keys mean what they meant when the search was made; keys that look at the clock
are not looked at again by themselves.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right

from mailkit.imap import intake, selection
from mailkit.imap.responses import correlator, untagged
from mailkit.imap.searching import matching, planning
from mailkit.imap.wire import Bad, sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailkit.imap.searching.matching import Matcher
    from mailkit.imap.session import Session
    from mailkit.imap.wire.items import Item
    from mailkit.imap.wire.keys import Key
    from mailkit.imap.wire.orders import Criterion
    from mailkit.imap.wire.sets import Ranges
    from mailkit.maildir.view import Changes, View

CONTEXTS_MOST = 10
MESSAGES_MOST = 1_000_000
"""Messages in all contexts of a session: four octets each."""
BLOCK = 500


class Context:
    """One search that goes on.

    criteria: of a SORT, else empty. head: how its responses begin. members: UIDs of the result in its order; last,
    modseq: what of the folder has been looked at. items: what is fetched of new messages in it (RFC 5465 section 7).
    """

    __slots__ = ("by_uid", "criteria", "head", "items", "key", "last", "members", "modseq")

    def __init__(self, head: bytes, by_uid: bool, key: Key, criteria: list[Criterion], view: View) -> None:
        self.head = head
        self.by_uid = by_uid
        self.key = key
        self.criteria = criteria
        self.items: list[Item] = []
        self.members = array("I")
        self._looked(view)

    def _looked(self, view: View) -> None:
        self.last = view.uids[view.count - 1] if view.count else 0
        self.modseq = view.folder.highestmodseq

    def keep(self, state: Session, uids: Sequence[int]) -> None:
        """Go on with what was found; NO [NOUPDATE] when that would be too much (section 4.3.1)."""
        total = len(uids) + sum(len(other.members) for other in state.contexts.values())
        scored = any(name == "RELEVANCY" for name, _ in self.criteria)  # what it is sorted by is not kept
        if len(state.contexts) >= CONTEXTS_MOST or total > MESSAGES_MOST or scored:
            state.conn.write(untagged(b'NO [NOUPDATE "' + state.tag + b'"]', b"The results are not kept up to date"))
            return
        self.members = array("I", uids)
        state.contexts[state.tag] = self

    def tell_gone(self, state: Session, changes: Changes) -> None:
        """REMOVEFROM of messages that the client is about to hear are expunged: their numbers are good till then."""
        numbers = dict(zip(changes.expunged, reversed(changes.sequence), strict=True))
        if numbers:
            self._remove(state, [uid for uid in self.members if uid in numbers], numbers)

    async def tell_changed(self, state: Session, view: View) -> None:
        """ADDTO and REMOVEFROM of messages that came or changed. After EXISTS, so that their numbers are known."""
        if view.folder.highestmodseq == self.modseq and not (view.count and view.uids[view.count - 1] > self.last):
            return
        matcher = matching.Matcher(state, view)
        last = self.last
        rows = touched(matcher, last, self.modseq)
        self._looked(view)
        uids = matcher.table.uids
        found = {uids[row] for row in await matched(state, matcher, rows, self.key)}
        lost = {uids[row] for row in rows} - found
        gone = [uid for uid in self.members if uid in lost]
        self._remove(state, gone, {uid: view.seq(uid) or 0 for uid in gone})
        new = found.difference(self.members)
        if self.items:
            await self._fetch(state, view, sorted(uid for uid in new if uid > last))
        await self._add(state, matcher, new)

    async def _fetch(self, state: Session, view: View, uids: list[int]) -> None:
        """What is wanted of messages that came, and did not only change."""
        from mailkit.imap.commands import fetch

        numbers = filter(None, map(view.seq, uids))
        await fetch.tell(state, self.items, list(sets.runs(numbers)))

    def _remove(self, state: Session, gone: list[int], numbers: dict[int, int]) -> None:
        """gone: in the order of the result; numbers: of those."""
        if not gone:
            return
        shown = gone if self.by_uid else [numbers[uid] for uid in gone]
        if self.criteria:
            # Each position is what it is after the removals before it (section 4.3.4): from the end on, none moves.
            places = [self.members.index(uid) + 1 for uid in gone]
            told = b" ".join([b"%d %d" % pair for pair in zip(places, shown, strict=True)][::-1])
        else:
            told = b"0 " + sets.form(shown)
        state.conn.write(untagged(self.head, b"REMOVEFROM (" + told + b")"))
        without = set(gone)
        self.members = array("I", [uid for uid in self.members if uid not in without])

    async def _add(self, state: Session, matcher: Matcher, new: set[int]) -> None:
        if not new:
            return
        members = sorted(new.union(self.members))
        if self.criteria:
            members = await in_order(state, matcher, members, self.criteria)
        self.members = array("I", members)
        numbers = {uid: uid if self.by_uid else matcher.view.seq(uid) or 0 for uid in new}
        if self.criteria:
            # Inserted from the front on, each stays where it is put (section 4.3.3).
            told = b" ".join([b"%d %d" % (at, numbers[uid]) for at, uid in enumerate(members, 1) if uid in new])
        else:
            told = b"0 " + sets.form(sorted(numbers.values()))
        state.conn.write(untagged(self.head, b"ADDTO (" + told + b")"))


def begun(state: Session, key: Key, criteria: list[Criterion], by_uid: bool, where: bytes) -> Context:
    """A context that looks at the selected folder from now on. Bad: a search that goes on has this tag already."""
    if state.tag in state.contexts:
        raise Bad("Tag reuse")
    view = state.view
    assert view is not None
    head = correlator(state.tag, by_uid, where)
    return Context(head, by_uid, fixed(state, view, key), criteria, view)


def fixed(state: Session, view: View, key: Key) -> Key:
    """The key with UIDs in place of message numbers and of what is saved now (section 4.3)."""
    if key[0] == "AND":
        return ("AND", [fixed(state, view, each) for each in planning.operands(key)])
    if key[0] in ("OR", "NOT", "FUZZY"):
        return (key[0], *(fixed(state, view, each) for each in planning.operands(key)))
    if key[0] not in ("SEQ", "UID"):
        return key
    ranges = key[1]
    assert isinstance(ranges, list)
    if ranges is sets.SAVED:
        return ("UID", list(state.saved))
    return ("UID", uids_of(view, ranges)) if key[0] == "SEQ" else key


def uids_of(view: View, ranges: Ranges) -> Ranges:
    """UIDs of message numbers; those that are not there are nobody's."""
    return [
        (view.uids[low - 1], view.uids[min(high, view.count) - 1])
        for low, high in sets.resolve(ranges, view.count)
        if low <= view.count
    ]


def touched(matcher: Matcher, last: int, modseq: int) -> list[int]:
    """Rows of messages that came behind UID `last` or changed after `modseq`, as far as the client knows of them."""
    modseqs = matcher.table.modseqs
    known = [row for row in matcher.rows if row >= 0]
    new = bisect_right(known, last, key=matcher.table.uids.__getitem__)
    return [row for row in known[:new] if modseqs[row] > modseq] + known[new:]


async def matched(state: Session, matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """Those of the rows that match, some at a time."""
    found: list[int] = []
    for start in range(0, len(rows), BLOCK):
        found += await state.conn.offload(matching.match, matcher, rows[start : start + BLOCK], key)
        await intake.breathe(state)
    return found


async def in_order(state: Session, matcher: Matcher, uids: list[int], criteria: list[Criterion]) -> list[int]:
    """Ascending UIDs in the order of a SORT."""
    from mailkit.imap.searching import ordering

    rows = [row for row in map(matcher.table.row, uids) if row is not None]
    return list(selection.column(matcher.table.uids, await ordering.ordered(state, matcher, rows, criteria)))


def cancel(state: Session, tags: Iterable[bytes]) -> bool:
    """No more of these; False when one of them was not there."""
    missing = [tag for tag in tags if state.contexts.pop(tag, None) is None]
    return not missing
