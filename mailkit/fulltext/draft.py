"""A segment in the making: words of messages as they come, in memory.

Memory is bounded by `full`: about 250 octets for each word.
"""

from __future__ import annotations

from array import array

from mailkit.fulltext import segment
from mailkit.fulltext.segment import FIELDS, MESSAGES_MOST
from mailkit.fulltext.words import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from mailkit.fulltext.segment import Segment

OCTETS_MOST = 4 << 20
WORDS_MOST = 100_000
MESSAGE_MOST = 1 << 20  # octets of text: of longer ones nothing is kept, whoever searches reads them


class Draft:
    """See the package's docstring. octets: of text that went in."""

    __slots__ = ("_fields", "_unread", "octets", "uids")

    def __init__(self) -> None:
        self.uids = array("I")
        self._unread = array("H")
        self._fields: list[dict[bytes, array[int]]] = [{} for _ in FIELDS]
        self.octets = 0

    @property
    def full(self) -> bool:
        """A segment should not become larger than this."""
        return (
            self.octets >= OCTETS_MOST or sum(map(len, self._fields)) >= WORDS_MOST or len(self.uids) >= MESSAGES_MOST
        )

    def add(self, uid: int, header: bytes, body: bytes) -> None:
        """One message. header, body: folded text, nothing of which runs on from one field or part to the next."""
        if len(header) + len(body) > MESSAGE_MOST:
            self.add_unread(uid)
            return
        number = self._number(uid)
        self.octets += len(header) + len(body)
        for lists, text in zip(self._fields, (header, body), strict=True):
            for word in words(text):
                if word in lists:
                    lists[word].append(number)
                else:
                    lists[word] = array("H", (number,))

    def add_unread(self, uid: int) -> None:
        """A message that is too long, or cannot be read."""
        self._unread.append(self._number(uid))

    def _number(self, uid: int) -> int:
        self.uids.append(uid)
        return len(self.uids) - 1

    def absorb(self, other: Segment, wanted: Container[int]) -> None:
        """All that a segment knows of the wanted UIDs. segment.Damaged, OSError: then nothing has changed."""
        fields = [list(other.entries(field)) for field in FIELDS]
        numbers = [self._number(uid) if uid in wanted else -1 for uid in other.uids]
        kept = len(numbers) - numbers.count(-1)
        self._unread.extend(numbers[number] for number in other.unread if numbers[number] >= 0)
        for lists, entries in zip(self._fields, fields, strict=True):
            for word, listed in entries:
                moved = [numbers[number] for number in listed]
                if kept < len(numbers):
                    moved = [number for number in moved if number >= 0]
                if word in lists:
                    lists[word].extend(moved)
                elif moved:
                    lists[word] = array("H", moved)
        self.octets += other.octets * kept // max(1, len(numbers))

    def encoded(self, uidvalidity: int) -> bytes:
        """The segment as a file."""
        return segment.encode(uidvalidity, self.uids, self._unread, self.octets, self._fields)
