"""Cached pieces of messages: read by the window, made where they are missing.

Pieces of one message stand one behind the other in mailkit-log, those of neighbours mostly too. A window of the
file is read at once and each message's answer is one slice of it: a FETCH of 100,000 envelopes parses nothing. The
checksum of a message's pieces is verified at their first use in this process; what does not verify is made anew.
"""

from __future__ import annotations

import os
import stat
from binascii import crc32

from mailkit import log
from mailkit.maildir import journal
from mailkit.maildir.table import CHECKED, KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mailkit.maildir.folder import Folder
    from mailkit.maildir.table import Table

    Build = Callable[[bytes, int], Sequence[bytes]]

EDITION = 4  # of what the kinds of pieces mean; a log of another edition is not used
_WINDOW = 256 * 1024
_NEAR = 8192  # a gap in the file that is cheaper read over than sought over
_BATCH_ROWS, _BATCH_OCTETS = 256, 1 << 20
MOST_OCTETS = 1 << 20  # pieces of one message that are kept; a header of 100 MiB is made anew each time


def read(
    folder: Folder, table: Table, rows: Iterable[int], kinds: Sequence[int], build: Build
) -> Iterator[bytes | None]:
    """For each row the pieces `kinds` (rising numbers), joined; None for row -1 and for what cannot be read."""
    maker = _Maker(folder, table, build)
    together = kinds[-1] - kinds[0] == len(kinds) - 1
    cut = _neighbours if together else _scattered
    try:
        yield from cut(table, rows, kinds, maker)
    finally:
        maker.keep()


def _neighbours(table: Table, rows: Iterable[int], kinds: Sequence[int], maker: _Maker) -> Iterator[bytes | None]:
    """Kinds that stand next to each other: one slice a row."""
    detail, where = table.detail, table.where
    places, whole = detail.part_at, detail.part_ends[-1]
    tails = detail.part_ends[kinds[-1]]
    heads = detail.part_ends[kinds[0] - 1] if kinds[0] else None
    window, low, high = b"", 0, 0
    for row in rows:
        at = places[row] if row >= 0 else 0
        if not at:
            yield maker.made(row, kinds) if row >= 0 else None
            continue
        if at < low or at + whole[row] > high:
            window, low = _window(table, at, whole[row], high)
            high = low + len(window)
        here = at - low
        if not where[row] & CHECKED and not _verified(table, row, window[here : here + whole[row]]):
            yield maker.made(row, kinds)
            continue
        yield window[here + heads[row] if heads else here : here + tails[row]]


def _scattered(table: Table, rows: Iterable[int], kinds: Sequence[int], maker: _Maker) -> Iterator[bytes | None]:
    """Any kinds: the whole pieces are cut out, then each kind out of them."""
    rows = list(rows)
    columns = [(table.detail.part_ends[kind - 1] if kind else None, table.detail.part_ends[kind]) for kind in kinds]
    for row, whole in zip(rows, _neighbours(table, rows, range(KINDS), maker), strict=True):
        if whole is None:
            yield None
        elif not table.detail.part_at[row]:
            yield maker.made(row, kinds)
        else:
            yield b"".join([whole[heads[row] if heads else 0 : tails[row]] for heads, tails in columns])


def _window(table: Table, at: int, octets: int, high: int) -> tuple[bytes, int]:
    """Read at least the row at `at`; much more when the reader goes through the file from front to back."""
    ahead = _WINDOW if 0 <= at - high < _NEAR or not high else 0
    return (table.source.read(max(octets, ahead), at) if table.source else b""), at


def _verified(table: Table, row: int, pieces: bytes) -> bool:
    if crc32(pieces) != table.detail.part_crc[row] or len(pieces) != table.detail.part_ends[-1][row]:
        log.event("index", verdict="damaged", part="pieces", uid=table.uids[row])
        table.detail.part_at[row] = 0
        return False
    table.where[row] |= CHECKED
    return True


class _Maker:
    """Makes pieces that are missing, and has them written together."""

    __slots__ = ("_build", "_folder", "_made", "_octets", "_sizes", "_table")

    def __init__(self, folder: Folder, table: Table, build: Build) -> None:
        self._folder, self._table, self._build = folder, table, build
        self._made: dict[int, list[bytes]] = {}
        self._sizes: list[tuple[int, int]] = []
        self._octets = 0

    def made(self, row: int, kinds: Sequence[int]) -> bytes | None:
        """The pieces of a row, made now; None when its message cannot be read."""
        uid = self._table.uids[row]
        pieces = self._made.get(uid) or self._make(uid)
        return None if pieces is None else b"".join([pieces[kind] for kind in kinds])

    def _make(self, uid: int) -> list[bytes] | None:
        try:
            data, received = content(self._folder, uid)
        except OSError as error:
            log.event("message", verdict="unreadable", path=self._folder.directory, uid=uid, error=error.strerror)
            return None
        pieces = list(self._build(data, received))
        octets = sum(map(len, pieces))
        row, size = self._table.row(uid), wire_size(data)
        if row is not None and self._table.detail.sizes[row] != size:  # not known, or the file's name lies
            self._sizes.append((uid, size))
        if octets <= MOST_OCTETS:
            self._made[uid] = pieces
            self._octets += octets
            if len(self._made) >= _BATCH_ROWS or self._octets >= _BATCH_OCTETS:
                self.keep()
        return pieces

    def keep(self) -> None:
        """Write what was made since the last time, unless that would make a session wait: then it is made again."""
        if not self._made and not self._sizes:
            return
        entries = [journal.pieces(sorted(self._made.items()))] if self._made else []
        if self._sizes:
            entries.append(journal.sized(self._sizes))
        self._made, self._sizes, self._octets = {}, [], 0
        try:
            self._folder.commit_if_idle(entries)
        except OSError as error:
            log.event("index", verdict="skipped", path=self._folder.directory, error=str(error))


def content(folder: Folder, uid: int) -> tuple[bytes, int]:
    """The octets of a message and when it was received. OSError: gone, or not readable."""
    fd = folder.open_file(uid)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a regular file")
        data = os.read(fd, status.st_size + 1)
        while len(data) < status.st_size and (more := os.read(fd, status.st_size)):
            data += more
        return data, int(status.st_mtime)
    finally:
        os.close(fd)


def wire_size(data: bytes) -> int:
    """Octets when every line end is CRLF."""
    return len(data) + data.count(b"\n") - data.count(b"\r\n")
