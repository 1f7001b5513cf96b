"""By what messages are sorted and threaded, out of a cache of numbers, and of the pieces where that lacks them.

`maildir.facts` has a folder's columns; here they are made, and chosen for the messages of one command.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b

from mailkit import log
from mailkit.imap.messages import pieces
from mailkit.imap.searching import ordering, references, subject, threads
from mailkit.mail import header
from mailkit.maildir import facts as columns
from mailkit.maildir.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailkit.imap.searching.matching import Matcher
    from mailkit.imap.session import Session

FIELDS = header.Wanted({b"message-id", b"references", b"in-reply-to"})
WORTH_KEEPING = 20
"""For fewer new messages the file is not written: the next one makes them again."""


FORGOTTEN_MOST = 1000
"""So many messages, and as many as there are, may be in the file that are gone from the folder."""


async def of_rows(state: Session, matcher: Matcher, rows: Sequence[int]) -> Facts:
    """The columns of ascending rows."""
    folder, table = matcher.view.folder, matcher.table
    known = await state.conn.offload(columns.read, folder.directory, folder.uidvalidity)
    uids = table.uids if len(rows) == len(table.uids) else array("I", [table.uids[row] for row in rows])
    if known.uids == uids:
        return known
    there = set(known.uids)
    missing = [row for row in rows if table.uids[row] not in there]
    if missing:
        new, whole = await made(state, matcher, missing)
        known = await state.conn.offload(kept, matcher, known, new, whole)
        if known.uids == uids:
            return known
    place = {uid: at for at, uid in enumerate(known.uids)}
    found = known.chosen([place[uid] for uid in uids])
    if uids is table.uids and len(known) > 2 * len(found) + FORGOTTEN_MOST:
        await state.conn.offload(kept, matcher, Facts(), found, True)
    return found


def kept(matcher: Matcher, known: Facts, new: Facts, whole: bool) -> Facts:
    """Both together, written down when it is worth it. whole: every message could be read. Blocking."""
    folder = matcher.view.folder
    if len(new) < WORTH_KEEPING or not whole or not folder.writable:
        return known.joined(new)
    try:
        return columns.write(folder.directory, folder.uidvalidity, known, new)
    except OSError as error:
        log.event("facts", file=error.filename, error=error.strerror)
        return known.joined(new)


async def made(state: Session, matcher: Matcher, rows: Sequence[int]) -> tuple[Facts, bool]:
    """The columns of rows of which nothing is known, and whether all of them could be read."""
    # Both at once first: what is not kept yet is made in one reading.
    await ordering.pieces_of(state, matcher, rows, pieces.WORDS, pieces.FIELDS)
    words = await ordering.pieces_of(state, matcher, rows, pieces.WORDS)
    fields = await ordering.pieces_of(state, matcher, rows, pieces.FIELDS)
    found = Facts()
    for row, word, piece in zip(rows, words, fields, strict=True):
        base, replied = subject.base(ordering.subject_text(word))
        own, refers_to = references_of(piece)
        found.add(
            matcher.table.uids[row], ordering.sent(word), number(base.encode("utf-8", "surrogateescape")), number(own),
            replied, [number(name) for name in refers_to],
        )  # fmt: skip
    return found, all(words)


def references_of(piece: bytes) -> tuple[bytes, list[bytes]]:
    """(Message-ID or b"", what it refers to, oldest first) out of the FIELDS piece."""
    found: dict[bytes, bytes] = {}
    for name, value in header.keyed(pieces.kept_fields(piece), FIELDS):
        found.setdefault(name, value)
    own, refers, answers = (found.get(name, b"") for name in (b"message-id", b"references", b"in-reply-to"))
    return references.message_id(own), references.chain(refers, answers)


def number(octets: bytes) -> int:
    """64 bits that stand for a text, 0 for none."""
    return int.from_bytes(blake2b(octets, digest_size=8).digest(), "little") or 1 if octets else 0


def messages(found: Facts) -> threads.Messages:
    """The columns as threading takes them."""
    replied = found.marks.tobytes().translate(REPLIES)
    return threads.Messages(
        found.sent.tolist(), found.subjects.tolist(), replied, found.names.tolist(), referring(found)
    )


def referring(found: Facts) -> Iterator[tuple[int, list[int]]]:
    """The places of messages that refer to others, with what they refer to."""
    every = found.references.tolist()
    at = 0
    for place, count in enumerate(found.marks.tobytes().translate(COUNTS)):
        if count:
            yield place, every[at : at + count]
            at += count


COUNTS = bytes(mark & ~columns.REPLIED for mark in range(256))
REPLIES = bytes(mark & columns.REPLIED for mark in range(256))
"""What of a mark is the number of references, and what says that it is a reply."""
