"""Answers that are remembered, because mail repeats itself: content types, field names, the addresses of a list.

Keys come from strangers: long ones are never kept, and when there are too many all are forgotten.
"""

from __future__ import annotations

TYPE_CHECKING = False  # mypy takes it for true; `typing` costs a lean program 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    V = TypeVar("V")

_MOST = 4000
_LONGEST = 250


class Memo(dict[bytes, "V"]):
    """`Memo(make)[key]` is `make(key)`, made once for most keys. It is shared: nobody may change what it gives."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[bytes], V]) -> None:
        self._make = make

    def __missing__(self, key: bytes) -> V:
        value = self._make(key)
        if len(key) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[key] = value
        return value
