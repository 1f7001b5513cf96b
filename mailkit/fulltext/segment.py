"""One file of the index: the words of some messages.

    head     "mailkit-fulltext 1\\n" 0  edition(4) UIDVALIDITY(4) messages(4) unread(4) octets of text(8),
             for header and body each: words(4) listed(4) octets of words(4) crc of words(4) crc of lists(4);
             crc(4) of all this and the following two
    UIDs     uid(4) of each message: the n-th is number n, from 0
    unread   number(2) of messages that have to be read by whoever searches
    then, first for the header, then for the body:
    words    "\\n" word "\\n" word ... "\\n", sorted
    lists    end(4) of each word's list, counted in numbers; then the lists: number(2) of each message that has it

All numbers are little-endian. The file is written once and never changed. It is not mapped into memory, for whoever
cuts a mapped file kills those who read it; each part is read with one call when it is wanted, and checked the first
time.
"""

from __future__ import annotations

import os
import struct
from array import array
from binascii import crc32

from mailkit.fulltext.words import BODY, HEADER, TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.fulltext.rating import Marks, Rate
    from mailkit.fulltext.words import Query

EDITION = 2
"""Of what counts as the text of a message: segments of another edition are not used."""
MESSAGES_MOST = 65_535  # numbers have 16 bits
FIELDS = (HEADER, BODY)

_MAGIC = b"mailkit-fulltext 1\n\0"
_HEAD = struct.Struct("<20s4IQ10I")
_CRC = struct.Struct("<I")
_CHECKED_MOST = 50_000
_checked: set[tuple[str, int]] = set()  # (path, offset) of the parts this process has verified


class Damaged(Exception):
    """The file is no segment, or not as it was written."""


class Outdated(Damaged):
    """The file is of another edition."""


def encode(
    uidvalidity: int, uids: array[int], unread: array[int], octets: int, fields: list[dict[bytes, array[int]]]
) -> bytes:
    """The whole file. fields: for header and body the numbers of the messages that have each word."""
    facts: list[int] = []
    parts: list[bytes] = []
    for lists in fields:
        words = sorted(lists)
        block = b"\n".join([b"", *words, b""]) if words else b""
        ends, end = array("I"), 0
        for word in words:
            end += len(lists[word])
            ends.append(end)
        lists_block = ends.tobytes() + b"".join([lists[word].tobytes() for word in words])
        facts += [len(words), end, len(block), crc32(block), crc32(lists_block)]
        parts += [block, lists_block]
    head = _HEAD.pack(_MAGIC, EDITION, uidvalidity, len(uids), len(unread), octets, *facts)
    who = uids.tobytes() + unread.tobytes()
    return b"".join((head, _CRC.pack(crc32(who, crc32(head))), who, *parts))


class Segment:
    """An open file of the index; `close` it. FileNotFoundError, OSError, Damaged.

    uids: of the messages in it; unread: numbers of those of which it knows nothing; octets: of text.
    """

    __slots__ = ("_facts", "_fd", "octets", "path", "size_octets", "uids", "uidvalidity", "unread")

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self._read_head()
        except BaseException:
            os.close(self._fd)
            raise

    def _read_head(self) -> None:
        head = os.pread(self._fd, _HEAD.size + _CRC.size, 0)
        if len(head) < _HEAD.size + _CRC.size:
            raise Damaged("too short")
        magic, edition, self.uidvalidity, messages, unread, self.octets, *facts = _HEAD.unpack_from(head)
        if magic != _MAGIC:
            raise Damaged("no segment")
        if edition != EDITION:
            raise Outdated(f"edition {edition}")
        self.size_octets = os.fstat(self._fd).st_size
        if len(head) + 4 * messages + 2 * unread > self.size_octets:
            raise Damaged("cut off")
        who = os.pread(self._fd, 4 * messages + 2 * unread, len(head))
        if _CRC.unpack_from(head, _HEAD.size)[0] != crc32(who, crc32(head[: _HEAD.size])):
            raise Damaged("wrong checksum")
        self.uids = array("I", who[: 4 * messages])
        self.unread = array("H", who[4 * messages :])
        self._facts = {HEADER: (len(head) + len(who), *facts[:5])}
        self._facts[BODY] = (self._end(HEADER), *facts[5:])
        if self.size_octets != self._end(BODY):
            raise Damaged("cut off")

    def _end(self, field: str) -> int:
        at, words, listed, octets, _, _ = self._facts[field]
        end: int = at + octets + 4 * words + 2 * listed
        return end

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def search(self, query: Query) -> set[int]:
        """Numbers of the messages that have all parts of the query in one field, besides those that are unread.
        Damaged, OSError."""
        if query.field == TEXT:
            return self._having(HEADER, query.parts) | self._having(BODY, query.parts)
        return self._having(query.field, query.parts)

    def _having(self, field: str, parts: list[bytes]) -> set[int]:
        block = self._words(field)
        found: set[int] | None = None
        for part in sorted(parts, key=len, reverse=True):
            hits = self._hits(field, block, part)
            found = hits if found is None else found & hits
            if not found:
                return set()
        return found or set()

    def _hits(self, field: str, block: bytes, part: bytes) -> set[int]:
        """Numbers of the messages with a word that has this part."""
        found: set[int] = set()
        inside = 1 if part.startswith(b"\n") else 0
        at = block.find(part)
        if at < 0:
            return found
        ends, lists = self._lists(field)
        word, counted = -1, 0
        while at >= 0 and len(found) < len(self.uids):
            at += inside
            word += block.count(b"\n", counted, at)
            counted = at
            found.update(lists[ends[word - 1] if word else 0 : ends[word]])
            at = block.find(part, block.index(b"\n", at))
        return found

    def rated(self, field: str, rate: Rate) -> list[Marks]:
        """For each of what `rate` looks for the numbers of the messages that have a word that fits, with the best mark.
        Damaged, OSError."""
        terms = rate(self._words(field))
        if not any(terms):
            return [{} for _ in terms]
        ends, lists = self._lists(field)
        return [_having_best(marks, ends, lists) for marks in terms]

    def entries(self, field: str) -> Iterator[tuple[bytes, array[int]]]:
        """Every word with its list. Damaged, OSError."""
        words = self._words(field).split(b"\n")[1:-1]
        ends, lists = self._lists(field)
        start = 0
        for word, end in zip(words, ends, strict=True):
            yield word, lists[start:end]
            start = end

    def _words(self, field: str) -> bytes:
        at, _, _, octets, crc, _ = self._facts[field]
        return self._part(at, octets, crc)

    def _lists(self, field: str) -> tuple[array[int], array[int]]:
        """(ends, all lists one behind the other)."""
        at, words, listed, octets, _, crc = self._facts[field]
        data = self._part(at + octets, 4 * words + 2 * listed, crc)
        return array("I", data[: 4 * words]), array("H", data[4 * words :])

    def _part(self, at: int, octets: int, crc: int) -> bytes:
        data = os.pread(self._fd, octets, at)
        if (self.path, at) not in _checked or len(data) != octets:
            if crc32(data) != crc:
                raise Damaged("wrong checksum")
            if len(_checked) >= _CHECKED_MOST:
                _checked.clear()
            _checked.add((self.path, at))
        return data


def _having_best(marks: Marks, ends: array[int], lists: array[int]) -> Marks:
    """From marks of words to marks of those who have them."""
    found: Marks = {}
    for word, mark in sorted(marks.items(), key=lambda each: each[1]):
        found.update(dict.fromkeys(lists[ends[word - 1] if word else 0 : ends[word]], mark))
    return found
