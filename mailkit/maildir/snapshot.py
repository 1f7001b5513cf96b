"""mailkit-index: the table as it was at some offset of mailkit-log, in columns that are read with a few calls.

    header   "mailkit-index 1" 10  generation(8) covered(8) rows(4) gone(4) odd(4) names(8) core crc(4) detail crc(4)
             `maildir.state` (160)  crc(4)
    core     uids(4) marks(4) modseqs(8) where(1) per row; expunged uids(4) modseqs(8); odd: uid(4) length(4) name
    detail   sizes(8) name_at(4) name_len(1) made(1) part_at(8) part_seed(4) part_crc(4) part_ends(8 x 4)
             per row; names

All little-endian columns, one behind the other. generation names the mailkit-log it belongs to, covered the octets
of it that are already in here. The file is replaced as a whole and never trusted: three checksums, one for each part
that is read at its own time. It is not fsynced; whatever a power failure makes of it fails them.
"""

from __future__ import annotations

import os
import struct
from array import array
from binascii import crc32
from itertools import accumulate

from mailkit import log
from mailkit.maildir import state
from mailkit.maildir.contents import Contents
from mailkit.maildir.table import KINDS, Detail, Table, numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Columns = list[array[int] | bytearray]

_MAGIC = b"mailkit-index 1\n"
_HEADER = struct.Struct("<16sQQIIIQII")
_CRC = struct.Struct("<I")
HEADER_OCTETS = _HEADER.size + state.OCTETS + _CRC.size
_CORE_ROW = 4 + 4 + 8 + 1
_GONE_ROW = 4 + 8
_DETAIL_ROW = 8 + 4 + 1 + 1 + 8 + 4 + 4 + 4 * KINDS


def encode(contents: Contents, generation: int, covered: int) -> bytes:
    """The whole file."""
    table, detail = contents.table, contents.table.detail
    places, names = detail.name_at, detail.names
    if len(names) != sum(detail.name_len):  # there are those of messages that are gone
        places, names = array("I", accumulate(detail.name_len, initial=0)), bytearray(b"".join(detail.bases()))
        del places[-1]
    history, odd = contents.history, _odd_names(table)
    core: Columns = [table.uids, table.marks, table.modseqs, table.where, history.uids, history.modseqs, odd]
    rest: Columns = [
        detail.sizes, places, detail.name_len, detail.made, detail.part_at, detail.part_seed, detail.part_crc,
        *detail.part_ends, names,
    ]  # fmt: skip
    counts = len(table), len(history.uids), len(odd), len(names)
    header = _HEADER.pack(_MAGIC, generation, covered, *counts, _crc(core), _crc(rest)) + contents.state.pack()
    return b"".join((header, _CRC.pack(crc32(header)), *core, *rest))


def _odd_names(table: Table) -> bytearray:
    names = [struct.pack("<II", uid, len(name)) + name for uid, name in sorted(table.odd.items())]
    return bytearray(b"".join(names))


def _crc(columns: Columns) -> int:
    """CRC-32 of all of them."""
    crc = 0
    for column in columns:
        crc = crc32(column, crc)
    return crc


class Snapshot:
    """An open mailkit-index whose header verified: .generation, .covered."""

    __slots__ = (
        "_core_crc", "_detail_crc", "_fd", "_gone", "_names", "_odd", "_rows", "covered", "generation", "state",
    )  # fmt: skip

    def __init__(self, fd: int) -> None:
        """ValueError: not one, or damaged. Owns `fd` from the end of the constructor on."""
        raw = os.pread(fd, HEADER_OCTETS, 0)
        if len(raw) < HEADER_OCTETS or not raw.startswith(_MAGIC):
            raise ValueError("no index")
        if crc32(raw[: -_CRC.size]) != _CRC.unpack_from(raw, HEADER_OCTETS - _CRC.size)[0]:
            raise ValueError("header does not verify")
        (
            _, self.generation, self.covered, self._rows, self._gone, self._odd, self._names,
            self._core_crc, self._detail_crc,
        ) = _HEADER.unpack_from(raw)  # fmt: skip
        self.state = state.State.unpack(raw, _HEADER.size)
        self._fd = fd

    def contents(self, recover: Callable[[array[int]], Detail]) -> Contents:
        """What it holds; the detail is loaded later. ValueError: damaged.

        recover: makes the detail of these UIDs anew should it turn out to be damaged when it is wanted.
        """
        contents = Contents()
        table, history = contents.table, contents.history
        table.uids, table.marks, table.modseqs = numbers(4, self._rows), numbers(4, self._rows), numbers(8, self._rows)
        table.where = bytearray(self._rows)
        history.uids, history.modseqs = numbers(4, self._gone), numbers(8, self._gone)
        odd = bytearray(self._odd)
        columns: Columns = [table.uids, table.marks, table.modseqs, table.where, history.uids, history.modseqs, odd]
        octets = _CORE_ROW * self._rows + _GONE_ROW * self._gone + self._odd
        if _read(self._fd, columns, HEADER_OCTETS) != (octets, self._core_crc):
            raise ValueError("columns do not verify")
        table.odd = _read_odd(bytes(odd))
        known = contents.state = self.state
        history.floor = known.floor
        table.unseen, table.deleted, table.fresh = known.unseen, known.deleted, known.fresh
        table.size, table.unsized = known.size, known.unsized
        at = HEADER_OCTETS + octets
        table.load_later(_Later(self._fd, at, self._rows, self._names, self._detail_crc, recover, table))
        self._fd = -1
        return contents

    def close(self) -> None:
        """Close the file unless `contents` has handed it on."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _Later:
    """Loads the detail when it is first wanted."""

    __slots__ = ("_at", "_crc", "_fd", "_names", "_recover", "_rows", "_table")

    def __init__(
        self, fd: int, at: int, rows: int, names: int, crc: int, recover: Callable[[array[int]], Detail], table: Table
    ) -> None:
        self._fd, self._at, self._rows, self._names, self._crc = fd, at, rows, names, crc
        self._recover, self._table = recover, table

    def __call__(self) -> Detail:
        detail = Detail(self._rows)
        detail.names = bytearray(self._names)
        columns: Columns = [
            detail.sizes, detail.name_at, detail.name_len, detail.made, detail.part_at, detail.part_seed,
            detail.part_crc, *detail.part_ends, detail.names,
        ]  # fmt: skip
        found = _read(self._fd, columns, self._at)
        self.close()
        if found != (_DETAIL_ROW * self._rows + self._names, self._crc):
            log.event("index", verdict="damaged", part="detail", rows=self._rows)
            return self._recover(self._table.uids[: self._rows])
        return detail

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    __del__ = close


def _read(fd: int, columns: Columns, at: int) -> tuple[int, int]:
    """Fill the columns with what stands at `at`, straight into their places: every copy of ten megabytes is some
    milliseconds of page faults. How many octets, and their CRC-32."""
    return os.preadv(fd, columns, at), _crc(columns)


def _read_odd(data: bytes) -> dict[int, bytes]:
    odd, at = {}, 0
    while at + 8 <= len(data):
        uid, length = struct.unpack_from("<II", data, at)
        odd[uid] = data[at + 8 : at + 8 + length]
        at += 8 + length
    return odd
