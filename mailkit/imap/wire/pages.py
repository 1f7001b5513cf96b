"""Pages: which of many results are wanted, `1:500` from the first on, `-1:-100` from the last back (RFC 9394).

A page is a pair of numbers of one sign, the one nearer to its end first: (1, 500), (-1, -100). What it is a page of has
an order, mostly that of the mailbox; results keep it, from whichever end they are counted.
"""

from __future__ import annotations

from mailkit.imap.wire import Bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.wire.reader import Reader
    from mailkit.imap.wire.sets import Ranges

    Page = tuple[int, int]

MOST = 1 << 32


def read(reader: Reader) -> Page:
    """partial-range. Bad: none, a zero, numbers of 33 bits, one from each end."""
    first = _number(reader)
    reader.expect(b":")
    second = _number(reader)
    if (first < 0) != (second < 0):
        raise Bad("Both ends of a PARTIAL range are counted from the same end")
    return (first, second) if abs(first) <= abs(second) else (second, first)


def form(page: Page) -> bytes:
    """As it is answered."""
    return b"%d:%d" % page


def span(page: Page, count: int) -> slice:
    """What of `count` results is on it."""
    near, far = page
    if near > 0:
        return slice(min(near - 1, count), min(far, count))
    return slice(max(0, count + far), max(0, count + near + 1))


def cut(page: Page, ranges: Ranges) -> Ranges:
    """What of the ascending `ranges` of numbers is on it."""
    chosen = span(page, sum(last - first + 1 for first, last in ranges))
    found, before = [], 0
    for first, last in ranges:
        low = max(first, first + chosen.start - before)
        high = min(last, first + chosen.stop - 1 - before)
        if low <= high:
            found.append((low, high))
        before += last - first + 1
    return found


def _number(reader: Reader) -> int:
    sign = -1 if reader.took(b"-") else 1
    value = reader.number()
    if not 0 < value < MOST:
        raise Bad("Numbers of a PARTIAL range are 1 to 4294967295")
    return sign * value
