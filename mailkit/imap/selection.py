"""The selected folder, and sequence and UID sets against it: what the client named, as message numbers.

The result is ascending (first, last) pairs of message numbers of the session's view. A number that is not there is BAD
(RFC 9051 section 9, seq-number); a UID that is not there is nobody (section 6.4.9).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from mailkit.imap.commands import AUTHENTICATED, SELECTED
from mailkit.imap.wire import Bad, sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator, Sequence

    from mailkit.imap.session import Session
    from mailkit.imap.wire.keys import Key
    from mailkit.imap.wire.sets import Ranges
    from mailkit.maildir.table import Table
    from mailkit.maildir.view import View


def release(state: Session) -> None:
    """No folder is selected any more."""
    if state.view is None:
        return
    if state.filling is not None:
        state.filling.close()
        state.filling = None
    state.view.close()
    state.view.folder.close()
    state.view = None
    state.mailbox = None
    state.saved = []
    state.behind = False
    state.contexts = {}
    if state.state == SELECTED:
        state.state = AUTHENTICATED


def numbers(state: Session, ranges: Ranges, by_uid: bool) -> Ranges:
    """The message numbers that `ranges` names."""
    view = state.view
    assert view is not None
    if ranges is sets.SAVED:
        return by_uids(view, state.saved)
    if by_uid:
        last = view.uids[view.count - 1] if view.count else 0
        return by_uids(view, sets.resolve(ranges, last))
    found = sets.resolve(ranges, view.count)
    if found and found[-1][1] > view.count:
        raise Bad("There is no message of that number")
    return found


def sought(state: Session, view: View, key: Key) -> Ranges:
    """The message numbers of a SEQ or UID search key in some folder. Numbers beyond the last message are nobody's, and
    no error (RFC 7377 section 2)."""
    ranges = key[1]
    assert isinstance(ranges, list)
    if ranges is sets.SAVED:
        # What was saved is of the selected mailbox.
        return by_uids(view, state.saved) if view is state.view else []
    if key[0] == "UID":
        return by_uids(view, sets.resolve(ranges, view.uids[view.count - 1] if view.count else 0))
    return [(low, min(high, view.count)) for low, high in sets.resolve(ranges, view.count) if low <= view.count]


def by_uids(view: View, ranges: Ranges) -> Ranges:
    """Message numbers of ascending UID ranges."""
    found = []
    for low, high in ranges:
        first = bisect_left(view.uids, low, 0, view.count)
        last = bisect_right(view.uids, high, first, view.count)
        if first < last:
            found.append((first + 1, last))
    return found


def blocks(ranges: Ranges, size: int) -> Iterator[tuple[int, int]]:
    """The same numbers in pairs that span at most `size`."""
    for first, last in ranges:
        for start in range(first, last + 1, size):
            yield start, min(start + size - 1, last)


def uids(state: Session, ranges: Ranges) -> list[int]:
    """UIDs of message numbers."""
    view = state.view
    assert view is not None
    found: list[int] = []
    for first, last in ranges:
        found += view.uids[first - 1 : last]
    return found


def rows(view: View, first: int, last: int) -> tuple[Table, Sequence[int], Sequence[int]]:
    """(table, numbers, rows) of the messages first..last that are still there."""
    table, found = view.rows(first, last)
    if isinstance(found, range):
        return table, range(first, last + 1), found
    numbers = [number for number, row in enumerate(found, first) if row >= 0]
    return table, numbers, [row for row in found if row >= 0]


def named(view: View, table: Table, chosen: Sequence[int], by_uid: bool) -> Sequence[int]:
    """What the client calls the messages in these rows: UIDs or numbers."""
    if by_uid:
        return column(table.uids, chosen)
    if view.uids is table.uids:
        return [row + 1 for row in chosen]
    return [view.seq(uid) or 0 for uid in column(table.uids, chosen)]


def column(values: array[int], chosen: Sequence[int]) -> Sequence[int]:
    """A column of the table at these rows."""
    if isinstance(chosen, range):
        return values[chosen.start : chosen.stop]
    return [values[row] for row in chosen]
