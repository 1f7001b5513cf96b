"""SEARCH keys about what a message is: flags, numbers, sizes, identifiers."""

from __future__ import annotations

from mailkit.imap import selection
from mailkit.imap.messages import pieces, sections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailkit.imap.searching.matching import Matcher
    from mailkit.imap.wire.keys import Key


def everything(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """ALL."""
    return list(rows)


def flag(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """FLAG; nobody has a keyword that the folder does not know."""
    bit = matcher.view.folder.mask([str(key[1]).encode("ascii")], create=False)
    marks = selection.column(matcher.table.marks, rows)
    return [row for row, mark in zip(rows, marks, strict=False) if mark & bit]


def no_flag(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """NOT FLAG."""
    bit = matcher.view.folder.mask([str(key[1]).encode("ascii")], create=False)
    marks = selection.column(matcher.table.marks, rows)
    return [row for row, mark in zip(rows, marks, strict=False) if not mark & bit]


def recent(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """RECENT, which is a matter of the session."""
    uids = matcher.table.uids
    return [row for row in rows if uids[row] in matcher.view.recent]


def numbered(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """SEQ and UID."""
    wanted: set[int] = set()
    for first, last in selection.sought(matcher.state, matcher.view, key):
        wanted.update(matcher.rows[first - 1 : last])
    return [row for row in rows if row in wanted]


def modified(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """MODSEQ."""
    least = key[1]
    assert isinstance(least, int)
    modseqs = matcher.table.modseqs
    return [row for row in rows if modseqs[row] >= least]


def sized(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """LARGER and SMALLER, which mean RFC822.SIZE."""
    limit = key[1]
    assert isinstance(limit, int)
    known = matcher.table.detail.sizes
    sizes = [(row, known[row] or size_read(matcher, row)) for row in rows]
    if key[0] == "LARGER":
        return [row for row, size in sizes if size > limit]
    return [row for row, size in sizes if size < limit]


def size_read(matcher: Matcher, row: int) -> int:
    """The size of a message of which nobody wrote it down; 0 when it cannot be read."""
    uid = matcher.table.uids[row]
    try:
        return matcher.view.folder.size(uid)
    except OSError as error:
        sections.unreadable(uid, error)
        return 0


def identified(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """EMAILID and THREADID."""
    name, wanted = key
    assert isinstance(name, str) and isinstance(wanted, bytes)
    wanted = b" %b (%b)" % (name.encode("ascii"), wanted)
    found = matcher.parts(rows, pieces.KIND_OF[name])
    return [row for row, piece in zip(rows, found, strict=True) if piece == wanted]
