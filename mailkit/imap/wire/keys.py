"""What SEARCH is asked for (RFC 9051 section 6.4.4): search-key, return options, charset.

A key is a tuple whose first element names it:

    ("AND", [keys]) ("OR", key, key) ("NOT", key) ("ALL",)
    ("FLAG", "\\\\Seen")               a system flag or keyword is set; UNSEEN is ("NOT", ("FLAG", "\\\\Seen"))
    ("RECENT",)
    ("SEQ", ranges) ("UID", ranges)   see `sets`
    ("LARGER", n) ("SMALLER", n)
    ("BEFORE", day) ("ON", day) ("SINCE", day) and the same with SENT, SAVED: days since 1970-01-01
    ("OLDER", s) ("YOUNGER", s)       seconds before now (RFC 5032)
    ("HEADER", name, text)            name in capitals, text a str; SUBJECT, FROM, TO, CC, BCC are HEADER too
    ("BODY", text) ("TEXT", text)
    ("EMAILID", id) ("THREADID", id)  RFC 8474
    ("FUZZY", key)                    as people remember it (RFC 6203)
    ("FILTER", name)                  a search that is kept under a name (RFC 5466), see `filters`
    ("MODSEQ", n)                     changed at n or later (RFC 7162 section 3.1.5)
"""

from __future__ import annotations

from mailkit.imap.wire import Bad, items, pages, sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.wire.items import Item
    from mailkit.imap.wire.pages import Page
    from mailkit.imap.wire.reader import Reader
    from mailkit.imap.wire.sets import Ranges

    Key = tuple[object, ...]

FLAGS = {"ANSWERED": "\\Answered", "DELETED": "\\Deleted", "DRAFT": "\\Draft", "FLAGGED": "\\Flagged", "SEEN": "\\Seen"}
HEADERS = frozenset({"BCC", "CC", "FROM", "SUBJECT", "TO"})
DAYS = frozenset({
    "BEFORE", "ON", "SAVEDBEFORE", "SAVEDON", "SAVEDSINCE", "SENTBEFORE", "SENTON", "SENTSINCE", "SINCE",
})  # fmt: skip
NUMBERS = frozenset({"LARGER", "SMALLER", "OLDER", "YOUNGER"})
RETURNS = frozenset({"MIN", "MAX", "ALL", "COUNT", "SAVE", "PARTIAL", "CONTEXT", "UPDATE", "RELEVANCY"})
"""CONTEXT is a hint that the same search will come again (RFC 5267 section 4.2), of which nothing is made."""
CHARSETS = ("UTF-8", "US-ASCII")
"""What the NO [BADCHARSET ...] offers."""
FAMILIES = (*CHARSETS, "ISO-8859-", "ISO-2022-", "WINDOWS-125", "KOI8-", "SHIFT_JIS", "EUC-", "GB", "BIG5")
"""What is understood. Not everything Python has a codec for: some of those are no charsets, some are slow."""
DEPTH_MOST = 50


class Options:
    """What is to be answered: see `Search`."""

    __slots__ = ("items", "page", "returns")

    def __init__(self, returns: frozenset[str] | None = None, page: Page | None = None) -> None:
        self.returns = returns
        self.page = page
        self.items: list[Item] = []


class Search:
    """A whole request: `returns` is None for the old form, else a set of RETURNS; `page` is that of PARTIAL."""

    __slots__ = ("charset", "items", "key", "page", "returns")

    def __init__(self, options: Options, charset: str, key: Key) -> None:
        self.returns = options.returns
        self.page = options.page
        self.items = options.items
        self.charset = charset
        self.key = key
        if "RELEVANCY" in (self.returns or ()) and not mentions(key, "FUZZY"):
            raise Bad("RELEVANCY is of FUZZY searches")


class UnknownCharset(Exception):
    """NO [BADCHARSET (...)] is the answer (RFC 9051 section 7.1). saves: the result was to be saved."""

    saves = False


def read(reader: Reader) -> Search:
    """The arguments of SEARCH: [RETURN (...)] [CHARSET x] 1*key. Bad, UnknownCharset."""
    options = read_returns(reader)
    try:
        charset = _charset(reader)
    except UnknownCharset as unknown:
        unknown.saves = "SAVE" in (options.returns or ())
        raise
    return Search(options, charset, program(reader, charset))


def program(reader: Reader, charset: str) -> Key:
    """1*(SP search-key) up to the end of the arguments."""
    keys = [_key(reader, charset, 0)]
    while not reader.done:
        reader.space()
        keys.append(_key(reader, charset, 0))
    return keys[0] if len(keys) == 1 else ("AND", keys)


def read_returns(reader: Reader) -> Options:
    """`RETURN (...)`; an empty list means ALL (RFC 4731 section 3.1). ALL excludes PARTIAL (RFC 9394 section 3.1)."""
    if reader.data[reader.at : reader.at + 8].upper() != b"RETURN (":
        return Options()
    reader.at += 8
    options = Options()
    words: set[str] = set()
    while not reader.took(b")"):
        if words:
            reader.space()
        word = reader.word()
        if word not in RETURNS:
            raise Bad(f"SEARCH returns no {word}")
        if word == "PARTIAL":
            if options.page is not None:
                raise Bad("SEARCH returns one PARTIAL")
            reader.space()
            options.page = pages.read(reader)
        if word == "UPDATE" and reader.data[reader.at : reader.at + 2].lstrip(b" ")[:1] == b"(":
            reader.took(b" ")
            options.items = items.read(reader)  # RFC 5465 section 7
        words.add(word)
    words.discard("CONTEXT")
    if words >= {"ALL", "PARTIAL"}:
        raise Bad("SEARCH returns ALL or PARTIAL")
    reader.space()
    options.returns = frozenset(words or {"ALL"})
    return options


def _charset(reader: Reader) -> str:
    if reader.data[reader.at : reader.at + 8].upper() != b"CHARSET ":
        return "UTF-8"
    reader.at += 8
    charset = reader.astring().decode("latin-1")
    reader.space()
    known(charset)
    return charset


def known(charset: str) -> None:
    """UnknownCharset when text in it cannot be read."""
    from codecs import lookup

    try:
        if not charset.upper().startswith(FAMILIES):
            raise LookupError
        lookup(charset)
    except LookupError:
        raise UnknownCharset


def _key(reader: Reader, charset: str, depth: int) -> Key:
    if depth > DEPTH_MOST:
        raise Bad("Search keys are nested too deep")
    if reader.peek() == b"(":
        return _list(reader, charset, depth)
    if reader.peek() in (b"$", b"*") or reader.peek().isdigit():
        return ("SEQ", sets.read(reader))
    word = reader.word()
    if word in FLAGS:
        return ("FLAG", FLAGS[word])
    if word.startswith("UN") and word[2:] in FLAGS:
        return ("NOT", ("FLAG", FLAGS[word[2:]]))
    if word in SIMPLE:
        return SIMPLE[word]
    return _with_argument(reader, word, charset, depth)


SIMPLE: dict[str, Key] = {
    "ALL": ("ALL",),
    "RECENT": ("RECENT",),
    "SAVEDATESUPPORTED": ("ALL",),
    "OLD": ("NOT", ("RECENT",)),
    "NEW": ("AND", [("RECENT",), ("NOT", ("FLAG", "\\Seen"))]),
}


def _list(reader: Reader, charset: str, depth: int) -> Key:
    reader.expect(b"(")
    keys = [_key(reader, charset, depth + 1)]
    while not reader.took(b")"):
        reader.space()
        keys.append(_key(reader, charset, depth + 1))
    return ("AND", keys)


def _with_argument(reader: Reader, word: str, charset: str, depth: int) -> Key:
    if reader.peek() != b" ":
        raise Bad(f"SEARCH knows no {word}, or its argument is missing")
    reader.space()
    if word in ("NOT", "FUZZY"):
        return (word, _key(reader, charset, depth + 1))
    if word == "OR":
        first = _key(reader, charset, depth + 1)
        reader.space()
        return ("OR", first, _key(reader, charset, depth + 1))
    if word in HEADERS:
        return ("HEADER", word, _text(reader, charset))
    if word in ("BODY", "TEXT"):
        return (word, _text(reader, charset))
    if word == "HEADER":
        name = reader.astring().decode("latin-1").upper()
        reader.space()
        return ("HEADER", name, _text(reader, charset))
    if word in ("KEYWORD", "UNKEYWORD"):
        flag: Key = ("FLAG", reader.atom().decode("ascii"))
        return flag if word == "KEYWORD" else ("NOT", flag)
    if word in DAYS:
        return (word, reader.date())
    if word in NUMBERS:
        return (word, reader.number())
    if word == "UID":
        return ("UID", sets.read(reader))
    if word in ("UIDAFTER", "UIDBEFORE"):
        return ("UID", _beside(word, reader.number()))
    if word == "FILTER":
        return ("FILTER", reader.atom().decode("ascii"))
    if word in ("EMAILID", "THREADID"):
        return (word, reader.astring())
    if word == "MODSEQ":
        return ("MODSEQ", _modseq(reader))
    raise Bad(f"SEARCH knows no {word}")


def _beside(word: str, uid: int) -> Ranges:
    """UIDs above or below one (RFC 9738 section 3.2)."""
    low, high = (uid + 1, sets.LAST - 1) if word == "UIDAFTER" else (1, min(uid, sets.LAST) - 1)
    return [(low, high)] if low <= high else []


def _modseq(reader: Reader) -> int:
    """[entry-name SP entry-type SP] number. Flags have no number of their own here: the message's counts."""
    if reader.peek() == b'"':
        if not reader.quoted().startswith(b"/flags/"):
            raise Bad("Only /flags/ have modification sequences")
        reader.space()
        if reader.word() not in ("PRIV", "SHARED", "ALL"):
            raise Bad("An entry is priv, shared or all")
        reader.space()
    return reader.number()


def mentions(key: Key, name: str) -> bool:
    """A key of this name is somewhere in it."""
    return key[0] == name or any(mentions(part, name) for part in parts(key))


def numbers(key: Key) -> bool:
    """Message numbers are somewhere in it. `$` is none."""
    return (key[0] == "SEQ" and key[1] is not sets.SAVED) or any(map(numbers, parts(key)))


def parts(key: Key) -> list[Key]:
    """The keys inside AND, OR, NOT, FUZZY; none of others."""
    inner = key[1] if key[0] == "AND" else list(key[1:]) if key[0] in ("OR", "NOT", "FUZZY") else []
    assert isinstance(inner, list)
    return inner


def _text(reader: Reader, charset: str) -> str:
    octets = reader.astring() if reader.peek() != b"" else b""
    try:
        return octets.decode(charset)
    except (UnicodeDecodeError, LookupError, ValueError):
        raise Bad("A search string is not in its charset")
