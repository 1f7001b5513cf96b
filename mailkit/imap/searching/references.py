"""What a message is called and what it refers to (RFC 5256 section 3, step 1 of REFERENCES). Pure."""

from __future__ import annotations

REFERENCES_MOST = 100
"""Of a longer chain the end counts: it is what a message answers."""


def message_id(value: bytes) -> bytes:
    """The identifier in a Message-ID field, b"" when there is none."""
    return next(iter(identifiers(value)), b"")


def chain(references: bytes, in_reply_to: bytes) -> list[bytes]:
    """What a message refers to, oldest first: References, or the first identifier of In-Reply-To."""
    return identifiers(references)[-REFERENCES_MOST:] or identifiers(in_reply_to)[:1]


def root(own: bytes, references: bytes, in_reply_to: bytes) -> bytes:
    """The identifier of the message that began the thread, as far as this message tells; may be b""."""
    return next(iter(identifiers(references) or identifiers(in_reply_to)), b"") or message_id(own)


def identifiers(value: bytes) -> list[bytes]:
    """What stands in `<>`, in order."""
    found = []
    for piece in value.split(b"<")[1:]:
        inside, closed, _ = piece.partition(b">")
        inside = b"".join(inside.split())
        if closed and inside:
            found.append(inside)
    return found
