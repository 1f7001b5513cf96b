"""What the folder's index keeps of a message for FETCH and SEARCH (`maildir` caches it, and may forget it).

    kind       octets
    RECEIVED   ` INTERNALDATE "17-Jul-1996 02:44:25 +0000"`
    SIZE       ` RFC822.SIZE 4286`
    ENVELOPE   ` ENVELOPE ("Wed, 17 Jul 1996 ..." ...)`
    STRUCTURE  ` BODYSTRUCTURE (...)`
    WORDS      for SEARCH and SORT: `837571465 9694 837590665\\0SUBJECT\\0text\\0FROM\\0text...\\0`: seconds received,
               day and seconds of the Date field ("-" for unknown), then decoded fields, case folded, UTF-8; those of
               several address fields of one name joined, further Subjects at the end
    FIELDS     the header fields of KEPT as they are written, CRLF, behind their names: `:from:to\0From: ...\0To: ...`
    EMAIL_ID   ` EMAILID (M0123...)`: RFC 8474; made of the octets, so copies have the same
    THREAD_ID  ` THREADID (T0123...)`: made of the first message that this one refers to

The first four and the last two are FETCH responses already: what is fetched together lies together, and is one slice of
a file. Each is made when somebody asks for it, and no more of the message is read than it needs. When the meaning of a
kind changes, `maildir.pieces.EDITION` must be raised.
"""

from __future__ import annotations

from _blake2 import blake2b  # hashlib's own, without all the others
from operator import itemgetter

from mailkit.imap.searching import references
from mailkit.mail import collation, date, header, mime, structure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mailkit.maildir.reading import Reading

RECEIVED, SIZE, ENVELOPE, STRUCTURE, WORDS, FIELDS, EMAIL_ID, THREAD_ID = range(8)

KIND_OF = {
    "INTERNALDATE": RECEIVED,
    "RFC822.SIZE": SIZE,
    "ENVELOPE": ENVELOPE,
    "BODYSTRUCTURE": STRUCTURE,
    "EMAILID": EMAIL_ID,
    "THREADID": THREAD_ID,
}
"""FETCH items that are pieces."""

KEPT = frozenset({
    b"bcc", b"cc", b"content-description", b"content-type", b"date", b"disposition-notification-to", b"from",
    b"importance", b"in-reply-to", b"lines", b"list-id", b"list-post", b"list-subscribe", b"list-unsubscribe",
    b"mail-followup-to", b"message-id", b"newsgroups", b"priority", b"references", b"reply-to", b"sender",
    b"subject", b"to", b"x-label", b"x-original-to", b"x-priority", b"x-spam-flag", b"x-tuid",
})  # fmt: skip
"""Fields that clients ask for when they list a folder."""

_KEPT = header.Wanted(KEPT)
SEARCHED = ("SUBJECT", "FROM", "TO", "CC", "BCC")
_SEARCHED = [(name.encode("ascii"), name.lower().encode("ascii")) for name in SEARCHED]
_FOLDED = bytes(32 if octet in b"\0\r\n" else octet for octet in bytes(range(256)).lower())
KEPT_MOST_OCTETS = 16384
"""A longer selection of fields is not kept: such a message is read when somebody asks."""
NOT_KEPT = b"-"
"""Stands for fields that are not kept; no piece that is kept is like that."""
_CHOICES_MOST = 2000
_OF_FIELDS = frozenset((ENVELOPE, WORDS, EMAIL_ID, THREAD_ID))
_OF_HEADER = _OF_FIELDS | {FIELDS}


def build(message: Reading, made: list[bytes], kinds: Sequence[int]) -> None:
    """Fill in those of `kinds` that are missing in `made`, and what costs nothing."""
    wanted = {kind for kind in kinds if not made[kind]}
    made[RECEIVED] = b' INTERNALDATE "%b"' % date.internal(message.received).encode("ascii")
    found: dict[bytes, bytes] | None = None
    if STRUCTURE in wanted:
        root = mime.scan(message.data)
        message.size, found = root.size, root.fields
        made[STRUCTURE] = b" BODYSTRUCTURE " + structure.bodystructure(root)
    if SIZE in wanted and not message.size:
        message.size = mime.size(message.data)
    if message.size:
        made[SIZE] = b" RFC822.SIZE %d" % message.size
    if not wanted.isdisjoint(_OF_HEADER):
        _of_header(message, made, wanted, found)


def _of_header(message: Reading, made: list[bytes], wanted: set[int], found: dict[bytes, bytes] | None) -> None:
    """Pieces that need little but the header. found: its fields, if they were read already."""
    block = b""
    if FIELDS in wanted or WORDS in wanted or found is None:
        start = message.head
        block = start[: header.body_start(start)]
        if FIELDS in wanted:
            made[FIELDS] = fields(block, ended=len(block) < len(start) or block.endswith((b"\n\n", b"\n\r\n")))
        if wanted.isdisjoint(_OF_FIELDS):
            return
        if found is None:
            found = mime.fields(block)
    if ENVELOPE in wanted:
        made[ENVELOPE] = b" ENVELOPE " + structure.envelope_of(found)
    if WORDS in wanted:
        made[WORDS] = dates(message.received, found.get(b"date")) + words(found) + more_subjects(block)
    if EMAIL_ID in wanted or THREAD_ID in wanted:
        made[EMAIL_ID] = b" EMAILID (%b)" % email_id(message.data)
        made[THREAD_ID] = b" THREADID (%b)" % thread_id(found, message.data)


def email_id(data: bytes) -> bytes:
    """The identifier of a message with these octets."""
    return b"M" + digest(data)


def thread_id(found: dict[bytes, bytes], data: bytes) -> bytes:
    """The identifier of a message's thread; one without any identifiers is a thread of its own."""
    names = (found.get(name, b"") for name in (b"message-id", b"references", b"in-reply-to"))
    return b"T" + digest(references.root(*names) or data)


def digest(octets: bytes) -> bytes:
    """96 bits in hexadecimal."""
    return blake2b(octets, digest_size=12).hexdigest().encode("ascii")


def dates(received: int, sent: bytes | None) -> bytes:
    """The dates of the WORDS piece. The day is that of the sender's zone (RFC 9051 section 6.4.4, SENTON)."""
    found = date.parse(sent) if sent is not None else None
    if found is not None:
        return b"%d %d %d" % (received, date.day(*found), found[0])
    day = date.sent_day(sent) if sent is not None else None
    return b"%d - -" % received if day is None else b"%d %d -" % (received, day)


def words(found: dict[bytes, bytes]) -> bytes:
    """The rest of the WORDS piece, from unfolded fields."""
    parts = [b""]
    for name, key in _SEARCHED:
        value = found.get(key)
        if value is not None:
            parts += (name, folded(value))
    parts.append(b"")
    return b"\0".join(parts)


def more_subjects(block: bytes) -> bytes:
    """What the WORDS piece has besides: further Subject fields. Only SEARCH looks at them, others at the first."""
    if (b"\n" + block).lower().count(b"\nsubject") < 2:
        return b""
    return b"".join([b"SUBJECT\0%b\0" % folded(value) for value in header.values(block, b"subject")[1:]])


def folded(value: bytes) -> bytes:
    """`fold(header.text(value))` of an unfolded value, which mostly is plain ASCII."""
    return value.translate(_FOLDED) if value.isascii() and b"=?" not in value else fold(header.text(value))


def fold(text: str) -> bytes:
    """Text for comparison without regard to case, by `mail.collation`."""
    return collation.folded(text).replace("\0", " ").encode("utf-8", "surrogateescape")


def fields(block: bytes, ended: bool) -> bytes:
    """The FIELDS piece. `ended`: an empty line follows the header, which the section then has too."""
    if not ended or b"\0" in block:
        return NOT_KEPT
    names, kept = header.picked(block, _KEPT)
    piece = b"\0".join((b":" + b":".join(names), *kept))
    return piece if len(piece) <= KEPT_MOST_OCTETS else NOT_KEPT


def kept_fields(piece: bytes) -> bytes:
    """The header fields out of a FIELDS piece."""
    return piece.partition(b"\0")[2].replace(b"\0", b"")


class Choice(dict[bytes, "Callable[[list[bytes]], Iterable[bytes]]"]):
    """Takes some header fields out of FIELDS pieces. Most messages have one of a few rows of names: which of them are
    wanted is found out once for each row."""

    __slots__ = ("_wanted",)

    def __init__(self, wanted: Iterable[bytes]) -> None:
        """wanted: names in any case."""
        self._wanted = frozenset(map(bytes.lower, wanted))

    def __missing__(self, names: bytes) -> Callable[[list[bytes]], Iterable[bytes]]:
        if len(self) > _CHOICES_MOST:
            self.clear()
        places = [place for place, name in enumerate(names.split(b":")) if name in self._wanted]
        found: Callable[[list[bytes]], Iterable[bytes]] = itemgetter(slice(0))
        if len(places) == 1:  # a slice: of one place itemgetter makes no tuple
            found = itemgetter(slice(places[0], places[0] + 1))
        elif places:
            found = itemgetter(*places)
        self[names] = found
        return found

    def of_all(self, found: Iterable[bytes]) -> list[bytes]:
        """The fields as they are written, of pieces that keep them."""
        return [b"".join(self[(parts := piece.split(b"\0"))[0]](parts)) for piece in found]

    def of(self, piece: bytes) -> bytes | None:
        """The fields as they are written; None when they are not kept."""
        parts = piece.split(b"\0")
        return b"".join(self[parts[0]](parts)) if piece != NOT_KEPT else None
