"""The rows of a folder, one per message in UID order, as columns of machine numbers: 100,000 messages are no objects.

`Table` has what SELECT, FETCH FLAGS and SEARCH need and is loaded when a folder is opened; `Detail` has what finds
file names and cached pieces and is loaded at the first use. Only `journal` changes them, with the folder's mutex held.
Readers need no lock: rows are added at the end, the UID last, and when rows go a new Table takes the place of the old
one, which stays whole for whoever still looks at it.
"""

from __future__ import annotations

import os
from _thread import RLock
from array import array
from bisect import bisect_left
from itertools import compress, count

from mailkit.maildir.marks import DELETED, SEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    Column = TypeVar("Column", array[int], bytearray)

KINDS = 8
PIECES_MOST_OCTETS = 1 << 20  # of one message that are kept; a header of 100 MiB is made anew each time
NEW = 1  # `where` bits: the file is in new/
ODD = 2  # its name is not base + canonical letters; the whole name is in `odd`

_loading = RLock()  # one thread at a time loads details, of whatever folder: it takes milliseconds
_SCATTERED = 8  # of so many rows one is wanted: then each is looked for by itself
_FEW = 24  # runs below which copying them beats looking at each row


def numbers(octets: int, rows: int) -> array[int]:
    """A column of zeros, 4 or 8 octets each."""
    return array("I" if octets == 4 else "Q", (0,)) * rows


class Cut:
    """Takes the same rows out of each column: cut(column) is a copy without them."""

    __slots__ = ("_keep", "_runs")

    def __init__(self, rows: Iterable[int], among: int) -> None:
        """rows of a table of `among` rows."""
        self._runs: list[tuple[int, int]] = []  # of rows that stay
        self._keep = bytearray()
        start = 0
        gone = sorted(rows)
        for row in gone:
            if row > start:
                self._runs.append((start, row))
            start = row + 1
        if start < among:
            self._runs.append((start, among))
        if len(self._runs) > _FEW + among // 8:
            self._keep = bytearray(b"\1") * among
            for row in gone:
                self._keep[row] = 0

    def __call__(self, column: Column) -> Column:
        if self._keep:
            kept = compress(column, self._keep)
            return bytearray(kept) if isinstance(column, bytearray) else array(column.typecode, kept)
        left = column[:0]
        for start, end in self._runs:
            left += column[start:end]
        return left


class Detail:
    """names: every base one behind the other; row i's is names[name_at[i]:][:name_len[i]].

    sizes: octets on the wire, 0 while not known. made: bit k says that there is a piece k; part_at: where the pieces
    stand in mailkit-log; part_ends[k]: end of piece k counted from there; part_crc: CRC-32 of all of them, begun with
    part_seed.
    checked: 1 when this process verified that; never written. version: odd while these columns are changed.
    recovered: found out anew, so that the table's sums of sizes are others.
    """

    __slots__ = (
        "checked", "made", "name_at", "name_len", "names", "part_at", "part_crc", "part_ends", "part_seed", "recovered",
        "sizes", "version",
    )  # fmt: skip

    def __init__(self, rows: int = 0) -> None:
        """So many rows, of which nothing is known."""
        self.sizes = numbers(8, rows)
        self.name_at = numbers(4, rows)
        self.name_len = bytearray(rows)
        self.names = bytearray()
        self.made = bytearray(rows)
        self.checked = bytearray(rows)
        self.part_at = numbers(8, rows)
        self.part_seed = numbers(4, rows)
        self.part_crc = numbers(4, rows)
        self.part_ends = [numbers(4, rows) for _ in range(KINDS)]
        self.version = 0
        self.recovered = False

    def base(self, row: int) -> bytes:
        """The base of the row's file name."""
        at = self.name_at[row]
        return bytes(self.names[at : at + self.name_len[row]])

    def bases(self) -> list[bytes]:
        """All of them, in row order."""
        names = bytes(self.names)
        return [names[at : at + length] for at, length in zip(self.name_at, self.name_len, strict=False)]

    def add(self, size: int, base: bytes) -> Detail:
        """A row without pieces; self."""
        self.sizes.append(size)
        self.name_at.append(len(self.names))
        self.name_len.append(len(base))
        self.names += base
        self.made.append(0)
        self.checked.append(0)
        self.part_at.append(0)
        self.part_seed.append(0)
        self.part_crc.append(0)
        for ends in self.part_ends:
            ends.append(0)
        return self

    def without(self, cut: Cut) -> Detail:
        """A copy without the rows of `cut`. The names of those rows stay in the area, which both share."""
        left = Detail()
        left.recovered = self.recovered
        left.sizes = cut(self.sizes)
        left.names = self.names
        left.name_at = cut(self.name_at)
        left.name_len = cut(self.name_len)
        left.made = cut(self.made)
        left.checked = cut(self.checked)
        left.part_at = cut(self.part_at)
        left.part_seed = cut(self.part_seed)
        left.part_crc = cut(self.part_crc)
        left.part_ends = [cut(ends) for ends in self.part_ends]
        return left

    def set_names(self, bases: Sequence[bytes]) -> None:
        """Lay out the bases of all rows."""
        self.names = bytearray(b"".join(bases))
        self.name_len = bytearray(map(len, bases))
        self.name_at = array("I")
        at = 0
        for length in self.name_len:
            self.name_at.append(at)
            at += length


class Source:
    """An open mailkit-log, closed when the last table that points into it is gone."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def read(self, octets: int, at: int) -> bytes:
        """What stands there; short where the file ends."""
        return os.pread(self.fd, octets, at)

    def __del__(self) -> None:
        try:
            os.close(self.fd)
        except OSError:
            pass  # a file that another machine has replaced says so even here (ESTALE)


class Table:
    """uids, marks (`maildir.marks`), modseqs: arrays; where: bit octets; odd: uid -> whole file name.

    source: the log its pieces stand in. unseen, deleted, fresh (in new/): how many rows; size: sum of known sizes,
    unsized: rows without one.
    """

    __slots__ = (
        "_detail", "_load", "_todo", "deleted", "fresh", "marks", "modseqs", "odd", "size", "source", "uids",
        "unseen", "unsized", "where",
    )  # fmt: skip

    def __init__(self) -> None:
        self.uids = array("I")
        self.marks = array("I")
        self.modseqs = array("Q")
        self.where = bytearray()
        self.odd: dict[int, bytes] = {}
        self.unseen = self.deleted = self.fresh = self.size = self.unsized = 0
        self.source: Source | None = None
        self._detail: Detail | None = Detail()
        self._load: Callable[[], Detail] | None = None
        self._todo: list[Callable[[Detail], Detail]] = []

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def detail(self) -> Detail:
        """The other columns, loaded now when they are not yet."""
        if self._detail is None:
            with _loading:
                self._load_detail()
        assert self._detail is not None
        return self._detail

    def _load_detail(self) -> None:
        if self._load is None:
            return  # another thread was faster
        detail = self._load()
        for change in self._todo:
            detail = change(detail)
        self._detail, self._load, self._todo = detail, None, []
        if detail.recovered:
            self._recount_sizes()

    @property
    def loaded(self) -> bool:
        """The detail is here."""
        return self._detail is not None

    def change_detail(self, change: Callable[[Detail], Detail]) -> None:
        """Change the detail, now or when it is loaded: an open that replays changes needs not load it."""
        with _loading:
            if self._detail is None:
                self._todo.append(change)
            else:
                self._detail = change(self._detail)

    def load_later(self, load: Callable[[], Detail]) -> None:
        """The detail is on disk; `load` reads it."""
        self._detail, self._load = None, load

    def row(self, uid: int) -> int | None:
        """Where a message is."""
        row = bisect_left(self.uids, uid)
        return row if row < len(self.uids) and self.uids[row] == uid else None

    def rows(self, uids: Sequence[int]) -> Sequence[int | None]:
        """Where messages are, in the order of `uids`; neighbours, as they mostly are, are found at once."""
        if not uids:
            return []
        first, last = bisect_left(self.uids, min(uids)), bisect_left(self.uids, max(uids)) + 1
        near = self.uids[first:last]
        if len(near) == len(uids) and near.tolist() == list(uids):
            return range(first, first + len(uids))
        if len(near) > _SCATTERED * len(uids):
            return list(map(self.row, uids))
        return list(map(dict(zip(near, count(first), strict=False)).get, uids))

    def recount(self) -> None:
        """Count anew what a load of columns left uncounted."""
        self.unseen = sum(1 for marks in self.marks if not marks & SEEN)
        self.deleted = sum(1 for marks in self.marks if marks & DELETED)
        self.fresh = sum(1 for where in self.where if where & NEW)
        _ = self.detail
        self._recount_sizes()

    def _recount_sizes(self) -> None:
        assert self._detail is not None
        self.size = sum(self._detail.sizes)
        self.unsized = self._detail.sizes.count(0)

    def add(self, uid: int, marks: int, modseq: int, where: int, size: int, base: bytes) -> None:
        """A row at the end; `uid` is higher than all."""
        self.change_detail(lambda detail: detail.add(size, base))
        self.marks.append(marks)
        self.modseqs.append(modseq)
        self.where.append(where)
        self.unseen += not marks & SEEN
        self.deleted += marks & DELETED != 0
        self.fresh += where & NEW
        self.size += size
        self.unsized += not size
        self.uids.append(uid)

    def fill(
        self,
        uids: array[int],
        marks: array[int],
        modseqs: array[int],
        where: bytes,
        sizes: array[int],
        bases: Sequence[bytes],
    ) -> None:
        """All rows of an empty table at once."""
        rows = len(uids)
        self.marks, self.modseqs, self.where = marks, modseqs, bytearray(where)
        self._detail = detail = Detail(rows)
        detail.sizes = sizes
        detail.set_names(bases)
        self.uids = uids
        self.recount()

    def mark(self, rows: Sequence[int | None], marks: array[int], modseq: int, where: bytes) -> None:
        """New flags and places of rows; one that is None is gone."""
        column, modseqs, places = self.marks, self.modseqs, self.where
        for row, new, place in zip(rows, marks, where, strict=True):
            if row is None:
                continue
            if places[row] != place:
                self._put(row, place)
            changed = column[row] ^ new
            if changed & SEEN:
                self.unseen += 1 if changed & ~new & SEEN else -1
            if changed & DELETED:
                self.deleted += 1 if changed & new & DELETED else -1
            modseqs[row] = modseq
            column[row] = new

    def _put(self, row: int, where: int) -> None:
        before = self.where[row]
        self.fresh += (where & NEW) - (before & NEW)
        self.where[row] = where
        if before & ODD and not where & ODD:
            self.odd.pop(self.uids[row], None)

    def set_sizes(self, rows: Sequence[int | None], sizes: array[int]) -> None:
        """The sizes on the wire became known; a row that is None is gone."""
        counted = self.loaded
        self.change_detail(lambda detail: self._resized(detail, rows, sizes, counted))

    def _resized(self, detail: Detail, rows: Sequence[int | None], sizes: array[int], counted: bool) -> Detail:
        column = detail.sizes
        if isinstance(rows, range):
            old = column[rows.start : rows.stop]
            column[rows.start : rows.stop] = sizes
        else:
            there = [(row, size) for row, size in zip(rows, sizes, strict=True) if row is not None]
            old = array("Q", [column[row] for row, _ in there])
            sizes = array("Q", [size for _, size in there])
            for row, size in there:
                column[row] = size
        if counted:
            self.size += sum(sizes) - sum(old)
            self.unsized += sizes.count(0) - old.count(0)
        return detail

    def without(self, uids: set[int]) -> Table:
        """A new table without these messages."""
        gone = [row for row in self.rows(sorted(uids)) if row is not None]
        cut = Cut(gone, len(self.uids))
        left = Table()
        left.uids = cut(self.uids)
        left.marks = cut(self.marks)
        left.modseqs = cut(self.modseqs)
        left.where = cut(self.where)
        left.odd = {uid: name for uid, name in self.odd.items() if uid not in uids}
        left.source = self.source
        if self._detail is None:
            left.load_later(lambda: self.detail.without(cut))
        else:
            left._detail = self._detail.without(cut)
        self._count_without(left, gone)
        return left

    def _count_without(self, left: Table, gone: Iterable[int]) -> None:
        left.unseen, left.deleted, left.fresh = self.unseen, self.deleted, self.fresh
        left.size, left.unsized = self.size, self.unsized
        for row in gone:
            left.unseen -= not self.marks[row] & SEEN
            left.deleted -= self.marks[row] & DELETED != 0
            left.fresh -= self.where[row] & NEW
            if self._detail is not None:
                left.size -= self._detail.sizes[row]
                left.unsized -= not self._detail.sizes[row]
