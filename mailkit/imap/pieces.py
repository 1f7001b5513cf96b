"""What the folder's index keeps of each message for FETCH and SEARCH (`maildir` caches it, and may forget it).

    kind       octets
    RECEIVED   ` INTERNALDATE "17-Jul-1996 02:44:25 +0000"`
    SIZE       ` RFC822.SIZE 4286`
    ENVELOPE   ` ENVELOPE ("Wed, 17 Jul 1996 ..." ...)`
    STRUCTURE  ` BODYSTRUCTURE (...)`
    WORDS      for SEARCH and SORT: `837571465 9694 837590665\\0SUBJECT\\0text\\0FROM\\0text...\\0`: seconds received,
               day and seconds of the Date field ("-" for unknown), then decoded fields, case folded, UTF-8
    FIELDS     the header fields of KEPT as they are written, CRLF
    EMAIL_ID   ` EMAILID (M0123...)`: RFC 8474; made of the octets, so copies have the same
    THREAD_ID  ` THREADID (T0123...)`: made of the first message that this one refers to

The first four and the last two are FETCH responses already: what is fetched together lies together, and is one slice of
a file. When the meaning of a kind changes, `maildir.pieces.EDITION` must be raised.
"""

from __future__ import annotations

from mailkit.imap import references
from mailkit.mail import date, header, mime, structure

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

SEARCHED = ("SUBJECT", "FROM", "TO", "CC", "BCC")
KEPT_MOST_OCTETS = 16384
"""A longer selection of fields is not kept: such a message is read when somebody asks."""
NOT_KEPT = b"-"
"""Stands for fields that are not kept; no field is written like that."""


def build(data: bytes, received: int) -> list[bytes]:
    """The eight pieces of a message. `received`: seconds since 1970."""
    root = mime.scan(data)
    block = data[root.start : root.body]
    return [
        b' INTERNALDATE "%s"' % date.internal(received).encode("ascii"),
        b" RFC822.SIZE %d" % root.size,
        b" ENVELOPE " + structure.envelope(root),
        b" BODYSTRUCTURE " + structure.bodystructure(root),
        dates(received, root.fields.get(b"date")) + words(root.fields),
        fields(block, ended=len(block) < len(data) or data.endswith((b"\n\n", b"\n\r\n"))),
        b" EMAILID (%b)" % email_id(data),
        b" THREADID (%b)" % thread_id(root.fields, data),
    ]


def email_id(data: bytes) -> bytes:
    """The identifier of a message with these octets."""
    return b"M" + digest(data)


def thread_id(found: dict[bytes, bytes], data: bytes) -> bytes:
    """The identifier of a message's thread; one without any identifiers is a thread of its own."""
    names = (found.get(name, b"") for name in (b"message-id", b"references", b"in-reply-to"))
    return b"T" + digest(references.root(*names) or data)


def digest(octets: bytes) -> bytes:
    """96 bits in hexadecimal."""
    from hashlib import blake2b

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
    for name in SEARCHED:
        value = found.get(name.lower().encode("ascii"))
        if value is not None:
            parts += [name.encode("ascii"), fold(header.text(value))]
    parts.append(b"")
    return b"\0".join(parts)


def fold(text: str) -> bytes:
    """Text for comparison without regard to case (RFC 9051 section 6.4.4 leaves the collation to us)."""
    return text.casefold().replace("\0", " ").encode("utf-8", "surrogateescape")


def fields(block: bytes, ended: bool) -> bytes:
    """The FIELDS piece. `ended`: an empty line follows the header, which the section then has too."""
    kept = mime.crlf(header.only(block, KEPT))
    return kept if ended and len(kept) <= KEPT_MOST_OCTETS else NOT_KEPT
