"""The entries of mailkit-log, as octets: what was added, marked, expunged, measured; pieces. No file is touched here.

    entry = head, table, bulk
    head  = "MkLg" kind(1) 0 0 0 length(4) checked(4) modseq(8) count(4) crc(4)       little-endian, 32 octets

length is that of table and bulk together, checked that of the table alone; crc is CRC-32 of the head before it and the
table. Pieces are bulk, verified when they are first used: the table has CRC-32 of the bulk up to each message (a seed)
and with it (its crc), so that one message is verified alone, and neighbours by one look at all of them. An entry that
does not verify ends the log: a writer cuts it off there, a reader waits.

    ADD   uids marks modseqs(8) where(1) sizes(8) name lengths(1) names
    PART  uids seeds crcs made(1) ends(8 x 4) | pieces
    MARK  uids marks where(1)         GONE  uids modseqs(8)         SIZE  uids sizes(8)
    ODD   uids lengths(4) names       STATE `maildir.state`; the last entry of everything written at once
"""

from __future__ import annotations

import struct
from array import array
from binascii import crc32
from itertools import accumulate, compress

from mailkit.maildir import state
from mailkit.maildir.table import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ADD, MARK, GONE, ODDS, PART, SIZE, STATE = range(1, 8)
_HEAD = struct.Struct("<4sB3xIIQI")
_CRC = struct.Struct("<I")
HEAD_OCTETS = _HEAD.size + _CRC.size
STATE_OCTETS = HEAD_OCTETS + state.OCTETS
_MAGIC = b"MkLg"
_MOST = 1 << 31
_BITS = tuple(1 << kind for kind in range(KINDS))


class Entry:
    """One entry as read. bulk_at: where its bulk stands in the file."""

    __slots__ = ("bulk_at", "count", "kind", "modseq", "table")

    def __init__(self, kind: int, modseq: int, count: int, table: bytes, bulk_at: int) -> None:
        self.kind = kind
        self.modseq = modseq
        self.count = count
        self.table = table
        self.bulk_at = bulk_at


class Head:
    """The head of an entry whose table is still to be read."""

    __slots__ = ("checked", "count", "kind", "length", "modseq", "raw")

    def __init__(self, raw: bytes) -> None:
        """ValueError: no head."""
        magic, self.kind, self.length, self.checked, self.modseq, self.count = _HEAD.unpack_from(raw)
        if magic != _MAGIC or self.checked > self.length or self.length > _MOST:
            raise ValueError("no entry here")
        self.raw = raw

    def entry(self, table: bytes, at: int) -> Entry | None:
        """The entry that stands at offset `at`; None when it does not verify."""
        crc = crc32(table, crc32(self.raw[: _HEAD.size]))
        if len(table) != self.checked or crc != _CRC.unpack_from(self.raw, _HEAD.size)[0]:
            return None
        return Entry(self.kind, self.modseq, self.count, table, at + HEAD_OCTETS + self.checked)


def entry(kind: int, modseq: int, count: int, table: bytes, bulk: bytes = b"") -> bytes:
    """An entry as it is written."""
    head = _HEAD.pack(_MAGIC, kind, len(table) + len(bulk), len(table), modseq, count)
    return b"".join((head, _CRC.pack(crc32(table, crc32(head))), table, bulk))


def added(
    uids: Sequence[int],
    marks: Sequence[int],
    modseqs: Sequence[int],
    where: bytes,
    sizes: Sequence[int],
    bases: Sequence[bytes],
) -> bytes:
    """Rows in UID order, as columns; sizes on the wire, 0 while not known."""
    table = b"".join(
        (
            array("I", uids).tobytes(),
            array("I", marks).tobytes(),
            array("Q", modseqs).tobytes(),
            where,
            array("Q", sizes).tobytes(),
            bytes(map(len, bases)),
            *bases,
        )
    )
    return entry(ADD, max(modseqs), len(uids), table)


def marked(modseq: int, rows: Sequence[tuple[int, int, int]]) -> bytes:
    """rows: (uid, marks, where)."""
    uids, marks, where = zip(*rows, strict=True)
    return entry(MARK, modseq, len(rows), array("I", uids).tobytes() + array("I", marks).tobytes() + bytes(where))


def read(data: bytes) -> Iterator[tuple[Entry, bytes]]:
    """Each of some entries with its octets; `bulk_at` counts from the begin of `data`. ValueError."""
    at = 0
    while at < len(data):
        raw = data[at : at + HEAD_OCTETS]
        head = Head(raw.ljust(HEAD_OCTETS, b"\0"))
        end = at + HEAD_OCTETS + head.length
        one = head.entry(data[at + HEAD_OCTETS : at + HEAD_OCTETS + head.checked], at)
        if one is None or end > len(data):
            raise ValueError("no whole entry")
        yield one, data[at:end]
        at = end


def gone(uids: Sequence[int], modseqs: Sequence[int]) -> bytes:
    """Expunged messages."""
    return entry(GONE, max(modseqs), len(uids), array("I", uids).tobytes() + array("Q", modseqs).tobytes())


def odd(rows: Sequence[tuple[int, bytes]]) -> bytes:
    """rows: (uid, whole file name)."""
    uids, found = zip(*rows, strict=True)
    lengths = array("I", map(len, found)).tobytes()
    return entry(ODDS, 0, len(rows), array("I", uids).tobytes() + lengths + b"".join(found))


def sized(rows: Sequence[tuple[int, int]]) -> bytes:
    """rows: (uid, wire size)."""
    uids, sizes = zip(*rows, strict=True)
    return entry(SIZE, 0, len(rows), array("I", uids).tobytes() + array("Q", sizes).tobytes())


class Gathered:
    """Pieces for one PART."""

    __slots__ = ("_bulk", "_ends", "_made", "_uids")

    def __init__(self) -> None:
        self._uids, self._made = array("I"), bytearray()
        self._ends = array("I")  # of each message's kinds, one behind the other
        self._bulk: list[bytes] = []  # of each message

    def __len__(self) -> int:
        return len(self._uids)

    def add(self, uid: int, found: Sequence[bytes]) -> None:
        """found: KINDS pieces, b"" for one that was not made."""
        self._uids.append(uid)
        self._made.append(_made(found))
        self._ends.extend(accumulate(map(len, found)))
        self._bulk.append(b"".join(found))

    def take(self, one: Entry, data: bytes) -> None:
        """All of a PART; its bulk is in `data`."""
        uids, _, _, made, places, ends = placed(one)
        start = len(self._ends)
        self._uids += uids
        self._made += made
        self._ends.frombytes(bytes(self._ends.itemsize * KINDS * len(uids)))
        for kind, column in enumerate(ends):
            self._ends[start + kind :: KINDS] = column
        self._bulk += [data[at : at + octets] for at, octets in zip(places, ends[-1], strict=True)]

    def entry(self) -> bytes:
        """The PART, in UID order: who reads many pieces does it in that order."""
        order = sorted(range(len(self)), key=self._uids.__getitem__)
        columns = [self._uids, *(self._ends[kind::KINDS] for kind in range(KINDS))]
        uids, *ends = [array("I", map(column.__getitem__, order)).tobytes() for column in columns]
        bulk = [self._bulk[place] for place in order]
        sums = array("I", accumulate(bulk, lambda before, whole: crc32(whole, before), initial=0))
        made = bytes(map(self._made.__getitem__, order))
        table = b"".join((uids, sums[:-1].tobytes(), sums[1:].tobytes(), made, *ends))
        return entry(PART, 0, len(self), table, b"".join(bulk))


def pieces(rows: Iterable[tuple[int, Sequence[bytes]]]) -> bytes:
    """rows: (uid, its KINDS pieces, b"" for one that was not made)."""
    gathered = Gathered()
    for uid, found in rows:
        gathered.add(uid, found)
    return gathered.entry()


def _made(found: Sequence[bytes]) -> int:
    """Bit k for each piece k that is there."""
    return sum(compress(_BITS, found))


def stated(known: state.State) -> bytes:
    """The end of what is written at once."""
    return entry(STATE, known.highestmodseq, 1, known.pack())


def last_state(tail: bytes) -> state.State | None:
    """The state in the last octets of a log; None when they are no whole entry."""
    if len(tail) < STATE_OCTETS:
        return None
    raw = tail[-STATE_OCTETS:]
    try:
        head = Head(raw)
    except ValueError:
        return None
    whole = head.entry(raw[HEAD_OCTETS:], 0)
    return state.State.unpack(whole.table) if whole and whole.kind == STATE else None


class Columns:
    """Reads the columns of an entry's table one after the other."""

    __slots__ = ("at", "count", "table")

    def __init__(self, one: Entry) -> None:
        self.table, self.count, self.at = one.table, one.count, 0

    def numbers(self, typecode: str) -> array[int]:
        """One number for each row."""
        column = array(typecode)
        end = self.at + column.itemsize * self.count
        column.frombytes(self.table[self.at : end])
        self.at = end
        return column

    def octets(self) -> bytes:
        """One octet for each row."""
        self.at += self.count
        return self.table[self.at - self.count : self.at]

    def names(self, lengths: Sequence[int]) -> list[bytes]:
        """Octets one behind the other."""
        found = []
        for length in lengths:
            found.append(self.table[self.at : self.at + length])
            self.at += length
        return found


def placed(
    one: Entry,
) -> tuple[array[int], array[int], array[int], bytes, array[int], list[array[int]]]:
    """(uids, seeds, checksums, made, where the pieces begin, ends of each kind) of a PART."""
    columns = Columns(one)
    uids, seeds, crcs, made = columns.numbers("I"), columns.numbers("I"), columns.numbers("I"), columns.octets()
    ends = [columns.numbers("I") for _ in range(KINDS)]
    places = array("Q", accumulate(ends[-1], initial=one.bulk_at))
    del places[-1]
    return uids, seeds, crcs, made, places, ends
