"""mailkit-facts: numbers of each message by which folders are sorted and threaded; a cache that may be deleted.

    head      "mailkit-facts 1\\n" 0...  byte order 4  edition 4  UIDVALIDITY 4  0 4                     32 octets
    segment   messages n 4  references m 4  crc 4  0 4, then columns in the machine's order:
              UID 4*n   sent 8*n   base subject 8*n   Message-ID 8*n   marks 1*n   references 8*m

Subjects and identifiers are 64 bits of a hash, 0 for none; marks are the number of a message's references, and 128
for a reply or a forwarded message. What a message says never changes, so nothing here does: new messages are a new
segment at the end, written at once. A reader stops where the rest is no segment; whoever finds many segments, or UIDs
out of order, writes the file anew. Of two that do so at once one has worked in vain.
"""

from __future__ import annotations

import sys
from array import array
from binascii import crc32
from itertools import accumulate
from struct import Struct

from mailkit import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NAME = "mailkit-facts"
EDITION = 1
SEGMENTS_MOST = 50
REPLIED = 128
_MAGIC = b"mailkit-facts 1\n"
_HEAD = Struct("=16s4sIII")
_SEGMENT = Struct("=IIII")


class Facts:
    """The columns, in the order of rising UIDs. `references` are those of all messages, one behind the other."""

    __slots__ = ("marks", "names", "references", "segments", "sent", "subjects", "uids")

    def __init__(self) -> None:
        self.uids = array("I")
        self.sent = array("q")
        self.subjects = array("Q")
        self.names = array("Q")
        self.marks = array("B")
        self.references = array("Q")
        self.segments = 0  # of the file this was read from

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def columns(self) -> tuple[array[int], ...]:
        return self.uids, self.sent, self.subjects, self.names, self.marks, self.references

    def add(self, uid: int, sent: int, subject: int, name: int, replied: bool, references: Sequence[int]) -> None:
        """One message; at most 100 references."""
        self.uids.append(uid)
        self.sent.append(sent)
        self.subjects.append(subject)
        self.names.append(name)
        self.marks.append(len(references) | (REPLIED if replied else 0))
        self.references.extend(references)

    def chosen(self, places: Iterable[int]) -> Facts:
        """The messages at these places, in their order. Runs of places are copied at once."""
        found = Facts()
        starts = list(accumulate([mark & ~REPLIED for mark in self.marks], initial=0))
        for low, high in _runs(places):
            for mine, of_self in zip(found.columns[:-1], self.columns[:-1], strict=True):
                mine += of_self[low:high]
            found.references += self.references[starts[low] : starts[high]]
        return found

    def joined(self, other: Facts) -> Facts:
        """Both, in the order of UIDs, each once."""
        both = Facts()
        for mine, of_self, of_other in zip(both.columns, self.columns, other.columns, strict=True):
            mine += of_self
            mine += of_other
        uids = both.uids
        if all(map(int.__lt__, uids, uids[1:])):
            return both
        place = {uid: at for at, uid in enumerate(uids)}
        return both.chosen(place[uid] for uid in sorted(place))


def _runs(places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """(first, behind the last) of each run of places that follow each other."""
    low = high = 0
    for place in places:
        if place != high:
            if low < high:
                yield low, high
            low = place
        high = place + 1
    if low < high:
        yield low, high


def read(directory: str, uidvalidity: int) -> Facts:
    """What is known of the folder in a directory; nothing, where the file is missing or of another time or kind."""
    try:
        with open(f"{directory}/{NAME}", "rb") as file:
            data = file.read()
    except OSError:
        return Facts()
    if data[: _HEAD.size] != head(uidvalidity):
        return Facts()
    found = Facts()
    at = _HEAD.size
    ordered = True
    while (segment := _segment(data, at)) is not None:
        at += _SEGMENT.size + sum(len(column) * column.itemsize for column in segment.columns)
        ordered = ordered and not (found.uids and segment.uids and segment.uids[0] <= found.uids[-1])
        if found.segments:
            for mine, more in zip(found.columns, segment.columns, strict=True):
                mine += more
        else:
            found = segment
        found.segments += 1
    if not ordered:
        found = found.joined(Facts())
        found.segments = SEGMENTS_MOST
    return found


def head(uidvalidity: int) -> bytes:
    """The beginning of a file."""
    return _HEAD.pack(_MAGIC, sys.byteorder[:4].encode("ascii"), EDITION, uidvalidity, 0)


def _segment(data: bytes, at: int) -> Facts | None:
    """The segment at an offset; None when there is none, or not a whole one."""
    if len(data) < at + _SEGMENT.size:
        return None
    messages, references, crc, _ = _SEGMENT.unpack_from(data, at)
    at += _SEGMENT.size
    found = Facts()
    sizes = [messages * column.itemsize for column in found.columns[:-1]] + [references * 8]
    body = memoryview(data)[at : at + sum(sizes)]
    if len(body) < sum(sizes) or crc32(body) != crc:
        return None
    at = 0
    for column, size in zip(found.columns, sizes, strict=True):
        column.frombytes(body[at : at + size])
        at += size
    return found


def packed(facts: Facts) -> bytes:
    """A segment."""
    body = b"".join([column.tobytes() for column in facts.columns])
    return _SEGMENT.pack(len(facts), len(facts.references), crc32(body), 0) + body


def write(directory: str, uidvalidity: int, known: Facts, new: Facts) -> Facts:
    """All of it, after `new` was added to the file of which `known` was read. OSError."""
    both = known.joined(new)
    path = f"{directory}/{NAME}"
    if 0 < known.segments < SEGMENTS_MOST:
        files.append(path, packed(new))
    else:
        files.replace(path, head(uidvalidity) + packed(both), durable=False)
    return both
