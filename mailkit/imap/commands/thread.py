"""THREAD and UID THREAD (RFC 5256 section 3, draft-ietf-morg-inthread section 4)."""

from __future__ import annotations

from mailkit.imap import matching, ordering, pieces, references, subject, threads
from mailkit.imap.commands import search as searches
from mailkit.imap.responses import untagged
from mailkit.imap.wire import keys, orders
from mailkit.mail import header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.matching import Matcher
    from mailkit.imap.session import Session
    from mailkit.imap.threads import Facts
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
    except keys.UnknownCharset:
        raise searches.bad_charset(state)
    reader.end()
    view = state.view
    assert view is not None
    matcher = matching.Matcher(state, view)
    rows = await matching.find_rows(matcher, wanted.key)
    uids = matcher.table.uids
    numbers = [uids[row] if by_uid else view.seq(uids[row]) or 0 for row in rows]
    messages = await facts(state, matcher, rows, numbers, algorithm != "ORDEREDSUBJECT")
    roots = await state.conn.offload(THREADED[algorithm], messages)
    state.conn.write(untagged(b"THREAD " + threads.form(roots)) if roots else untagged(b"THREAD"))


async def facts(
    state: Session, matcher: Matcher, rows: list[int], numbers: list[int], with_references: bool
) -> list[Facts]:
    """What threading wants to know of each row."""
    words = await ordering.pieces_of(state, matcher, rows, pieces.WORDS)
    blank = [b""] * len(rows)
    fields = await ordering.pieces_of(state, matcher, rows, pieces.FIELDS) if with_references else blank
    found = []
    for number, word, block in zip(numbers, words, fields, strict=True):
        base, replied = subject.base(ordering.subject_text(word))
        message_id, refers_to = references_of(block) if with_references else (b"", [])
        found.append(threads.Facts(number, ordering.sent(word), base, replied, message_id, refers_to))
    return found


def references_of(piece: bytes) -> tuple[bytes, list[bytes]]:
    """(Message-ID or b"", what it refers to, oldest first) out of the FIELDS piece."""
    found: dict[bytes, bytes] = {}
    for name, value in header.keyed(pieces.kept_fields(piece), FIELDS):
        found.setdefault(name, value)
    own, refers, answers = (found.get(name, b"") for name in (b"message-id", b"references", b"in-reply-to"))
    return references.message_id(own), references.chain(refers, answers)


THREADED = {"ORDEREDSUBJECT": threads.ordered_subject, "REFERENCES": threads.references, "REFS": threads.refs}
FIELDS = frozenset({b"message-id", b"references", b"in-reply-to"})
