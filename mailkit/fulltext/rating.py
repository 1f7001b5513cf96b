"""Who has words like some others, and how well they fit. What is like what, the caller says."""

from __future__ import annotations

from mailkit.fulltext.segment import FIELDS
from mailkit.fulltext.words import TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailkit.fulltext.segment import Segment
    from mailkit.fulltext.store import Store

    Marks = dict[int, int]
    """How well each fits that fits at all."""
    Rate = Callable[[bytes], list[Marks]]


class Rating:
    """What is looked for, in one pass over a store. After the last `step`:

    covered: UIDs that the index knows; unread: those of them that have to be read; marks: of UIDs that fit.

    rate: for each term, which words fit, by their place in a block of words (see `segment`), and how well; mean: the
    mark of a message, of those of the terms. A message fits when something of it fits each term.
    """

    __slots__ = ("_fields", "_mean", "_rate", "_segments", "_store", "covered", "marks", "unread")

    def __init__(self, store: Store, field: str, rate: Rate, mean: Callable[[Sequence[int]], int]) -> None:
        self.covered: set[int] = set()
        self.unread: set[int] = set()
        self.marks: Marks = {}
        self._store = store
        self._fields = FIELDS if field == TEXT else (field,)
        self._rate = rate
        self._mean = mean
        self._segments = store.segments()

    def step(self) -> bool:
        """Look into one more segment; False when there is none."""
        return self._store.look(self._segments, self._look)

    def _look(self, segment: Segment) -> None:
        uids = segment.uids
        fields = [segment.rated(field, self._rate) for field in self._fields]
        terms = [best(found) for found in zip(*fields, strict=True)]
        for number in set(terms[0]).intersection(*terms[1:]):
            self.marks[uids[number]] = self._mean([marks[number] for marks in terms])
        self.unread.update([uids[number] for number in segment.unread])
        self.covered.update(uids)


def best(found: Sequence[Marks]) -> Marks:
    """The better mark of each."""
    first, *others = found
    merged = dict(first)
    for marks in others:
        for number, mark in marks.items():
            if mark > merged.get(number, 0):
                merged[number] = mark
    return merged
