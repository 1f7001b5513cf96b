"""Values to sort and thread by, out of the index (RFC 5256 section 3, RFC 5957 section 3)."""

from __future__ import annotations

from mailkit.imap import intake
from mailkit.imap.messages import pieces
from mailkit.imap.searching import matching, subject
from mailkit.imap.searching.properties import size_read
from mailkit.mail import addresslist, collation, header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from mailkit.imap.searching.matching import Matcher
    from mailkit.imap.session import Session
    from mailkit.imap.wire.orders import Criterion

BLOCK = 500
KIND = {
    "ARRIVAL": pieces.WORDS, "SUBJECT": pieces.WORDS, "FROM": pieces.FIELDS,
    "TO": pieces.FIELDS, "CC": pieces.FIELDS, "DISPLAYFROM": pieces.FIELDS, "DISPLAYTO": pieces.FIELDS,
}  # fmt: skip
"""Which piece has the value; SIZE is a column, and DATE one of `facts`."""


async def ordered(state: Session, matcher: Matcher, rows: list[int], criteria: list[Criterion]) -> list[int]:
    """`rows`, which are in the order of numbers, sorted. Equal ones stay in that order."""
    order = list(range(len(rows)))
    for name, backwards in reversed(criteria):
        values = await values_of(state, matcher, rows, name)
        await state.conn.offload(sort, order, values, backwards)
    return [rows[at] for at in order]


def sort(order: list[int], values: list[Any], backwards: bool) -> None:
    """Sort positions by their values; Python keeps equal ones in their order both ways."""
    order.sort(key=values.__getitem__, reverse=backwards)


async def values_of(state: Session, matcher: Matcher, rows: Sequence[int], name: str) -> list[Any]:
    """The value of one criterion for each row."""
    if name == "SIZE":
        known = matcher.table.detail.sizes
        return [known[row] or size_read(matcher, row) for row in rows]
    if name == "RELEVANCY":
        return [-matching.relevancy(matcher, row) for row in rows]
    if name == "DATE":
        from mailkit.imap.searching import facts

        return (await facts.of_rows(state, matcher, rows)).sent.tolist()
    function = VALUES[name]
    return [function(piece) for piece in await pieces_of(state, matcher, rows, KIND[name])]


async def pieces_of(state: Session, matcher: Matcher, rows: Sequence[int], *kinds: int) -> list[bytes]:
    """Some kinds of pieces of each row, as one, empty for a message that cannot be read; others have their turn
    meanwhile."""
    found: list[bytes] = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        parts = matcher.view.folder.parts(matcher.table, block, kinds, pieces.build)
        found += [part or b"" for part in parts]
        await intake.breathe(state, start + len(block), len(rows))
    return found


def arrival(piece: bytes) -> int:
    """Seconds out of the WORDS piece: when it was received."""
    return int(piece.partition(b" ")[0]) if piece else 0


def sent(piece: bytes) -> int:
    """Seconds out of the WORDS piece: when it was sent, else when it was received (RFC 5256 section 2.2)."""
    if not piece:
        return 0
    received, _, seconds = piece.partition(b"\0")[0].split()
    return int(received if seconds == b"-" else seconds)


def base_subject(piece: bytes) -> str:
    """Base subject out of the WORDS piece."""
    return collation.sorting(subject.base(subject_text(piece))[0])


def subject_text(piece: bytes) -> str:
    """The subject, decoded and folded, out of the WORDS piece, where it stands first."""
    name, _, rest = piece.partition(b"\0")[2].partition(b"\0")
    return rest.partition(b"\0")[0].decode("utf-8", "replace") if name == b"SUBJECT" else ""


def address(name: bytes) -> Callable[[bytes], str]:
    """The local part of the first address of a field, out of the FIELDS piece."""

    def value(piece: bytes) -> str:
        entry = first(piece, name)
        return key(entry[2]) if entry is not None else ""

    return value


def display(name: bytes) -> Callable[[bytes], str]:
    """The display name of the first address of a field, or the address (RFC 5957 section 3)."""

    def value(piece: bytes) -> str:
        entry = first(piece, name)
        if entry is None:
            return ""
        if not entry[0]:
            return key(entry[2] + b"@" + (entry[3] or b""))
        return collation.sorting(collation.folded(header.text(entry[0])))

    return value


def key(octets: bytes) -> str:
    """What an address is sorted by; one that is not UTF-8 by its octets."""
    return collation.sorting(collation.folded(octets.decode("utf-8", "surrogateescape")))


def first(piece: bytes, name: bytes) -> tuple[bytes | None, bytes | None, bytes, bytes | None] | None:
    """The first address of a field: (name, route, local, domain)."""
    found = header.value(pieces.kept_fields(piece), name)
    for entry in addresslist.entries(found) if found else ():
        if entry[2] is not None:
            return entry[0], entry[1], entry[2], entry[3]
    return None


VALUES: dict[str, Callable[[bytes], Any]] = {
    "ARRIVAL": arrival, "SUBJECT": base_subject, "FROM": address(b"From"), "TO": address(b"To"),
    "CC": address(b"Cc"), "DISPLAYFROM": display(b"From"), "DISPLAYTO": display(b"To"),
}  # fmt: skip
