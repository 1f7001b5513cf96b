"""Cached pieces of messages: had from the index where it keeps them (`kept`), made where they are missing.

Only what is asked for is made: a client that lists subjects costs no look at bodies. A kind that is asked for later is
written together with those the message has already, which are dead from then on.
"""

from __future__ import annotations

from mailkit import log
from mailkit.maildir import ahead, heap, journal, kept, mates
from mailkit.maildir.reading import Reading
from mailkit.maildir.table import KINDS, PIECES_MOST_OCTETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailkit.maildir.folder import Folder
    from mailkit.maildir.mates import Build, Mate
    from mailkit.maildir.table import Table

EDITION = 8  # of what the kinds of pieces mean; a log of another edition is not used
_BATCH_ROWS, _BATCH_OCTETS = 256, 1 << 20


def read(
    folder: Folder, table: Table, rows: Iterable[int], kinds: Sequence[int], build: Build, also: Sequence[int] = ()
) -> list[bytes | None]:
    """For each row the pieces `kinds` (rising numbers), joined; None for row -1 and for what cannot be read.

    also: kinds that are made of what lacks some of these, because they will be asked for next.
    """
    rows = rows if isinstance(rows, range) else list(rows)
    found: list[bytes | None] = kept.read(table, rows, kinds)
    if None in found:
        maker = _Maker(folder, table, build, kinds, also)
        missing = [row for place, row in enumerate(rows) if row >= 0 and found[place] is None]
        hands = _hands(table, len(missing), build)
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


def _hands(table: Table, messages: int, build: Build) -> list[Mate]:
    """Mates for the pieces of so many messages; they are started for the first look at a large folder."""
    if build is not mates.crew.build:
        return []
    return mates.crew.take(messages, hire=table.detail.made.count(0) >= mates.LEAST)


def having(
    folder: Folder, table: Table, rows: Sequence[int], kind: int, needle: bytes, build: Build
) -> list[tuple[int, bytes]]:
    """(row, piece) of those of ascending rows whose piece of one kind contains these octets."""
    found = kept.having(table, rows, kind, needle) if rows and not kept.lacks(table, rows, (kind,)) else None
    return kept.among(rows, read(folder, table, rows, (kind,), build), needle) if found is None else found


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
        pieces = kept.stored(self._table, row) or [b""] * KINDS
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
        names = ahead.usual_names(table, rows)
        return mates.packed(f"{self._folder.directory}/cur", self._kinds, uids, sizes, names)

    def _took(self, rows: Sequence[int], answer: bytes) -> None:
        """A mate has made these rows. ValueError."""
        row_of = {self._table.uids[row]: row for row in rows}
        for one, raw in journal.read(answer):
            if one.kind != journal.PART:
                self._entries.append(raw)
                continue
            uids, _, _, _, places, ends = journal.placed(one)
            if not uids or not row_of.keys() >= set(uids):
                raise ValueError("an answer of messages that nobody asked for")
            slices = kept.slices(answer, places, kept.spans(ends, self._wanted))
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
