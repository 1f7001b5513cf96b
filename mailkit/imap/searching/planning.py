"""What a SEARCH key has to look at, so that what costs least goes first."""

from __future__ import annotations

from mailkit.imap.messages import pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.wire.keys import Key

COLUMNS, PIECES, FILES = 0, 1, 2
"""The folder's table; what the index keeps of messages; the messages themselves."""
DAYS = frozenset({"BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE", "OLDER", "YOUNGER"})
SAVED_DAYS = frozenset({"SAVEDBEFORE", "SAVEDON", "SAVEDSINCE"})
IDENTIFIERS = ("EMAILID", "THREADID")


def cost(key: Key) -> int:
    """COLUMNS, PIECES or FILES: the dearest of what it looks at."""
    name = key[0]
    if name in ("AND", "OR", "NOT", "FUZZY"):
        return max(map(cost, operands(key)))
    if name == "HEADER":
        field = key[1]
        assert isinstance(field, str)
        return PIECES if field.lower().encode("latin-1") in pieces.KEPT else FILES
    if name in ("BODY", "TEXT"):
        return FILES
    return PIECES if name in DAYS or name in IDENTIFIERS else COLUMNS


def kinds_of(key: Key) -> set[int]:
    """The kinds of pieces that a key looks at."""
    name = key[0]
    if name in ("AND", "OR", "NOT"):
        return set().union(*map(kinds_of, operands(key)))
    if name == "HEADER":
        return {pieces.WORDS if key[1] in pieces.SEARCHED else pieces.FIELDS}
    return {pieces.WORDS} if name in DAYS else {pieces.KIND_OF[str(name)]} if name in IDENTIFIERS else set()


def conjuncts(key: Key) -> list[Key]:
    """Keys all of which must match."""
    if key[0] != "AND":
        return [key]
    keys = key[1]
    assert isinstance(keys, list)
    return [each for inner in keys for each in conjuncts(inner)]


def operands(key: Key) -> list[Key]:
    """The keys inside AND, OR, NOT, FUZZY."""
    inner = key[1] if key[0] == "AND" else list(key[1:])
    assert isinstance(inner, list)
    return inner
