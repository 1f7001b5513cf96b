"""Answers kept while they hold.

Invariant: never more than `limit` entries; when full, the one not used for longest goes. Failures are
kept too, for a short time (RFC 9520 3.2), so that a dead name server is not asked again for each message.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from mailkit import clock
from mailkit.dns.answer import Answer
from mailkit.exits import Temp

LONGEST_S = 86400  # no answer is believed for longer than a day, whatever its TTL
LONGEST_NEGATIVE_S = 3600  # RFC 2308 5: one to three hours is a sensible limit
FAILURE_S = 15  # RFC 9520 3.2: at least 1 second, at most 5 minutes


class Cache:
    """Answers and failures by (name, kind). Used from several threads at once."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[str, str], tuple[float, Answer | Temp]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, name: str, kind: str) -> Answer | Temp | None:
        """What is known and still holds, with the TTL it has left."""
        key = (name, kind)
        with self._lock:
            until, known = self._kept.get(key, (0.0, None))
            left = until - clock.monotonic()
            if known is None or left <= 0:
                self._kept.pop(key, None)
                return None
            self._kept.move_to_end(key)
        if isinstance(known, Temp):
            return known
        return Answer(
            known.records, int(left), secure=known.secure, exists=known.exists, canonical=known.canonical
        )

    def keep(self, name: str, kind: str, found: Answer | Temp) -> None:
        """Remember an answer for its TTL, a failure for FAILURE_S."""
        seconds = FAILURE_S if isinstance(found, Temp) else _seconds(found)
        if seconds <= 0:
            return
        with self._lock:
            self._kept[name, kind] = (clock.monotonic() + seconds, found)
            self._kept.move_to_end((name, kind))
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)


def _seconds(found: Answer) -> int:
    return min(found.ttl, LONGEST_S if found.records else LONGEST_NEGATIVE_S)
