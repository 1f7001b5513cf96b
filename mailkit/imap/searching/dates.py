"""SEARCH keys about days: of arrival, of the Date field, of coming into the folder."""

from __future__ import annotations

from mailkit.imap.messages import pieces, savedate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailkit.imap.searching.matching import Matcher
    from mailkit.imap.wire.keys import Key


def dated(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """BEFORE, ON, SINCE by the day of arrival, SENT... by that of the Date field, OLDER and YOUNGER by seconds."""
    name, value = key
    assert isinstance(name, str) and isinstance(value, int)
    found = []
    for row, piece in zip(rows, matcher.parts(rows, pieces.WORDS), strict=True):
        if piece is None:
            continue
        received, sent, _ = piece.partition(b"\0")[0].split()
        if name in ("OLDER", "YOUNGER"):
            age_s = matcher.now_s - int(received)
            matches = age_s >= value if name == "OLDER" else age_s <= value
        elif name.startswith("SENT"):
            matches = sent != b"-" and on_day(name[4:], int(sent), value)
        else:
            matches = on_day(name, int(received) // 86400, value)
        if matches:
            found.append(row)
    return found


def saved(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """SAVEDBEFORE, SAVEDON, SAVEDSINCE by the day in UTC; one of which nothing is known matches none of them."""
    name, wanted = key
    assert isinstance(name, str) and isinstance(wanted, int)
    folder, table = matcher.view.folder, matcher.table
    dates = [(row, savedate.seconds(folder, table, row)) for row in rows]
    return [row for row, at in dates if at is not None and on_day(name[5:], at // 86400, wanted)]


def on_day(name: str, day: int, wanted: int) -> bool:
    """BEFORE, ON or SINCE."""
    if name == "ON":
        return day == wanted
    return day < wanted if name == "BEFORE" else day >= wanted
