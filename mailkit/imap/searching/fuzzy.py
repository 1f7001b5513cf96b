"""The search key FUZZY (RFC 6203): words as people remember them.

A text matches when each word of what is looked for is like one of its words, in any order, accents or not:

    100  the same word                      80  it begins like that ("conf" for "conference")
     60  one slip of the pen: a letter too many, too few, another, or two changed about, in words of four and more

A message's score is the mean of its words', the lowest 1. Of several keys it is the mean, of OR the better one; a key
that is no text matches exactly, and counts 100.
"""

from __future__ import annotations

import re

from mailkit.imap.messages import pieces, sections
from mailkit.imap.searching import matching, planning, texts
from mailkit.mail import header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mailkit.fulltext.rating import Rating
    from mailkit.fulltext.store import Store
    from mailkit.imap.messages.sections import Message
    from mailkit.imap.searching.matching import Matcher
    from mailkit.imap.wire.keys import Key

    Scores = dict[int, int]

SAME, BEGINNING, SLIP = 100, 80, 60
TERMS_MOST = 20
"""Words that are looked for; the rest of a longer text is not."""
WORDS_MOST = 20_000
"""Different words of one message that are looked at."""
LONGEST = 40
_MARKS = re.compile("[\u0300-\u036f]+")
_WORD = re.compile(r"[^\W_]+")
_NO_WORD = re.compile(r"[^\w\n]|_")


def words(folded: bytes) -> set[str]:
    """The words of a folded text, without accents."""
    text = folded.decode("utf-8", "replace")
    if not text.isascii():
        text = _MARKS.sub("", text)
    found = set(_WORD.findall(text))
    return found if len(found) <= WORDS_MOST else set(sorted(found)[:WORDS_MOST])


def likeness(term: str, found: set[str]) -> int:
    """How well the best of these words fits, 0 for not at all."""
    if term in found:
        return SAME
    best = 0
    for word in found:
        if word.startswith(term) and len(term) > 2:
            return BEGINNING
        if not best and len(term) > 3 and abs(len(word) - len(term)) < 2 and one_slip(term, word):
            best = SLIP
    return best


def one_slip(one: str, other: str) -> bool:
    """Two words are one letter, or one exchange of neighbours, apart."""
    if len(one) > len(other):
        one, other = other, one
    at = 0
    while at < len(one) and one[at] == other[at]:
        at += 1
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    return one[at + 1 :] == other[at + 1 :] or (
        one[at + 2 :] == other[at + 2 :] and one[at : at + 2] == other[at : at + 2][::-1]
    )


def score(terms: Sequence[str], found: set[str]) -> int:
    """How well a text fits all terms; 0 when one of them is nowhere in it. No terms fit everything."""
    fits = []
    for term in terms:
        fits.append(likeness(term, found))
        if not fits[-1]:
            return 0
    return mean(fits) if fits else SAME


def mean(marks: Sequence[int]) -> int:
    """Of several marks, rounded down."""
    return max(1, sum(marks) // len(marks))


def terms_of(text: str) -> list[str]:
    """What is looked for."""
    return sorted(word[:LONGEST] for word in words(pieces.fold(text)))[:TERMS_MOST]


def matched(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """The leaf FUZZY: rows that match, whose scores the matcher gets. Blocking."""
    (inner,) = planning.operands(key)
    found = scores(matcher, rows, inner)
    for row, value in found.items():
        matcher.scores.setdefault(row, []).append(value)
    return sorted(found)


def scores(matcher: Matcher, rows: Sequence[int], key: Key) -> Scores:
    """Score of each row that matches."""
    name = key[0]
    if name == "FUZZY":
        return scores(matcher, rows, planning.operands(key)[0])
    if name == "AND":
        return both(matcher, rows, planning.operands(key))
    if name == "OR":
        first, second = (scores(matcher, rows, each) for each in planning.operands(key))
        return {row: max(first.get(row, 0), second.get(row, 0)) for row in rows if row in first or row in second}
    if name == "NOT":
        without = scores(matcher, rows, planning.operands(key)[0])
        return {row: SAME for row in rows if row not in without}
    if name in ("HEADER", "BODY", "TEXT"):
        return of_text(matcher, rows, key)
    return dict.fromkeys(matching.match(matcher, rows, key), SAME)


def both(matcher: Matcher, rows: Sequence[int], keys: list[Key]) -> Scores:
    """Of rows that match all keys, the means."""
    totals = dict.fromkeys(rows, 0)
    for each in sorted(keys, key=planning.cost):
        found = scores(matcher, list(totals), each)
        totals = {row: totals[row] + value for row, value in found.items()}
    return {row: max(1, total // len(keys)) for row, total in totals.items()}


def of_text(matcher: Matcher, rows: Sequence[int], key: Key) -> Scores:
    """HEADER, BODY and TEXT."""
    terms = terms_of(str(key[-1]))
    if key in matcher.rated:
        marks, unread = matcher.rated[key]
        found = {row: marks[row] for row in rows if row in marks}
        return found | read(matcher, [row for row in rows if row in unread], key, terms)
    return read(matcher, rows, key, terms)


def read(matcher: Matcher, rows: Sequence[int], key: Key, terms: Sequence[str]) -> Scores:
    """The same by looking at the texts themselves."""
    if key[0] == "HEADER" and key[1] in pieces.SEARCHED:
        texts_of_rows = from_words(matcher, rows, str(key[1]).encode("ascii"))
    else:
        reading = in_header if key[0] == "HEADER" else in_body if key[0] == "BODY" else in_text
        texts_of_rows = from_files(matcher, rows, reading, str(key[1]).encode("latin-1"))
    found = ((row, score(terms, words(text))) for row, text in texts_of_rows if text)
    return {row: value for row, value in found if value}


def rating(store: Store, leaf: Key) -> Rating | None:
    """What asks the full-text index for BODY or TEXT; None where it cannot be asked."""
    from functools import partial

    from mailkit.fulltext.rating import Rating

    terms = terms_of(str(leaf[-1]))
    if leaf[0] not in ("BODY", "TEXT") or not terms:
        return None
    return Rating(store, str(leaf[0]), partial(rate, terms), mean)


def rate(terms: Sequence[str], block: bytes) -> list[Scores]:
    """For each term the words of the full-text index that are like it: place in the block, and how well.

    A word of the index is one between octets that are no ASCII letters or digits. Without accents, and parted where
    other signs are in it, it may be several of ours, or none.
    """
    text = block.decode("utf-8", "replace")
    if not block.isascii():
        text = _NO_WORD.sub(" ", _MARKS.sub("", text))
    return [alike(term, text) for term in terms]


def alike(term: str, text: str) -> Scores:
    """The lines of a text with words like the term."""
    found: Scores = {}
    ends = ("\n", " ") if " " in text else ("\n",)
    for piece in likely(term, ends):
        counted, line = 0, -1
        at = text.find(piece)
        while at >= 0:
            middle = at + 1 if piece[0] in ends else at
            line += text.count("\n", counted, middle)
            counted = middle
            start, end = around(text, middle)
            value = likeness(term, {text[start:end]})
            if value > found.get(line, 0):
                found[line] = value
            at = text.find(piece, max(end, at + 1))
    return found


def likely(term: str, ends: Sequence[str]) -> Iterator[str]:
    """What words like the term have, each one or another of it. A slip leaves the first half of the term as the
    beginning or the second as the end, unless it changes about the letters where they meet."""
    half = len(term) // 2 if len(term) > 3 else len(term)
    swapped = term[: half - 1] + term[half : half + 1] + term[half - 1] + term[half + 1 :]
    for end in ends:
        yield end + term[:half]
        if half < len(term):
            yield end + swapped
            yield term[half:] + end


def around(text: str, at: int) -> tuple[int, int]:
    """The ends of the word at a place: what stands between blanks and line ends."""
    line, line_end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    start, end = text.rfind(" ", line, at) + 1, text.find(" ", at, line_end)
    return max(start, line), end if end >= 0 else line_end


def from_words(matcher: Matcher, rows: Sequence[int], field: bytes) -> Iterator[tuple[int, bytes]]:
    """A field of each row as the index keeps it."""
    start = b"\0" + field + b"\0"
    for row, piece in zip(rows, matcher.parts(rows, pieces.WORDS), strict=True):
        at = -1 if piece is None else piece.find(start)
        if piece is not None and at >= 0:
            yield row, piece[at + len(start) : piece.index(b"\0", at + len(start))]


def from_files(
    matcher: Matcher, rows: Sequence[int], reading: Callable[[Message, bytes], Iterator[bytes]], field: bytes
) -> Iterator[tuple[int, bytes]]:
    """What `reading` makes of each row's message; not of those that cannot be read."""
    for row in rows:
        uid = matcher.table.uids[row]
        with sections.opened(matcher.view.folder, uid) as message:
            try:
                text = b"\n".join(reading(message, field)) if message is not None else b""
            except OSError as error:
                sections.unreadable(uid, error)
                continue
        yield row, text


def in_header(message: Message, field: bytes) -> Iterator[bytes]:
    """One field."""
    block, _ = header.split(message.data)
    return map(pieces.folded, header.values(block, field))


def in_body(message: Message, _: bytes) -> Iterator[bytes]:
    """The text parts."""
    return texts.parts(message.data, message.root)


def in_text(message: Message, _: bytes) -> Iterator[bytes]:
    """The header and the text parts."""
    block, _ = header.split(message.data)
    yield from texts.fields(block)
    yield from texts.parts(message.data, message.root)
