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
from mailkit.maildir import ahead, heap, journal
from mailkit.maildir.reading import Reading
from mailkit.maildir.table import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterable, Sequence

    from mailkit.maildir.folder import Folder
    from mailkit.maildir.table import Detail, Table

    Build = Callable[["Reading", list[bytes], Sequence[int]], None]

EDITION = 6  # of what the kinds of pieces mean; a log of another edition is not used
_READ_MOST = 4 << 20  # octets of the log at once
_SPARSE, _NEAR = 4, 8192  # more than so many times what is wanted: then each message is read by itself
_HAVING: dict[int, bytes] = {}
_BATCH_ROWS, _BATCH_OCTETS = 256, 1 << 20
MOST_OCTETS = 1 << 20  # pieces of one message that are kept; a header of 100 MiB is made anew each time


def read(
    folder: Folder, table: Table, rows: Iterable[int], kinds: Sequence[int], build: Build
) -> list[bytes | None]:
    """For each row the pieces `kinds` (rising numbers), joined; None for row -1 and for what cannot be read."""
    rows = rows if isinstance(rows, range) else list(rows)
    found = _kept(table, rows, kinds)
    if None in found:
        maker = _Maker(folder, table, build)
        missing = [place for place, row in enumerate(rows) if row >= 0 and found[place] is None]
        files = ahead.opened(folder, table, [rows[place] for place in missing])
        try:
            with heap.Uncollected():
                for place, (row, fd) in zip(missing, files, strict=True):
                    found[place] = maker.made(row, fd, kinds)
        finally:
            maker.keep()
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
    columns = [
        [window[at + head : at + tail] for at, head, tail in zip(starts, heads, tails, strict=False)]
        for heads, tails in spans
    ]
    found: list[bytes | None] = [*columns[0]] if len(columns) == 1 else list(map(b"".join, zip(*columns, strict=True)))
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
    firsts = [kind for kind in kinds if kind - 1 not in kinds]
    lasts = [kind for kind in kinds if kind + 1 not in kinds]
    spans = [(ends[first - 1] if first else repeat(0), ends[last]) for first, last in zip(firsts, lasts, strict=True)]
    return places, sums, ends[-1], spans


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
    """Makes pieces that are missing, and has them written together."""

    __slots__ = ("_build", "_folder", "_made", "_octets", "_sizes", "_table")

    def __init__(self, folder: Folder, table: Table, build: Build) -> None:
        self._folder, self._table, self._build = folder, table, build
        self._made: list[tuple[int, list[bytes]]] = []
        self._sizes: list[tuple[int, int]] = []
        self._octets = 0

    def made(self, row: int, fd: int | OSError, kinds: Sequence[int]) -> bytes | None:
        """These pieces of a row, made now of its file; None when that cannot be read."""
        uid, known = self._table.uids[row], self._table.detail.sizes[row]
        pieces = stored(self._table, row) or [b""] * KINDS
        try:
            with Reading(fd, known) as message:
                self._build(message, pieces, kinds)
        except OSError as error:
            log.event("message", verdict="unreadable", path=self._folder.directory, uid=uid, error=error.strerror)
            return None
        if message.size != known:  # it was not known, or the file's name lies
            self._sizes.append((uid, message.size))
        self._keep(uid, pieces)
        return b"".join([pieces[kind] for kind in kinds])

    def _keep(self, uid: int, pieces: list[bytes]) -> None:
        octets = sum(map(len, pieces))
        if octets <= MOST_OCTETS:
            self._made.append((uid, pieces))
            self._octets += octets
            if len(self._made) >= _BATCH_ROWS or self._octets >= _BATCH_OCTETS:
                self.keep()

    def keep(self) -> None:
        """Write what was made since the last time, unless that would make a session wait: then it is made again."""
        if not self._made and not self._sizes:
            return
        entries = [journal.pieces(self._made)] if self._made else []
        if self._sizes:
            entries.append(journal.sized(self._sizes))
        self._made, self._sizes, self._octets = [], [], 0
        try:
            self._folder.commit_if_idle(entries)
        except OSError as error:
            log.event("index", verdict="skipped", path=self._folder.directory, error=str(error))
