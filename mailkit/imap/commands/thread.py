"""THREAD and UID THREAD (RFC 5256 section 3, draft-ietf-morg-inthread section 4)."""

from __future__ import annotations

from mailkit.imap import limits, selection
from mailkit.imap.commands import search as searches
from mailkit.imap.responses import untagged
from mailkit.imap.searching import facts, filters, matching, threads
from mailkit.imap.wire import keys, orders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def thread(state: Session, reader: Reader) -> None:
    """algorithm charset keys; answers with message numbers."""
    await run(state, reader, by_uid=False)


async def uid_thread(state: Session, reader: Reader) -> None:
    """The same; answers with UIDs."""
    await run(state, reader, by_uid=True)


async def run(state: Session, reader: Reader, by_uid: bool) -> None:
    """Find, thread and answer."""
    try:
        algorithm, wanted = orders.read_thread(reader)
    except keys.UnknownCharset as unknown:
        raise searches.bad_charset(state, unknown)
    reader.end()
    await filters.expand(state, wanted)
    view = state.view
    assert view is not None
    limits.whole(state, view, wanted.key)
    matcher = matching.Matcher(state, view)
    rows = await matching.find_rows(matcher, wanted.key)
    found = await facts.of_rows(state, matcher, rows)
    forest = await state.conn.offload(THREADED[algorithm], facts.messages(found))
    formed = threads.form(forest, selection.named(view, matcher.table, rows, by_uid))
    state.conn.write(untagged(b"THREAD " + formed) if formed else untagged(b"THREAD"))


THREADED = {"ORDEREDSUBJECT": threads.ordered_subject, "REFERENCES": threads.references, "REFS": threads.refs}
