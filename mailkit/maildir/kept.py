"""Pieces that are in mailkit-log: cut out of it, or searched where they lie.

The pieces of one message stand one behind the other, those of neighbours mostly too. What a block of messages has is
read at once, and each message's answer is one slice of it: a FETCH of 100,000 envelopes parses nothing, and a SEARCH
cuts only what it hits. Checksums are verified at the first use in this process, those of neighbours together;
what does not verify counts as missing from then on.
"""

from __future__ import annotations

from binascii import crc32
from bisect import bisect_right
from itertools import accumulate
from operator import ne

from mailkit import log
from mailkit.maildir.table import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator, Sequence

    from mailkit.maildir.table import Detail, Table

    Sums = tuple[Sequence[int], Sequence[int]]  # (seeds, checksums)
    Spans = list[tuple[Sequence[int], Sequence[int]]]

_READ_MOST = 4 << 20  # octets of the log at once
_SPARSE, _NEAR = 4, 8192  # more than so many times what is wanted: then each message is read by itself
_MIXED = 2  # so many times what is wanted lies there: then to cut it out first beats to look at all
_HAVING: dict[int, bytes] = {}


def having(table: Table, rows: Sequence[int], kind: int, needle: bytes) -> list[tuple[int, bytes]] | None:
    """(row, piece) of those of `rows`, all of which have it, whose piece of one kind contains these octets, rows
    ascending. None where the pieces cannot be had at once: `read` knows what to do then."""
    places, sums, whole, wanted = _columns(table.detail, rows, (kind,))
    if sum(whole) > _READ_MOST:
        return None
    window, starts = _window(table, places, whole)
    if _damaged(table, rows, window, starts, whole, sums):
        return None
    heads, tails = wanted[0]
    much_else = sum(whole) > _MIXED * (sum(tails) - sum(heads))
    if not much_else and needle not in window:
        return []
    if much_else or starts != sorted(starts):
        return among(rows, slices(window, starts, wanted), needle)
    return [(rows[place], window[at:end]) for place, at, end in _hits(window, needle, starts, heads, tails)]


def among(rows: Sequence[int], cuts: Sequence[bytes | None], needle: bytes) -> list[tuple[int, bytes]]:
    """The same of pieces that have been cut; None has nothing."""
    if needle not in b"".join(filter(None, cuts)):
        return []
    return [(row, piece) for row, piece in zip(rows, cuts, strict=True) if piece is not None and needle in piece]


def _hits(
    window: bytes, needle: bytes, starts: Sequence[int], heads: Sequence[int], tails: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    """(place, where the piece begins, where it ends) of each piece that contains the octets. starts: where each
    message's pieces begin, rising; heads, tails: where the one begins and ends, counted from there."""
    at = place = 0
    while place < len(starts) and (hit := window.find(needle, at)) >= 0:
        place = max(0, bisect_right(starts, hit, place) - 1)
        head, tail = starts[place] + heads[place], starts[place] + tails[place]
        if hit < head:  # in another piece, or in front of all
            at = head
            continue
        if hit + len(needle) <= tail:
            yield place, head, tail
        place += 1
        at = starts[place] if place < len(starts) else hit


def read(table: Table, rows: Sequence[int], kinds: Sequence[int]) -> list[bytes | None]:
    """For each row the pieces `kinds`, joined; None for row -1, and where they are missing."""
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
    """Some of these are missing: to make them files are read, which takes long."""
    made, need = table.detail.made, sum(1 << kind for kind in kinds)
    if isinstance(rows, range):
        return bool(made[rows.start : rows.stop].translate(None, _having(need)))
    return any(row >= 0 and made[row] & need != need for row in rows)


def _having(need: int) -> bytes:
    """Every octet that has these bits."""
    if need not in _HAVING:
        _HAVING[need] = bytes(octet for octet in range(256) if octet & need == need)
    return _HAVING[need]


def stored(table: Table, row: int) -> list[bytes] | None:
    """Every piece of a row, b"" for those that were not made; None when there is none or they do not verify."""
    detail = table.detail
    if not detail.made[row] or table.source is None:
        return None
    places, (seeds, sums), whole, _ = _columns(detail, (row,), ())
    ends = [column[row] for column in detail.part_ends]
    data = table.source.read(whole[0], places[0])
    if crc32(data, seeds[0]) != sums[0] or ends[-1] != len(data):
        return None
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _cut(table: Table, rows: Sequence[int], kinds: Sequence[int]) -> list[bytes | None]:
    """Pieces out of the log, for rows that have them; None where they do not verify."""
    places, sums, whole, wanted = _columns(table.detail, rows, kinds)
    if sum(whole) > _READ_MOST and len(rows) > 1:
        half = len(rows) // 2
        return _cut(table, rows[:half], kinds) + _cut(table, rows[half:], kinds)
    window, starts = _window(table, places, whole)
    found: list[bytes | None] = [*slices(window, starts, wanted)]
    bad = _damaged(table, rows, window, starts, whole, sums)
    return [None if row in bad else piece for row, piece in zip(rows, found, strict=True)] if bad else found


def _columns(
    detail: Detail, rows: Sequence[int], kinds: Sequence[int]
) -> tuple[Sequence[int], Sums, Sequence[int], Spans]:
    """(places, checksums, lengths, `spans`) as they belong together: who places pieces does not wait for readers."""
    while True:
        version = detail.version
        places, sums = _column(detail.part_at, rows), (_column(detail.part_seed, rows), _column(detail.part_crc, rows))
        ends = [_column(detail.part_ends[kind], rows) if _bounds(kind, kinds) else () for kind in range(KINDS)]
        if version == detail.version and not version % 2:
            break
    return places, sums, ends[-1], spans(ends, kinds)


def spans(ends: Sequence[Sequence[int]], kinds: Sequence[int]) -> Spans:
    """(heads, tails) of each run of neighbouring kinds. ends: where each kind ends in its message's pieces."""
    firsts = [kind for kind in kinds if kind - 1 not in kinds]
    lasts = [kind for kind in kinds if kind + 1 not in kinds]
    none = bytes(len(ends[-1]))
    return [(ends[first - 1] if first else none, ends[last]) for first, last in zip(firsts, lasts, strict=True)]


def slices(window: bytes, starts: Sequence[int], found: Spans) -> list[bytes]:
    """What each message has in these spans, joined."""
    columns = [
        [window[at + head : at + tail] for at, head, tail in zip(starts, heads, tails, strict=False)]
        for heads, tails in found
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


def _damaged(
    table: Table, rows: Sequence[int], window: bytes, starts: Sequence[int], whole: Sequence[int], sums: Sums
) -> set[int]:
    """Those of `rows` whose pieces are not what was written; they count as missing from now on."""
    checked = table.detail.checked
    if isinstance(rows, range) and 0 not in checked[rows.start : rows.stop]:
        return set()
    bad = {rows[place] for place in _unlike(memoryview(window), starts, whole, sums)}
    if isinstance(rows, range) and not bad:
        checked[rows.start : rows.stop] = b"\1" * len(rows)
        return bad
    for row in rows:
        checked[row] = row not in bad
    for row in sorted(bad):
        log.event("index", verdict="damaged", part="pieces", uid=table.uids[row])
        table.detail.made[row] = 0
    return bad


def _unlike(window: memoryview, starts: Sequence[int], whole: Sequence[int], sums: Sums) -> Iterator[int]:
    """Places of messages whose pieces do not verify. Where one's checksum is the next one's seed they are neighbours in
    an entry: all up to the last one's are right when that is."""
    seeds, crcs = sums
    breaks = [place for place, differs in enumerate(map(ne, crcs, seeds[1:]), 1) if differs]
    for first, end in zip([0, *breaks], [*breaks, len(crcs)], strict=True):
        if crc32(window[starts[first] : starts[end - 1] + whole[end - 1]], seeds[first]) != crcs[end - 1]:
            for place in range(first, end):
                at = starts[place]
                if crc32(window[at : at + whole[place]], seeds[place]) != crcs[place]:
                    yield place
