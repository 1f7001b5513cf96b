"""Sequence sets (RFC 9051 section 9, sequence-set): `1,3:5,8:*`, and `$` for the saved result of a SEARCH.

A set is a list of (low, high) pairs in the order given, `*` as the number LAST; `$` is SAVED. Whoever knows
the folder resolves them: `resolve` puts a number for `*` and returns ascending pairs that do not overlap.
"""

from __future__ import annotations

from mailkit.imap.wire import Bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mailkit.imap.wire.reader import Reader

    Ranges = list[tuple[int, int]]

LAST = 1 << 32
"""Stands for `*`: larger than any number a client may write."""
SAVED: Ranges = [(0, 0)]
"""Stands for `$`; compare with `is`."""
CHARS = b"0123456789:*,"


def read(reader: Reader) -> Ranges:
    """The set that comes next. Bad: no set, a zero, a number over 32 bits."""
    if reader.took(b"$"):
        return SAVED
    octets = reader.span(CHARS)
    ranges = []
    for piece in octets.split(b","):
        low, colon, high = piece.partition(b":")
        first = _number(low)
        ranges.append(_ordered(first, _number(high) if colon else first))
    return ranges


def resolve(ranges: Ranges, last: int) -> Ranges:
    """`ranges` with `*` as `last` (0: an empty folder), ascending, joined where they touch.

    Numbers above `last` stay: a UID set may name what is not there.
    """
    if not last:
        ranges = [pair for pair in ranges if pair[1] < LAST]
    found = sorted(_ordered(last if low == LAST else low, last if high == LAST else high) for low, high in ranges)
    joined: Ranges = []
    for low, high in found:
        if joined and low <= joined[-1][1] + 1:
            if high > joined[-1][1]:
                joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined


def form(numbers: Iterable[int]) -> bytes:
    """Ascending numbers as a set on the wire, with runs as ranges; b"" for none."""
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in runs(numbers))


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as (low, high) pairs of runs."""
    low = high = -1
    for number in numbers:
        if number == high + 1:
            high = number
            continue
        if low >= 0:
            yield low, high
        low = high = number
    if low >= 0:
        yield low, high


def _number(octets: bytes) -> int:
    if octets == b"*":
        return LAST
    if not octets.isdigit() or len(octets) > 10:
        raise Bad("A sequence set is like 1,3:5,8:*")
    value = int(octets)
    if not 0 < value < LAST:
        raise Bad("Numbers of a sequence set are 1 to 4294967295")
    return value


def _ordered(first: int, second: int) -> tuple[int, int]:
    return (first, second) if first <= second else (second, first)
