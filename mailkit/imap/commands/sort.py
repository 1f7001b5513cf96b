"""SORT and UID SORT (RFC 5256 section 3), DISPLAYFROM and DISPLAYTO (RFC 5957), RETURN (RFC 5267 section 3)."""

from __future__ import annotations

from mailkit.imap import limits, selection
from mailkit.imap.commands import search as searches
from mailkit.imap.responses import untagged
from mailkit.imap.searching import filters, matching, ordering
from mailkit.imap.wire import keys, orders, sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def sort(state: Session, reader: Reader) -> str | None:
    """[RETURN options] criteria charset keys; answers with message numbers."""
    return await run(state, reader, by_uid=False)


async def uid_sort(state: Session, reader: Reader) -> str | None:
    """The same; answers with UIDs."""
    return await run(state, reader, by_uid=True)


async def run(state: Session, reader: Reader, by_uid: bool) -> str | None:
    """Find, sort and answer."""
    try:
        criteria, wanted = orders.read_sort(reader)
    except keys.UnknownCharset as unknown:
        raise searches.bad_charset(state, unknown)
    reader.end()
    view = state.view
    assert view is not None
    with searches.Saving(state, wanted):
        await filters.expand(state, wanted)
        limits.whole(state, view, wanted.key)
    context = searches.updated(state, wanted, criteria, by_uid)
    matcher = matching.Matcher(state, view)
    found = await matching.find_rows(matcher, wanted.key)
    rows = await ordering.ordered(state, matcher, found, criteria)
    uids = list(selection.column(matcher.table.uids, rows))
    if wanted.returns is not None and "SAVE" in wanted.returns:
        state.saved = list(sets.runs(sorted(searches.kept(wanted, uids))))
    numbers = list(selection.named(view, matcher.table, rows, by_uid))
    highest = searches.highest_modseq(state, matcher.table, wanted, uids)
    if wanted.returns is None:
        state.conn.write(untagged(b"SORT", *listed(numbers), *highest))
    else:
        scores = [matching.relevancy(matcher, row) for row in rows] if "RELEVANCY" in wanted.returns else ()
        searches.answer(state, wanted, numbers, by_uid, highest, in_order, scores=scores)
    if context is not None:
        context.keep(state, uids)
    return None


def listed(numbers: list[int]) -> list[bytes]:
    """Numbers with blanks between; nothing for none. A list as Python shows it, for there may be 100,000."""
    return [str(numbers)[1:-1].replace(",", "").encode("ascii")] if numbers else []


def in_order(numbers: list[int]) -> bytes:
    """Numbers in the order of the sort: no set could keep it, so it is numbers with commas."""
    return b",".join(b"%d" % number for number in numbers)
