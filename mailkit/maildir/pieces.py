"""Cached pieces of messages: read many at once, made where they are missing.

The pieces of one message stand one behind the other in mailkit-log, those of neighbours mostly too. What a block of
messages has is read at once, and each message's answer is one slice of it: a FETCH of 100,000 envelopes parses nothing.
The checksum of a message's pieces is verified at their first use in this process; what does not verify is made anew.

Only what is asked for is made: a client that lists subjects costs no look at bodies. A kind that is asked for later is
written together with those the message has already, which are dead from then on.
"""

from __future__ import annotations

from binascii import crc32
from itertools import accumulate, repeat

from mailkit import log
from mailkit.maildir import ahead, heap, journal, mates
from mailkit.maildir.reading import Reading
from mailkit.maildir.table import KINDS, PIECES_MOST_OCTETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Sequence

    from mailkit.maildir.folder import Folder
    from mailkit.maildir.mates import Build, Mate
    from mailkit.maildir.table import Detail, Table

EDITION = 6  # of what the kinds of pieces mean; a log of another edition is not used
_READ_MOST = 4 << 20  # octets of the log at once
_SPARSE, _NEAR = 4, 8192  # more than so many times what is wanted: then each message is read by itself
_HAVING: dict[int, bytes] = {}
_BATCH_ROWS, _BATCH_OCTETS = 256, 1 << 20


def read(
    folder: Folder, table: Table, rows: Iterable[int], kinds: Sequence[int], build: Build, also: Sequence[int] = ()
) -> list[bytes | None]:
    """For each row the pieces `kinds` (rising numbers), joined; None for row -1 and for what cannot be read.

    also: kinds that are made of what lacks some of these, because they will be asked for next.
    """
    rows = rows if isinstance(rows, range) else list(rows)
    found = _kept(table, rows, kinds)
    if None in found:
        maker = _Maker(folder, table, build, kinds, also)
        missing = [row for place, row in enumerate(rows) if row >= 0 and found[place] is None]
        hands = mates.crew.take(table, len(missing), build)
        try:
            with heap.Uncollected():
                if hands:
                    missing = maker.make_together(hands, missing)
                maker.make(missing)
        finally:
            mates.crew.give_back(hands)
            maker.keep()
        found = [maker.found.get(row) if one is None else one for row, one in zip(rows, found, strict=True)]
    return found


def _kept(table: Table, rows: Sequence[int], kinds: Sequence[int]) -> list[bytes | None]:
    """What is there already."""
    detail = table.detail
    need = sum(1 << kind for kind in kinds)
    made = detail.made
    if rows and isinstance(rows, range) and not made[rows.start : rows.stop].translate(None, _having(need)):
        return _cut(table, rows, kinds)
    good = [row for row in rows if row >= 0 and made[row] & need == need]
    if not good:
        return [None] * len(rows)
    kept = dict(zip(good, _cut(table, good, kinds), strict=True))
    return list(map(kept.get, rows))


def lacks(table: Table, rows: Sequence[int], kinds: Sequence[int]) -> bool:
    """`read` would have to make some of these: it reads files, and takes long."""
    made, need = table.detail.made, sum(1 << kind for kind in kinds)
    if isinstance(rows, range):
        return bool(made[rows.start : rows.stop].translate(None, _having(need)))
    return any(row >= 0 and made[row] & need != need for row in rows)


def _having(need: int) -> bytes:
    """Every octet that has these bits."""
    if need not in _HAVING:
        _HAVING[need] = bytes(octet for octet in range(256) if octet & need == need)
    return _HAVING[need]


def _cut(table: Table, rows: Sequence[int], kinds: Sequence[int]) -> list[bytes | None]:
    """Pieces out of the log, for rows that have them; None where they do not verify."""
    places, sums, whole, spans = _columns(table.detail, rows, kinds)
    if sum(whole) > _READ_MOST and len(rows) > 1:
        half = len(rows) // 2
        return _cut(table, rows[:half], kinds) + _cut(table, rows[half:], kinds)
    window, starts = _window(table, places, whole)
    found: list[bytes | None] = [*_slices(window, starts, spans)]
    if not _all_checked(table.detail, rows):
        cuts = [crc32(window[at : at + octets]) for at, octets in zip(starts, whole, strict=False)]
        for place in _damaged(table, rows, cuts, sums):
            found[place] = None
    return found


def _columns(
    detail: Detail, rows: Sequence[int], kinds: Sequence[int]
) -> tuple[Sequence[int], Sequence[int], Sequence[int], list[tuple[Sequence[int] | repeat[int], Sequence[int]]]]:
    """(places, checksums, lengths, [(heads, tails) of each run of neighbouring kinds]) as they belong together: who
    places pieces does not wait for readers."""
    while True:
        version = detail.version
        places, sums = _column(detail.part_at, rows), _column(detail.part_crc, rows)
        ends = [_column(detail.part_ends[kind], rows) if _bounds(kind, kinds) else () for kind in range(KINDS)]
        if version == detail.version and not version % 2:
            break
    return places, sums, ends[-1], _spans(ends, kinds)


def _spans(
    ends: Sequence[Sequence[int]], kinds: Sequence[int]
) -> list[tuple[Sequence[int] | repeat[int], Sequence[int]]]:
    """(heads, tails) of each run of neighbouring kinds."""
    firsts = [kind for kind in kinds if kind - 1 not in kinds]
    lasts = [kind for kind in kinds if kind + 1 not in kinds]
    return [(ends[first - 1] if first else repeat(0), ends[last]) for first, last in zip(firsts, lasts, strict=True)]


def _slices(
    window: bytes, starts: Sequence[int], spans: list[tuple[Sequence[int] | repeat[int], Sequence[int]]]
) -> list[bytes]:
    """What each message has in these spans, joined."""
    columns = [
        [window[at + head : at + tail] for at, head, tail in zip(starts, heads, tails, strict=False)]
        for heads, tails in spans
    ]
    return columns[0] if len(columns) == 1 else list(map(b"".join, zip(*columns, strict=True)))


def _bounds(kind: int, kinds: Sequence[int]) -> bool:
    """The end of this kind is the end of something wanted, or where it begins."""
    return kind == KINDS - 1 or (kind in kinds) != (kind + 1 in kinds)


def _column(values: array[int], rows: Sequence[int]) -> Sequence[int]:
    return values[rows.start : rows.stop] if isinstance(rows, range) else [values[row] for row in rows]


def _window(table: Table, places: Sequence[int], whole: Sequence[int]) -> tuple[bytes, list[int]]:
    """Octets of the log that have all of the pieces, and where in them each message's begin."""
    if table.source is None:
        return b"", [0] * len(places)
    low = min(places)
    span = max(places) + max(whole) - low
    if span <= _SPARSE * sum(whole) + _NEAR:
        return table.source.read(span, low), [at - low for at in places]
    cuts = list(map(table.source.read, whole, places))
    return b"".join(cuts), list(accumulate(map(len, cuts[:-1]), initial=0))


def _all_checked(detail: Detail, rows: Sequence[int]) -> bool:
    return isinstance(rows, range) and 0 not in detail.checked[rows.start : rows.stop]


def _damaged(table: Table, rows: Sequence[int], found: Sequence[int], wanted: Sequence[int]) -> Iterable[int]:
    """Places in `rows` of messages whose pieces do not verify. found, wanted: checksums."""
    checked = table.detail.checked
    if isinstance(rows, range) and found == list(wanted):
        checked[rows.start : rows.stop] = b"\1" * len(rows)
        return ()
    bad = []
    for place, row in enumerate(rows):
        if found[place] == wanted[place]:
            checked[row] = 1
        else:
            log.event("index", verdict="damaged", part="pieces", uid=table.uids[row])
            table.detail.made[row] = 0
            bad.append(place)
    return bad


def stored(table: Table, row: int) -> list[bytes] | None:
    """Every piece of a row, b"" for those that were not made; None when there is none or they do not verify."""
    detail = table.detail
    if not detail.made[row] or table.source is None:
        return None
    places, sums, whole, _ = _columns(detail, (row,), ())
    ends = [column[row] for column in detail.part_ends]
    data = table.source.read(whole[0], places[0])
    if crc32(data) != sums[0] or ends[-1] != len(data):
        return None
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


class _Maker:
    """Makes pieces that are missing, and has them written together. found: row -> the pieces that are wanted."""

    __slots__ = ("_build", "_entries", "_folder", "_kinds", "_made", "_octets", "_sizes", "_table", "_wanted", "found")

    def __init__(self, folder: Folder, table: Table, build: Build, wanted: Sequence[int], also: Sequence[int]) -> None:
        self._folder, self._table, self._build = folder, table, build
        self._wanted, self._kinds = wanted, (*wanted, *also)
        self._made = journal.Gathered()
        self._sizes: list[tuple[int, int]] = []
        self._entries: list[bytes] = []  # of mates, besides pieces
        self._octets = 0
        self.found: dict[int, bytes] = {}

    def make(self, rows: Sequence[int]) -> None:
        """Make the pieces of these rows out of their files; those that cannot be read are not found."""
        for row, fd in ahead.opened(self._folder, self._table, rows):
            self._make(row, fd)

    def _make(self, row: int, fd: int | OSError) -> None:
        uid, known = self._table.uids[row], self._table.detail.sizes[row]
        pieces = stored(self._table, row) or [b""] * KINDS
        try:
            with Reading(fd, known) as message:
                self._build(message, pieces, self._kinds)
        except OSError as error:
            log.event("message", verdict="unreadable", path=self._folder.directory, uid=uid, error=error.strerror)
            return
        if message.size != known:  # it was not known, or the file's name lies
            self._sizes.append((uid, message.size))
        self._keep(uid, pieces)
        self.found[row] = b"".join([pieces[kind] for kind in self._wanted])

    def make_together(self, hands: Sequence[Mate], rows: Sequence[int]) -> list[int]:
        """The same with mates, for rows without any pieces; those that are left to do."""
        made, where = self._table.detail.made, self._table.where
        shared = [row for row in rows if not made[row] and not where[row]]
        blocks = [shared[start : start + mates.BLOCK] for start in range(0, len(shared), mates.BLOCK)]
        mates.share(hands, blocks, self._order, self.make, self._took)
        return [row for row in rows if row not in self.found]

    def _order(self, rows: Sequence[int]) -> bytes:
        table = self._table
        uids, sizes = [table.uids[row] for row in rows], [table.detail.sizes[row] for row in rows]
        names = [ahead.usual_name(table, row) for row in rows]
        return mates.packed(f"{self._folder.directory}/cur", self._kinds, uids, sizes, names)

    def _took(self, rows: Sequence[int], answer: bytes) -> None:
        """A mate has made these rows. ValueError."""
        row_of = {self._table.uids[row]: row for row in rows}
        for one, raw in journal.read(answer):
            if one.kind != journal.PART:
                self._entries.append(raw)
                continue
            uids, _, _, places, ends = journal.placed(one)
            if not uids or not row_of.keys() >= set(uids):
                raise ValueError("an answer of messages that nobody asked for")
            slices = _slices(answer, places, _spans(ends, self._wanted))
            self.found.update(zip(map(row_of.__getitem__, uids), slices, strict=True))
            self._made.take(one, answer)

    def _keep(self, uid: int, pieces: list[bytes]) -> None:
        octets = sum(map(len, pieces))
        if octets <= PIECES_MOST_OCTETS:
            self._made.add(uid, pieces)
            self._octets += octets
            if len(self._made) >= _BATCH_ROWS or self._octets >= _BATCH_OCTETS:
                self.keep()

    def keep(self) -> None:
        """Write what was made since the last time, unless that would make a session wait: then it is made again."""
        entries = [self._made.entry()] if self._made else []
        if self._sizes:
            entries.append(journal.sized(self._sizes))
        entries += self._entries
        if not entries:
            return
        self._made, self._sizes, self._entries, self._octets = journal.Gathered(), [], [], 0
        try:
            self._folder.commit_if_idle(entries)
        except OSError as error:
            log.event("index", verdict="skipped", path=self._folder.directory, error=str(error))
