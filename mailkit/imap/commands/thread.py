"""THREAD and UID THREAD (RFC 5256 section 3)."""

from __future__ import annotations

from mailkit.imap import matching, ordering, pieces, subject, threads
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

REFERENCES_MOST = 100
"""Of a longer chain the end counts: it is what a message answers."""


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
    messages = await facts(state, matcher, rows, numbers, algorithm == "REFERENCES")
    threaded = threads.references if algorithm == "REFERENCES" else threads.ordered_subject
    roots = await state.conn.offload(threaded, messages)
    state.conn.write(untagged(b"THREAD " + threads.form(roots)) if roots else untagged(b"THREAD"))


async def facts(
    state: Session, matcher: Matcher, rows: list[int], numbers: list[int], with_references: bool
) -> list[Facts]:
    """What threading wants to know of each row."""
    dates = await ordering.pieces_of(state, matcher, rows, pieces.DATES)
    words = await ordering.pieces_of(state, matcher, rows, pieces.WORDS)
    blank = [b""] * len(rows)
    fields = await ordering.pieces_of(state, matcher, rows, pieces.FIELDS) if with_references else blank
    found = []
    for number, date, word, block in zip(numbers, dates, words, fields, strict=True):
        base, replied = subject.base(ordering.subject_text(word))
        message_id, refers_to = references_of(block) if with_references else (b"", [])
        found.append(threads.Facts(number, ordering.sent(date), base, replied, message_id, refers_to))
    return found


def references_of(block: bytes) -> tuple[bytes, list[bytes]]:
    """(Message-ID or b"", what it refers to, oldest first) out of the FIELDS piece: References, or the first
    identifier of In-Reply-To (RFC 5256 section 3, step 1)."""
    own = refers = answers = b""
    for name, value in header.fields(block, FIELDS):
        lower = name.lower()
        if lower == b"message-id":
            own = own or value
        elif lower == b"references":
            refers = refers or value
        else:
            answers = answers or value
    message_ids = identifiers(own)
    refers_to = identifiers(refers)[-REFERENCES_MOST:] or identifiers(answers)[:1]
    return message_ids[0] if message_ids else b"", refers_to


FIELDS = frozenset({b"message-id", b"references", b"in-reply-to"})


def identifiers(value: bytes) -> list[bytes]:
    """What stands in `<>`, in order."""
    found = []
    for piece in value.split(b"<")[1:]:
        inside, closed, _ = piece.partition(b">")
        inside = b"".join(inside.split())
        if closed and inside:
            found.append(inside)
    return found
