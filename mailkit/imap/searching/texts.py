"""The text of a message, as SEARCH sees it: folded, in UTF-8. The full-text index is made of the same.

When this changes, `mailkit.fulltext.segment.EDITION` must be raised.
"""

from __future__ import annotations

from mailkit.imap.messages.pieces import fold, folded
from mailkit.mail import content, header, mime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.mail.mime import Part


def fields(block: bytes) -> Iterator[bytes]:
    """`name: value` of each field of a header."""
    for name, value in header.fields(block):
        yield fold(name.decode("latin-1")) + b": " + folded(value)


def parts(data: bytes, root: Part) -> Iterator[bytes]:
    """Each text part, its encodings undone, and the headers of messages inside."""
    return map(fold, content.texts(data, root))


def both(data: bytes) -> tuple[bytes, bytes]:
    """(all fields, all parts), each on lines of its own."""
    block, _ = header.split(data)
    return b"\n".join(fields(block)), b"\n".join(parts(data, mime.scan(data)))
