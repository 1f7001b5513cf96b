"""SEARCH keys against messages (RFC 9051 section 6.4.4).

A key is applied to many rows of the folder's table at once and keeps those that match. What the columns answer (flags,
numbers, sizes) goes first, then what the index's pieces answer (dates, common header fields), then what needs files; so
most searches never open a file, and those that do open few. Long searches go in slices, between which others have their
turn.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.imap import intake, selection, uidonly
from mailkit.imap.messages import pieces, savedate, sections
from mailkit.imap.searching import narrowing, texts
from mailkit.imap.wire import keys
from mailkit.mail import header
from mailkit.maildir.kept import lacks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailkit.imap.messages.pieces import Choice
    from mailkit.imap.messages.sections import Message
    from mailkit.imap.searching.narrowing import Known, Rated
    from mailkit.imap.session import Session
    from mailkit.imap.wire.keys import Key
    from mailkit.maildir.view import View

    Leaf = Callable[["Matcher", Sequence[int], Key], list[int]]

COLUMNS, PIECES, FILES = 0, 1, 2
"""What a key has to look at."""
BLOCK = {COLUMNS: 20_000, PIECES: 500, FILES: 100}
"""Rows between two turns of others."""


class Matcher:
    """The folder as the client knows it when the search begins: `rows[n - 1]` is the row of message n, or -1."""

    __slots__ = ("known", "now_s", "rated", "rows", "scores", "state", "table", "view")

    def __init__(self, state: Session, view: View) -> None:
        self.state = state
        self.view = view
        self.table, self.rows = view.rows(1, view.count)
        self.now_s = int(clock.now())
        self.known: Known = {}  # see `narrowing`
        self.rated: Rated = {}
        self.scores: dict[int, list[int]] = {}  # of rows that FUZZY keys matched


async def find(state: Session, view: View, key: Key, scores: dict[int, int] | None = None) -> list[int]:
    """UIDs of the matching messages, ascending. scores: gets their relevancy by UID, when there is a FUZZY key."""
    matcher = Matcher(state, view)
    rows = await find_rows(matcher, key)
    if scores is not None:
        scores.update(relevancies(matcher, rows))
    return list(selection.column(matcher.table.uids, rows))


def relevancies(matcher: Matcher, rows: Sequence[int]) -> dict[int, int]:
    """Relevancy of each row by its UID; nothing where nothing was FUZZY."""
    uids = matcher.table.uids
    return {uids[row]: relevancy(matcher, row) for row in rows} if matcher.scores else {}


async def find_rows(matcher: Matcher, key: Key) -> list[int]:
    """Rows of the matching messages, ascending. Bad [UIDREQUIRED] before anything is done."""
    state = matcher.state
    uidonly.refuse_key(state, key)
    rows: Sequence[int] = matcher.rows if isinstance(matcher.rows, range) else [row for row in matcher.rows if row >= 0]
    for each in sorted(conjuncts(key), key=cost):
        if cost(each) == FILES:
            await narrowing.ask(matcher, rows, each)
            decided, unread = narrowing.portions(matcher, rows, each)
            found = await match_all(matcher, decided, each, PIECES if each[0] in ("OR", "NOT", "FUZZY") else COLUMNS)
            rows = sorted(found + await match_all(matcher, unread, each, FILES))
        else:
            rows = await match_all(matcher, rows, each, cost(each))
    return list(rows)


async def match_all(matcher: Matcher, rows: Sequence[int], key: Key, looks: int) -> list[int]:
    """Those of `rows` that match, in turns with others. looks: COLUMNS, PIECES or FILES."""
    state = matcher.state
    found: list[int] = []
    for start in range(0, len(rows), BLOCK[looks]):
        block = rows[start : start + BLOCK[looks]]
        if looks == COLUMNS or (looks == PIECES and made(matcher, block, key)):
            found += match(matcher, block, key)
        else:
            found += await state.conn.offload(match, matcher, block, key)
        if looks != COLUMNS:
            await intake.breathe(state, start + len(block), len(rows))
    return found


def made(matcher: Matcher, rows: Sequence[int], key: Key) -> bool:
    """All that the key looks at is in the index: that is done sooner than handed to a thread. FIELDS may send us to
    the file."""
    kinds = sorted(kinds_of(key))
    slow = not kinds or pieces.FIELDS in kinds or keys.mentions(key, "FUZZY")
    return not slow and not lacks(matcher.table, rows, kinds)


def kinds_of(key: Key) -> set[int]:
    """The kinds of pieces that a key looks at."""
    name = key[0]
    if name in ("AND", "OR", "NOT"):
        return set().union(*map(kinds_of, operands(key)))
    if name == "HEADER":
        return {pieces.WORDS if key[1] in pieces.SEARCHED else pieces.FIELDS}
    return {pieces.WORDS} if name in DAYS else {pieces.KIND_OF[str(name)]} if name in IDENTIFIERS else set()


def conjuncts(key: Key) -> list[Key]:
    """Keys all of which must match."""
    if key[0] != "AND":
        return [key]
    keys = key[1]
    assert isinstance(keys, list)
    return [each for inner in keys for each in conjuncts(inner)]


def cost(key: Key) -> int:
    """COLUMNS, PIECES or FILES: the dearest of what it looks at."""
    name = key[0]
    if name in ("AND", "OR", "NOT", "FUZZY"):
        return max(map(cost, operands(key)))
    if name == "HEADER":
        field = key[1]
        assert isinstance(field, str)
        return PIECES if field.lower().encode("latin-1") in pieces.KEPT else FILES
    if name in ("BODY", "TEXT"):
        return FILES
    return PIECES if name in DAYS or name in IDENTIFIERS else COLUMNS


def operands(key: Key) -> list[Key]:
    """The keys inside AND, OR, NOT, FUZZY."""
    inner = key[1] if key[0] == "AND" else list(key[1:])
    assert isinstance(inner, list)
    return inner


def match(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """Those of `rows` (ascending) that match, ascending. Blocking where files are looked at."""
    name = key[0]
    if name == "AND":
        for each in sorted(operands(key), key=cost):
            rows = match(matcher, rows, each)
        return list(rows)
    if name == "OR":
        first = set(match(matcher, rows, operands(key)[0]))
        rest = [row for row in rows if row not in first]
        return sorted(first.union(match(matcher, rest, operands(key)[1])))
    if name == "NOT":
        inner = operands(key)[0]
        if inner[0] == "FLAG":
            return no_flag(matcher, rows, inner)
        without = set(match(matcher, rows, inner))
        return [row for row in rows if row not in without]
    assert isinstance(name, str)
    return LEAVES[name](matcher, rows, key)


# What the columns answer.


def everything(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """ALL."""
    return list(rows)


def flag(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """FLAG; nobody has a keyword that the folder does not know."""
    bit = matcher.view.folder.mask([str(key[1]).encode("ascii")], create=False)
    marks = selection.column(matcher.table.marks, rows)
    return [row for row, mark in zip(rows, marks, strict=False) if mark & bit]


def no_flag(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """NOT FLAG."""
    bit = matcher.view.folder.mask([str(key[1]).encode("ascii")], create=False)
    marks = selection.column(matcher.table.marks, rows)
    return [row for row, mark in zip(rows, marks, strict=False) if not mark & bit]


def recent(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """RECENT, which is a matter of the session."""
    uids = matcher.table.uids
    return [row for row in rows if uids[row] in matcher.view.recent]


def numbered(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """SEQ and UID."""
    wanted: set[int] = set()
    for first, last in selection.sought(matcher.state, matcher.view, key):
        wanted.update(matcher.rows[first - 1 : last])
    return [row for row in rows if row in wanted]


def modified(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """MODSEQ."""
    least = key[1]
    assert isinstance(least, int)
    modseqs = matcher.table.modseqs
    return [row for row in rows if modseqs[row] >= least]


def sized(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """LARGER and SMALLER, which mean RFC822.SIZE."""
    limit = key[1]
    assert isinstance(limit, int)
    known = matcher.table.detail.sizes
    sizes = [(row, known[row] or size_read(matcher, row)) for row in rows]
    if key[0] == "LARGER":
        return [row for row, size in sizes if size > limit]
    return [row for row, size in sizes if size < limit]


def saved(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """SAVEDBEFORE, SAVEDON, SAVEDSINCE by the day in UTC; one of which nothing is known matches none of them."""
    name, wanted = key
    assert isinstance(name, str) and isinstance(wanted, int)
    folder, table = matcher.view.folder, matcher.table
    dates = [(row, savedate.seconds(folder, table, row)) for row in rows]
    return [row for row, at in dates if at is not None and on_day(name[5:], at // 86400, wanted)]


def size_read(matcher: Matcher, row: int) -> int:
    """The size of a message of which nobody wrote it down; 0 when it cannot be read."""
    uid = matcher.table.uids[row]
    try:
        return matcher.view.folder.size(uid)
    except OSError as error:
        sections.unreadable(uid, error)
        return 0


# What the pieces answer.


def dated(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """BEFORE, ON, SINCE by the day of arrival, SENT... by that of the Date field, OLDER and YOUNGER by seconds."""
    name, value = key
    assert isinstance(name, str) and isinstance(value, int)
    found = []
    for row, piece in zip(rows, parts(matcher, rows, pieces.WORDS), strict=True):
        if piece is None:
            continue
        received, sent, _ = piece.partition(b"\0")[0].split()
        if name in ("OLDER", "YOUNGER"):
            age_s = matcher.now_s - int(received)
            matches = age_s >= value if name == "OLDER" else age_s <= value
        elif name.startswith("SENT"):
            matches = sent != b"-" and on_day(name[4:], int(sent), value)
        else:
            matches = on_day(name, int(received) // 86400, value)
        if matches:
            found.append(row)
    return found


def on_day(name: str, day: int, wanted: int) -> bool:
    """BEFORE, ON or SINCE."""
    if name == "ON":
        return day == wanted
    return day < wanted if name == "BEFORE" else day >= wanted


def identified(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """EMAILID and THREADID."""
    name, wanted = key
    assert isinstance(name, str) and isinstance(wanted, bytes)
    wanted = b" %b (%b)" % (name.encode("ascii"), wanted)
    found = parts(matcher, rows, pieces.KIND_OF[name])
    return [row for row, piece in zip(rows, found, strict=True) if piece == wanted]


def in_header(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """HEADER name text; an empty text asks for the field only."""
    field = str(key[1])
    needle = pieces.fold(str(key[2]))
    if field in pieces.SEARCHED:
        return in_words(matcher, rows, field.encode("ascii"), needle)
    octets = field.encode("latin-1")
    if octets.lower() in pieces.KEPT:
        return in_fields(matcher, rows, octets, needle)
    return in_files(matcher, rows, key, header_has, octets, needle)


def in_words(matcher: Matcher, rows: Sequence[int], field: bytes, needle: bytes) -> list[int]:
    """Search the WORDS pieces: first those that have the text anywhere, which are mostly few."""
    start = b"\0" + field + b"\0"
    found = []
    for row, piece in matcher.view.folder.having(matcher.table, rows, pieces.WORDS, needle, pieces.build):
        at = piece.find(start)
        if at >= 0 and needle in piece[at + len(start) : piece.index(b"\0", at + len(start))]:
            found.append(row)
    return found


def in_fields(matcher: Matcher, rows: Sequence[int], field: bytes, needle: bytes) -> list[int]:
    """Search the FIELDS pieces, and the files of messages whose fields are not kept."""
    found = []
    choice = pieces.Choice((field,))
    for row, piece in zip(rows, parts(matcher, rows, pieces.FIELDS), strict=True):
        if piece == pieces.NOT_KEPT:
            matches = file_matches(matcher, row, header_has, field, needle)
        else:
            matches = piece is not None and piece_has(piece, choice, field, needle)
        if matches:
            found.append(row)
    return found


def piece_has(piece: bytes, choice: Choice, field: bytes, needle: bytes) -> bool:
    """A field of a FIELDS piece contains the text; mostly it need not be cut out to know that it does not."""
    whole = needle.split() == [needle]  # lines are folded at blanks
    if b":" + field.lower() not in piece or (whole and cannot_say(piece, needle)):
        return False
    fields = choice.of(piece) or b""
    return not (whole and cannot_say(fields, needle)) and values_have(header.values(fields, field), needle)


def parts(matcher: Matcher, rows: Sequence[int], kind: int) -> list[bytes | None]:
    """One kind of piece of each row."""
    return matcher.view.folder.parts(matcher.table, rows, (kind,), pieces.build)


# What only files answer.


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


def header_has(message: Message, field: bytes, needle: bytes) -> bool:
    """A field of the message's header contains the text."""
    block, _ = header.split(message.data)
    return values_have(header.values(block, field), needle)


def values_have(values: list[bytes], needle: bytes) -> bool:
    """One of a field's values contains the text."""
    return any(needle in pieces.fold(header.text(value)) for value in values)


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


CODINGS = (b"quoted-printable", b"base64", b"uuencode")
EMBEDDED = (b"message/", b"/digest")
DAYS = frozenset({"BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE", "OLDER", "YOUNGER"})
SAVED_DAYS = frozenset({"SAVEDBEFORE", "SAVEDON", "SAVEDSINCE"})
IDENTIFIERS = ("EMAILID", "THREADID")


def fuzzy(matcher: Matcher, rows: Sequence[int], key: Key) -> list[int]:
    """FUZZY."""
    from mailkit.imap.searching import fuzzy  # few searches are

    return fuzzy.matched(matcher, rows, key)


def relevancy(matcher: Matcher, row: int) -> int:
    """1 to 100: the mean of what FUZZY keys made of a row; 100 where none looked at it."""
    found = matcher.scores.get(row)
    return sum(found) // len(found) if found else 100


LEAVES: dict[str, Leaf] = {
    "ALL": everything, "FLAG": flag, "RECENT": recent, "SEQ": numbered, "UID": numbered, "MODSEQ": modified,
    "LARGER": sized, "SMALLER": sized, "HEADER": in_header, "BODY": in_body, "TEXT": in_text, "FUZZY": fuzzy,
    **dict.fromkeys(DAYS, dated), **dict.fromkeys(SAVED_DAYS, saved), **dict.fromkeys(IDENTIFIERS, identified),
}  # fmt: skip
