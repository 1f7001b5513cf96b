"""What FETCH is asked for (RFC 9051 section 6.4.5): fetch-att.

An `Item` is one data item. Names are those of the answer, in capitals: "FLAGS", "UID", "RFC822.SIZE", "BODY" (the
structure without extension data), "BODY[]" (a section), "BINARY[]" and "BINARY.SIZE" (RFC 3516). `RFC822`,
`RFC822.HEADER` and `RFC822.TEXT` are sections which are answered under their old names.
"""

from __future__ import annotations

from mailkit.imap.wire import Bad, pages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.wire.pages import Page
    from mailkit.imap.wire.reader import Reader

MACROS = {
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}
PLAIN = frozenset({
    "BODY", "BODYSTRUCTURE", "EMAILID", "ENVELOPE", "FLAGS", "INTERNALDATE", "MODSEQ", "PREVIEW", "RFC822.SIZE",
    "SAVEDATE", "THREADID", "UID",
})  # fmt: skip
OLD = {"RFC822": ("", False), "RFC822.HEADER": ("HEADER", True), "RFC822.TEXT": ("TEXT", False)}
"""RFC 3501 names of sections: what, and whether \\Seen is left alone."""
TEXTS = ("HEADER.FIELDS.NOT", "HEADER.FIELDS", "HEADER", "TEXT", "MIME")
PATH_MOST = 200
"""Part numbers in one section; deeper messages are not taken apart anyway."""


class Item:
    """One thing to fetch of each message.

    `path` are part numbers, `what` one of TEXTS or "", `fields` the names after HEADER.FIELDS,
    `partial` (origin, octets) or None, `peek` that \\Seen is not set. `label` is how the answer names it.
    """

    __slots__ = ("fields", "label", "name", "partial", "path", "peek", "what")

    def __init__(self, name: str, label: bytes = b"", peek: bool = True) -> None:
        self.name = name
        self.label = label or name.encode("ascii")
        self.peek = peek
        self.path: list[int] = []
        self.what = ""
        self.fields: list[bytes] = []
        self.partial: tuple[int, int] | None = None


def read(reader: Reader) -> list[Item]:
    """The items of a FETCH: a macro, one item, or a list of them."""
    if reader.peek() != b"(":
        at = reader.at
        word = _name(reader)
        if word in MACROS:
            return [Item(name) for name in MACROS[word]]
        reader.at = at
        return [_item(reader)]
    reader.expect(b"(")
    items = [_item(reader)]
    while not reader.took(b")"):
        reader.space()
        items.append(_item(reader))
    return items


def source(items: list[Item]) -> bytes:
    """What `read` makes these of."""
    words = []
    for item in items:
        label = item.label
        if item.partial is not None:
            label = b"%b.%d>" % (label[:-1], item.partial[1])
        words.append(label)
    return b"(" + b" ".join(words) + b")"


class Modifiers:
    """What stands after the items of a FETCH (RFC 7162 section 3.1.4, 3.2.6; RFC 9394 section 3.3)."""

    __slots__ = ("changed_since", "page", "vanished")

    def __init__(self) -> None:
        self.changed_since: int | None = None
        self.page: Page | None = None
        self.vanished = False


def read_modifiers(reader: Reader) -> Modifiers:
    """` (CHANGEDSINCE n [VANISHED] [PARTIAL range])` in any order, or nothing."""
    found = Modifiers()
    if not reader.took(b" "):
        return found
    reader.expect(b"(")
    while True:
        word = reader.word()
        if word == "CHANGEDSINCE":
            reader.space()
            found.changed_since = reader.number()
        elif word == "VANISHED":
            found.vanished = True
        elif word == "PARTIAL":
            reader.space()
            found.page = pages.read(reader)
        else:
            raise Bad(f"FETCH knows no modifier {word}")
        if reader.took(b")"):
            return found
        reader.space()


def _item(reader: Reader) -> Item:
    word = _name(reader)
    if reader.peek() == b"[":
        return _bracketed(reader, word)
    if word in OLD:
        what, peek = OLD[word]
        item = Item("BODY[]", word.encode("ascii"), peek)
        item.what = what
        return item
    if word not in PLAIN:
        raise Bad(f"FETCH knows no {word}")
    if word == "PREVIEW" and reader.data[reader.at : reader.at + 7].upper() == b" (LAZY)":
        reader.at += 7  # it is never put off (RFC 8970 section 4.1)
    return Item(word)


NAME_CHARS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-"


def _name(reader: Reader) -> str:
    return reader.span(NAME_CHARS).decode("ascii").upper() or reader.word()


def _bracketed(reader: Reader, word: str) -> Item:
    name, dot, peek = word.partition(".")
    if word == "BINARY.SIZE":
        name, peek = word, "PEEK"
    elif name not in ("BODY", "BINARY") or (dot and peek != "PEEK"):
        raise Bad(f"FETCH knows no {word}[]")
    item = Item(name if word == "BINARY.SIZE" else f"{name}[]", peek=bool(peek))
    reader.expect(b"[")
    start = reader.at
    item.path = _path(reader)
    if name == "BODY" and reader.peek() != b"]":
        _text(reader, item)
    inside = _label_inside(reader.data[start : reader.at])
    reader.expect(b"]")
    item.label = name.encode("ascii") + b"[" + inside + b"]"
    if name != "BINARY.SIZE" and reader.took(b"<"):
        _partial(reader, item)
    return item


def _path(reader: Reader) -> list[int]:
    """Part numbers `1.2.3`, without the dot that leads to HEADER, TEXT or MIME."""
    path: list[int] = []
    while reader.peek().isdigit():
        number = reader.number()
        if number == 0 or len(path) == PATH_MOST:
            raise Bad("No such part")
        path.append(number)
        if not reader.took(b"."):
            return path
        if reader.peek() == b"]":
            raise Bad("A section does not end with a dot")
    return path


def _text(reader: Reader, item: Item) -> None:
    """section-text: what of the part is wanted."""
    if item.path and reader.data[reader.at - 1 : reader.at] != b".":
        raise Bad("A dot stands between part number and section")
    word = _name(reader)
    if word not in TEXTS or (word == "MIME" and not item.path):
        raise Bad(f"No section {word}")
    item.what = word
    if word.startswith("HEADER.FIELDS"):
        reader.space()
        item.fields = reader.astrings()


def _label_inside(asked: bytes) -> bytes:
    """The section as the answer repeats it: as it was asked, in capitals where it is no field name."""
    head, space, fields = asked.partition(b" ")
    if b"{" not in fields:
        return head.upper() + space + fields
    return head.upper() + space + b"(" + b" ".join(_quoted_field(name) for name in _fields(fields)) + b")"


def _fields(octets: bytes) -> list[bytes]:
    from mailkit.imap.wire.reader import Reader

    return Reader(octets).astrings()


def _quoted_field(name: bytes) -> bytes:
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _partial(reader: Reader, item: Item) -> None:
    """`<` origin `.` octets `>`; the answer names the origin only (RFC 9051 section 7.5.2)."""
    origin = reader.number()
    reader.expect(b".")
    octets = reader.number()
    reader.expect(b">")
    if octets == 0:
        raise Bad("A partial fetch is of at least one octet")
    item.partial = (origin, octets)
    item.label += b"<%d>" % origin
