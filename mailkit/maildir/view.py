"""What one session sees of a folder: message numbers that only change when the client is told.

A view of a folder with nothing pending is the folder's own column of UIDs and a count: the second session on 100,000
messages costs nothing. While expunges may not be told (RFC 9051 7.5.1: not during FETCH, STORE, SEARCH) it keeps the
column as it was, which the folder leaves whole when rows go.
"""

from __future__ import annotations

from bisect import bisect_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Sequence

    from mailkit.maildir.contents import Contents
    from mailkit.maildir.folder import Folder
    from mailkit.maildir.table import Table


class Changes:
    """What to tell the client, in this order.

    sequence: numbers of expunged messages, highest first, each right at the moment it is sent; expunged: their
    UIDs, rising. exists: the new count when there are new messages, else None. changed: (number, UID) of messages whose
    flags changed, numbers as they are after all the above.
    """

    __slots__ = ("changed", "exists", "expunged", "sequence")

    def __init__(self) -> None:
        self.sequence: list[int] = []
        self.expunged: list[int] = []
        self.exists: int | None = None
        self.changed: list[tuple[int, int]] = []

    def __bool__(self) -> bool:
        return bool(self.sequence or self.changed or self.exists is not None)


class View:
    """One session's numbering. Made by `Folder.view`; `close` it."""

    __slots__ = (
        "_contents", "_lost", "_muted", "_told_gone", "_told_touched", "count", "folder", "readonly", "recent", "uids",
        "uidvalidity",
    )  # fmt: skip

    def __init__(self, folder: Folder, readonly: bool) -> None:
        self.folder = folder
        self.readonly = readonly
        self.recent: set[int] = set()
        self._lost = False
        self.restart()

    def restart(self) -> None:
        """See the folder as it is now: everything has been told."""
        contents = self.folder.index.contents
        table, self._told_gone, self._told_touched = contents.shown
        self.uids: array[int] = table.uids
        self.count = len(self.uids)
        self.uidvalidity = contents.state.uidvalidity
        self._contents = contents
        self._muted: dict[int, int] = {}

    @property
    def valid(self) -> bool:
        """The folder is still the one the client knows: same UIDVALIDITY, no message between those it has numbers for.
        Otherwise the session must be closed."""
        return self.folder.uidvalidity == self.uidvalidity and not self._lost

    def seq(self, uid: int) -> int | None:
        """The number of a message."""
        place = bisect_left(self.uids, uid, 0, self.count)
        return place + 1 if place < self.count and self.uids[place] == uid else None

    def span(self, first_uid: int, last_uid: int) -> range:
        """The numbers of the messages whose UIDs are in a range."""
        low = bisect_left(self.uids, first_uid, 0, self.count)
        return range(low + 1, bisect_left(self.uids, last_uid + 1, low, self.count) + 1)

    def rows(self, first: int, last: int) -> tuple[Table, Sequence[int]]:
        """The table, and the rows of messages first to last; -1 for those expunged and not yet told."""
        table = self.folder.table
        if self.uids is table.uids:
            return table, range(first - 1, min(last, self.count))
        rows = map(table.row, self.uids[first - 1 : min(last, self.count)])
        return table, [-1 if row is None else row for row in rows]

    def mute(self, uids: Iterable[int]) -> None:
        """The client knows the flags these have now: do not tell them."""
        table, uids = self.folder.table, list(uids)
        for uid, row in zip(uids, table.rows(uids), strict=True):
            if row is not None:
                self._muted[uid] = table.marks[row]

    def changes(self, expunges: bool = True, arrivals: bool = True) -> Changes:
        """What happened since the last call; with expunges=False what may be told while numbers must stay. Without
        arrivals messages that came have no numbers yet."""
        changes = Changes()
        contents = self.folder.index.contents
        if contents.before is not None:
            return changes  # the cache was lost: nothing is known before the next `sync`
        table, gone, touched = contents.shown
        last = self.uids[self.count - 1] if self.count else 0
        if expunges and gone > self._told_gone:
            self._tell_gone(changes, contents.gone[self._told_gone : gone])
            self._told_gone = gone
        if self._told_gone == gone and contents is not self._contents:
            self._recheck(contents, table, changes.expunged, last)
        whole = self._told_gone == gone
        if arrivals:
            changes.exists = self._see_arrivals(table, last, whole)
        elif whole:
            self.uids, self.count = table.uids, bisect_left(table.uids, last + 1, 0, len(table))
        if touched > self._told_touched:
            self._tell_touched(changes, table, contents.touched[self._told_touched : touched], last)
            self._told_touched = touched
        self._muted.clear()
        self.folder.trim()
        return changes

    def _see_arrivals(self, table: Table, last: int, whole: bool) -> int | None:
        """Number the messages behind UID `last`; the new count when there are some. whole: no expunge is pending."""
        rows = len(table)
        new = table.uids[bisect_left(table.uids, last + 1, 0, rows) : rows]
        if whole:
            self.uids, self.count = table.uids, rows
        elif new:
            self.uids = self.uids[: self.count] + new
            self.count = len(self.uids)
        return self.count if new else None

    def _recheck(self, contents: Contents, table: Table, told: Iterable[int], last: int) -> None:
        """The folder's knowledge was replaced: does the new agree with what the client was told?"""
        self._contents = contents
        gone, uids = set(told), table.uids
        kept = [uid for uid in self.uids[: self.count] if uid not in gone]
        self._lost = self._lost or kept != uids[: bisect_left(uids, last + 1)].tolist()

    def _tell_gone(self, changes: Changes, gone: Iterable[int]) -> None:
        told = sorted({uid for uid in gone if self.seq(uid) is not None})
        numbers = [self.seq(uid) or 0 for uid in told]
        changes.expunged, changes.sequence = told, numbers[::-1]
        self.recent.difference_update(told)

    def _tell_touched(self, changes: Changes, table: Table, touched: Iterable[int], last: int) -> None:
        """Messages the client has not seen yet need no telling: it will ask for them."""
        uids = sorted(set(touched))
        for uid, row in zip(uids, table.rows(uids), strict=True):
            if row is None or uid > last or self._muted.get(uid) == table.marks[row]:
                continue
            number = self.seq(uid)
            if number is not None:
                changes.changed.append((number, uid))

    def behind(self) -> int:
        """The modseq right before the first removal that is not told yet; 0 when all are, or it is not known."""
        contents = self.folder.index.contents
        held = set(contents.gone[self._told_gone : contents.shown[1]]) if contents.before is None else set()
        if not held:
            return 0
        history = contents.history
        modseqs = (modseq for uid, modseq in zip(history.uids, history.modseqs, strict=False) if uid in held)
        return min(modseqs, default=1) - 1

    def forget(self, gone: int, touched: int) -> None:
        """The folder dropped that many from the fronts of its lists."""
        self._told_gone -= gone
        self._told_touched -= touched

    @property
    def position(self) -> tuple[int, int]:
        """How far this view has been told."""
        return self._told_gone, self._told_touched

    def close(self) -> None:
        """The session left the folder."""
        self.folder.leave(self)
