"""The SEARCH key HEADER: in decoded words that the index keeps, in fields that it keeps as they are, or in the file."""

from __future__ import annotations

from mailkit.imap.messages import pieces
from mailkit.imap.searching import contents
from mailkit.mail import header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailkit.imap.messages.pieces import Choice
    from mailkit.imap.messages.sections import Message
    from mailkit.imap.searching.matching import Matcher
    from mailkit.imap.wire.keys import Key


def in_header(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """HEADER name text; an empty text asks for the field only."""
    field = str(key[1])
    needle = pieces.fold(str(key[2]))
    if field in pieces.SEARCHED:
        return in_words(matcher, rows, field.encode("ascii"), needle)
    octets = field.encode("latin-1")
    if octets.lower() in pieces.KEPT:
        return in_fields(matcher, rows, octets, needle)
    return contents.in_files(matcher, rows, key, header_has, octets, needle)


def in_words(matcher: Matcher, rows: Sequence[int], field: bytes, needle: bytes) -> list[int]:
    """Search the WORDS pieces: first those that have the text anywhere, which are mostly few."""
    start = b"\0" + field + b"\0"
    found = []
    for row, piece in matcher.view.folder.having(matcher.table, rows, pieces.WORDS, needle, pieces.build):
        at = piece.find(start)
        while at >= 0:  # there may be several Subjects
            end = piece.index(b"\0", at + len(start))
            if needle in piece[at + len(start) : end]:
                found.append(row)
                break
            at = piece.find(start, end)
    return found


def in_fields(matcher: Matcher, rows: Sequence[int], field: bytes, needle: bytes) -> list[int]:
    """Search the FIELDS pieces, and the files of messages whose fields are not kept."""
    found = []
    choice = pieces.Choice((field,))
    for row, piece in zip(rows, matcher.parts(rows, pieces.FIELDS), strict=True):
        if piece == pieces.NOT_KEPT:
            matches = contents.file_matches(matcher, row, header_has, field, needle)
        else:
            matches = piece is not None and piece_has(piece, choice, field, needle)
        if matches:
            found.append(row)
    return found


def piece_has(piece: bytes, choice: Choice, field: bytes, needle: bytes) -> bool:
    """A field of a FIELDS piece contains the text; mostly it need not be cut out to know that it does not."""
    whole = needle.split() == [needle]  # lines are folded at blanks
    if b":" + field.lower() not in piece or (whole and contents.cannot_say(piece, needle)):
        return False
    fields = choice.of(piece) or b""
    return not (whole and contents.cannot_say(fields, needle)) and values_have(header.values(fields, field), needle)


def header_has(message: Message, field: bytes, needle: bytes) -> bool:
    """A field of the message's header contains the text."""
    block, _ = header.split(message.data)
    return values_have(header.values(block, field), needle)


def values_have(values: list[bytes], needle: bytes) -> bool:
    """One of a field's values contains the text."""
    return any(needle in pieces.fold(header.text(value)) for value in values)
