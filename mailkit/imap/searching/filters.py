"""Searches that are kept under a name (FILTERS, RFC 5466): the key FILTER, and what may be stored.

A filter is an annotation of the server: `/private/filters/values/NAME` of the user, else `/shared/filters/values/NAME`
of the administrator. Its value stands in for the key as if it were in parentheses: the RFC inserts it "verbatim", which
would make another search of NOT FILTER than whoever named it had in mind.
"""

from __future__ import annotations

from mailkit.imap.responses import No
from mailkit.imap.wire import Bad, keys
from mailkit.imap.wire.reader import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailkit.imap.session import Session
    from mailkit.imap.wire.keys import Key, Search

PLACES = ("/private/filters/values/", "/shared/filters/values/")
PASSES_MOST = 3
"""Filters in filters: so many levels (section 3.1), which ends loops as well."""
USES_MOST = 100
"""Filters that one search may be made of."""


async def expand(state: Session, wanted: Search) -> None:
    """Put the filters that a search names in their places. No [UNDEFINED-FILTER]; Bad [BADCHARSET]."""
    if not keys.mentions(wanted.key, "FILTER"):
        return
    if wanted.charset.upper() not in keys.CHARSETS:
        raise Bad("A search with filters is in UTF-8", f"BADCHARSET ({' '.join(keys.CHARSETS)})")
    from mailkit.imap.folders import metadata

    wanted.key = Expansion(await metadata.read(state, "")).of(wanted.key, PASSES_MOST)


class Expansion:
    """The filters there are, and how many uses of them are left."""

    __slots__ = ("known", "left")

    def __init__(self, known: Mapping[str, bytes]) -> None:
        self.known = known
        self.left = USES_MOST

    def of(self, key: Key, passes: int) -> Key:
        """The key without FILTER in it. No."""
        if key[0] == "FILTER":
            return self._value(str(key[1]), passes)
        inner = keys.parts(key)
        if not inner:
            return key
        expanded = [self.of(each, passes) for each in inner]
        return ("AND", expanded) if key[0] == "AND" else (key[0], *expanded)

    def _value(self, name: str, passes: int) -> Key:
        self.left -= 1
        values = [self.known[place + name.lower()] for place in PLACES if place + name.lower() in self.known]
        if not values or not passes or self.left < 0:
            raise undefined(name)
        try:
            return self.of(criteria(values[0]), passes - 1)
        except ValueError:
            raise undefined(name)


def undefined(name: str) -> No:
    """The refusal."""
    return No("There is no such filter, or it is no search", f"UNDEFINED-FILTER {name}")


def criteria(value: bytes) -> Key:
    """1*(SP search-key), UTF-8. ValueError: it is none, or not whole."""
    try:
        return keys.program(Reader(value), "UTF-8")
    except Bad as error:
        raise ValueError(str(error))


def check(values: Mapping[str, bytes | None]) -> None:
    """What is about to be stored among the server's annotations. No: a filter's value is no search (section 3.2)."""
    for key, value in values.items():
        if value is not None and key.startswith(PLACES):
            try:
                criteria(value)
            except ValueError as error:
                raise No(f"That is no search: {error}", "CANNOT")
