"""What a folder's index knows, and what entries of `journal` do to it."""

from __future__ import annotations

from array import array

from mailkit.maildir import journal, state
from mailkit.maildir.journal import Columns
from mailkit.maildir.table import ODD, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mailkit.maildir.journal import Entry
    from mailkit.maildir.table import Detail

_HISTORY = 20_000  # expunges remembered


class History:
    """Which messages were expunged when: whole for everything after `floor`."""

    __slots__ = ("floor", "modseqs", "uids")

    def __init__(self, floor: int = 0) -> None:
        self.uids = array("I")
        self.modseqs = array("Q")
        self.floor = floor

    def add(self, uids: array[int], modseqs: array[int]) -> None:
        """Remember; the oldest are forgotten when there are too many."""
        self.uids.extend(uids)
        self.modseqs.extend(modseqs)
        if len(self.uids) > 2 * _HISTORY:
            old = len(self.uids) - _HISTORY
            self.floor = max(self.floor, *self.modseqs[:old])
            self.uids, self.modseqs = self.uids[old:], self.modseqs[old:]

    def since(self, modseq: int) -> list[int] | None:
        """UIDs expunged after `modseq`; None when that is not known any more."""
        if modseq < self.floor:
            return None
        return [uid for uid, at in zip(self.uids, self.modseqs, strict=True) if at > modseq]


class Contents:
    """Everything an index knows. touched, gone: UIDs that changed or went, for views.

    shown: (table, length of gone, length of touched) as they belong together, for readers in other threads.
    before: what views know, after the cache was read anew; damage may have taken rows that the next look at the
    directories gives back, so that only then `reconcile` says what changed.
    """

    __slots__ = ("_leaving", "before", "gone", "history", "shown", "state", "table", "touched")

    def __init__(self) -> None:
        self.table = Table()
        self.state = state.State()
        self.history = History()
        self.touched = array("I")
        self.gone = array("I")
        self.before: Contents | None = None
        self._leaving: set[int] = set()
        self.shown = (self.table, 0, 0)

    def apply(self, one: Entry) -> None:
        """Do what an entry says; `show` ends a series of them."""
        if one.kind in _APPLY:
            _APPLY[one.kind](self, one)
        self.state.highestmodseq = max(self.state.highestmodseq, one.modseq)

    def leave(self, uids: Iterable[int]) -> None:
        """These rows go at the next `show`: all at once, as it copies the table."""
        self._leaving.update(uids)

    def show(self) -> None:
        """Let readers see what was done."""
        leaving = sorted(self._leaving)
        here = {uid for uid, row in zip(leaving, self.table.rows(leaving), strict=True) if row is not None}
        self._leaving.clear()
        if here:
            self.gone.extend(sorted(here))
            self.table = self.table.without(here)
        self.shown = (self.table, len(self.gone), len(self.touched))

    def trim(self, gone: int, touched: int) -> None:
        """Forget that many from the fronts of the lists."""
        del self.gone[:gone]
        del self.touched[:touched]
        self.show()

    def risen(self) -> list[int]:
        """UIDs that views were told to be gone, and that a log begun by another process has again: it was lost with
        its history, and a file came back. They must not be used again."""
        known = self.before
        if known is None or known.state.uidvalidity != self.state.uidvalidity:
            return []
        return [uid for uid in self.table.uids if uid <= known.state.top and known.table.row(uid) is None]

    def reconcile(self) -> None:
        """Tell views the difference between what they know and what is."""
        known, now, self.before = self.before, self.table, None
        if known is None:
            return
        for uid, mark in zip(known.table.uids, known.table.marks, strict=False):
            row = now.row(uid)
            if row is None:
                self.gone.append(uid)
            elif now.marks[row] != mark:
                self.touched.append(uid)
        self.show()


def _add(contents: Contents, one: Entry) -> None:
    columns = Columns(one)
    uids, marks, modseqs = columns.numbers("I"), columns.numbers("I"), columns.numbers("Q")
    where, sizes = columns.octets(), columns.numbers("Q")
    bases = columns.names(columns.octets())
    table = contents.table
    if not len(table):
        table.fill(uids, marks, modseqs, where, sizes, bases)
    else:
        last = table.uids[-1]
        for row in zip(uids, marks, modseqs, where, sizes, bases, strict=True):
            if row[0] > last:
                table.add(*row)
    contents.state.top = max(contents.state.top, *uids)


def _mark(contents: Contents, one: Entry) -> None:
    columns = Columns(one)
    uids, marks, where = columns.numbers("I"), columns.numbers("I"), columns.octets()
    contents.table.mark(contents.table.rows(uids), marks, one.modseq, where)
    contents.touched.extend(uids)


def _gone(contents: Contents, one: Entry) -> None:
    columns = Columns(one)
    uids, modseqs = columns.numbers("I"), columns.numbers("Q")
    contents.leave(uids)
    contents.history.add(uids, modseqs)


def _odd(contents: Contents, one: Entry) -> None:
    columns = Columns(one)
    uids = columns.numbers("I")
    for uid, name in zip(uids, columns.names(columns.numbers("I")), strict=True):
        row = contents.table.row(uid)
        if row is not None:
            contents.table.odd[uid] = name
            contents.table.where[row] |= ODD


def _sizes(contents: Contents, one: Entry) -> None:
    columns = Columns(one)
    rows = contents.table.rows(columns.numbers("I"))
    contents.table.set_sizes(rows, columns.numbers("Q"))


def _pieces(contents: Contents, one: Entry) -> None:
    uids, seeds, crcs, made, places, ends = journal.placed(one)
    rows = contents.table.rows(uids)
    contents.table.change_detail(lambda detail: _placed(detail, rows, made, (places, seeds, crcs, *ends)))


def _placed(detail: Detail, rows: Sequence[int | None], made: bytes, found: Sequence[array[int]]) -> Detail:
    """found: of each row where its pieces are, seed, checksum, ends."""
    columns = list(zip((detail.part_at, detail.part_seed, detail.part_crc, *detail.part_ends), found, strict=True))
    detail.version += 1
    try:
        for first, run in _runs(rows):
            last = first + len(run)
            for column, values in columns:
                column[run.start : run.stop] = values[first:last]
            detail.checked[run.start : run.stop] = bytes(len(run))
            detail.made[run.start : run.stop] = made[first:last]
    finally:  # else readers would wait for ever
        detail.version += 1
    return detail


def _runs(rows: Sequence[int | None]) -> Iterator[tuple[int, range]]:
    """Neighbouring rows, with where in `rows` they begin; None is skipped."""
    if isinstance(rows, range):
        yield 0, rows
        return
    begin = 0
    for place, row in enumerate(rows):
        following = rows[place + 1] if place + 1 < len(rows) else None
        if row is None:
            begin = place + 1
        elif following != row + 1:
            yield begin, range(row - (place - begin), row + 1)
            begin = place + 1


def _state(contents: Contents, one: Entry) -> None:
    before, contents.state = contents.state, state.State.unpack(one.table)
    contents.state.top = max(contents.state.top, before.top)
    contents.state.highestmodseq = max(contents.state.highestmodseq, before.highestmodseq)


_APPLY = {
    journal.ADD: _add,
    journal.MARK: _mark,
    journal.GONE: _gone,
    journal.ODDS: _odd,
    journal.PART: _pieces,
    journal.SIZE: _sizes,
    journal.STATE: _state,
}
