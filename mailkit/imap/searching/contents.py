"""SEARCH keys that read messages: BODY and TEXT, and whatever the index does not keep."""

from __future__ import annotations

from mailkit.imap.messages import pieces, sections
from mailkit.imap.searching import texts
from mailkit.mail import header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailkit.imap.messages.sections import Message
    from mailkit.imap.searching.matching import Matcher
    from mailkit.imap.wire.keys import Key

CODINGS = (b"quoted-printable", b"base64", b"uuencode")
EMBEDDED = (b"message/", b"/digest")


def in_body(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """BODY."""
    return in_files(matcher, rows, key, body_has, pieces.fold(str(key[1])))


def in_text(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """TEXT."""
    return in_files(matcher, rows, key, text_has, pieces.fold(str(key[1])))


def in_files(matcher: Matcher, rows: Sequence[int], key: Key, test: Callable[..., bool], *args: bytes) -> list[int]:
    """Rows whose message passes test(message, *args); those of which the index knows it are not read."""
    sure, unread = matcher.known.get(key, ((), rows))
    wanted = rows if unread is rows else [row for row in rows if row in unread and row not in sure]
    messages = sections.each(matcher.view.folder, matcher.table, wanted)
    passed = {row for row, message in messages if passes(matcher, row, message, test, *args)}
    return [row for row in rows if row in sure or row in passed]


def file_matches(matcher: Matcher, row: int, test: Callable[..., bool], *args: bytes) -> bool:
    """test(message, *args) of the row's file; a file that cannot be read does not match."""
    with sections.opened(matcher.view.folder, matcher.table.uids[row]) as message:
        return passes(matcher, row, message, test, *args)


def passes(matcher: Matcher, row: int, message: Message | None, test: Callable[..., bool], *args: bytes) -> bool:
    """The same of a message that is open."""
    try:
        return message is not None and test(message, *args)
    except OSError as error:
        sections.unreadable(matcher.table.uids[row], error)
        return False


def body_has(message: Message, needle: bytes) -> bool:
    """A text part contains the text, its encodings undone."""
    if cannot_have(message.data, needle):
        return False
    return any(needle in text for text in texts.parts(message.data, message.root))


def text_has(message: Message, needle: bytes) -> bool:
    """The header or a text part contains the text."""
    block, _ = header.split(message.data)
    if not header_cannot_have(block, needle) and any(needle in field for field in texts.fields(block)):
        return True
    return body_has(message, needle)


def header_cannot_have(block: bytes, needle: bytes) -> bool:
    """A quick no: a word that is not there as it is, is not there. Anything else may have been folded."""
    return needle.isalnum() and cannot_say(block, needle)


def cannot_say(block: bytes, needle: bytes) -> bool:
    """The text is not there as it is, and nothing stands for something else."""
    return block.isascii() and b"=?" not in block and needle not in block.lower()


def cannot_have(data: bytes, needle: bytes) -> bool:
    """A quick no: in plain ASCII without transfer encodings, text that is not there as it is, is not there. But the
    header of a message inside may have encoded words and be folded."""
    # What is in most of the large messages is looked for first, as it is mostly written. An octet is found much faster
    # than a word.
    if b"base64" in data or 27 in data or not (needle.isascii() and data.isascii()):
        return False
    lower = data.lower()
    if needle in lower or b"utf-7" in lower:
        return False
    if b"transfer-encoding" in lower and any(word in lower for word in CODINGS):
        return False
    as_it_is = needle.isalnum() and not (61 in data and b"=?" in data)
    return as_it_is or not any(word in lower for word in EMBEDDED)
