"""Arguments of GETMETADATA and SETMETADATA (RFC 5464 section 5): names of entries, options, values.

Names come out in the case they were given in; `key` is the name as it is kept, in lower case: case means nothing
(section 3.2).
"""

from __future__ import annotations

from mailkit.imap.wire import Bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.wire.reader import Reader

NAMES_MOST = 100
NAME_MOST_OCTETS = 500
DEPTHS = {"0": 0, "1": 1, "INFINITY": 1 << 16}
_SCOPES = ("private", "shared")
NAME_ATOM = bytes(octet for octet in range(33, 127) if octet not in b'(){%*"\\')
"""What a name may hold to be sent without quotes."""


class Wanted:
    """What GETMETADATA asks for: names, values of at most `maxsize` octets (None: any), entries so many levels below
    the names."""

    __slots__ = ("depth", "maxsize", "names")

    def __init__(self) -> None:
        self.names: list[str] = []
        self.maxsize: int | None = None
        self.depth = 0


def key(name: str) -> str:
    """The name as it is kept."""
    return name.lower()


def read_get(reader: Reader) -> tuple[str, Wanted]:
    """[options SP] mailbox SP [options SP] entries. The grammar has the options first, the examples second."""
    wanted = Wanted()
    if reader.peek() == b"(":
        _options(reader, wanted)
        reader.space()
    mailbox = reader.mailbox()
    reader.space()
    if reader.peek() == b"(" and reader.data[reader.at + 1 : reader.at + 2] not in b'/"{':
        _options(reader, wanted)
        reader.space()
    wanted.names = read_names(reader)
    return mailbox, wanted


def read_names(reader: Reader) -> list[str]:
    """entry, or `(` entry *(SP entry) `)`."""
    if not reader.took(b"("):
        return [_name(reader)]
    found = [_name(reader)]
    while not reader.took(b")"):
        reader.space()
        found.append(_name(reader))
        if len(found) > NAMES_MOST:
            raise Bad(f"At most {NAMES_MOST} entries at once")
    return found


def read_set(reader: Reader) -> tuple[str, dict[str, bytes | None]]:
    """mailbox SP `(` entry SP value *(SP entry SP value) `)`: the mailbox, and value by key; NIL is None."""
    mailbox = reader.mailbox()
    reader.space()
    reader.expect(b"(")
    values: dict[str, bytes | None] = {}
    while not reader.took(b")"):
        if values:
            reader.space()
        name = _name(reader)
        _refuse_no_entry(name)
        reader.space()
        values[key(name)] = reader.nstring()
        if len(values) > NAMES_MOST:
            raise Bad(f"At most {NAMES_MOST} entries at once")
    if not values:
        raise Bad("SETMETADATA sets at least one entry")
    return mailbox, values


def below(name: str, depth: int, key_: str) -> bool:
    """Is the entry `key_` the one of that name, or at most `depth` levels below it?"""
    top = key(name)
    if key_ == top:
        return True
    return key_.startswith(top + "/") and key_.count("/") - top.count("/") <= depth


def _options(reader: Reader, wanted: Wanted) -> None:
    reader.expect(b"(")
    while True:
        word = reader.word()
        reader.space()
        if word == "MAXSIZE":
            wanted.maxsize = reader.number()
        elif word == "DEPTH":
            wanted.depth = _depth(reader)
        else:
            raise Bad("GETMETADATA has the options MAXSIZE and DEPTH")
        if reader.took(b")"):
            return
        reader.space()


def _depth(reader: Reader) -> int:
    word = reader.word()
    if word not in DEPTHS:
        raise Bad("DEPTH is 0, 1 or infinity")
    return DEPTHS[word]


def _name(reader: Reader) -> str:
    """entry (section 3.2). Bad: not one that could be anywhere."""
    octets = reader.astring()
    if len(octets) > NAME_MOST_OCTETS or not octets.isascii() or any(octet < 32 or octet == 127 for octet in octets):
        raise Bad("The name of an entry is printable ASCII, and not too long")
    name = octets.decode("ascii")
    if "*" in name or "%" in name or "//" in name or name.endswith("/"):
        raise Bad("The name of an entry has no *, no %, no empty level")
    if not name.startswith("/") or key(name).split("/")[1] not in _SCOPES:
        raise Bad("The name of an entry begins with /private/ or /shared/")
    return name


def _refuse_no_entry(name: str) -> None:
    levels = key(name).split("/")[1:]
    if len(levels) < 2 or (levels[1] == "vendor" and len(levels) < 4):
        raise Bad("The name of an entry has at least 2 levels, a vendor's 4")
