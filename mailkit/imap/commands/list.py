"""LIST and LSUB (RFC 9051 section 6.3.9, RFC 3501 section 6.3.9): which folders there are.

The extended form is that of RFC 5258 with RETURN of CHILDREN, SUBSCRIBED, SPECIAL-USE (RFC 6154), STATUS (RFC 5819),
MYRIGHTS (RFC 8440) and METADATA (RFC 9590).
Which names answer, and with what attributes, is in `imap.folders.listing`.
"""

from __future__ import annotations

from mailkit.imap.commands import status
from mailkit.imap.folders import acl, listing, metadata, tree
from mailkit.imap.responses import No, mailbox, paren, untagged
from mailkit.imap.wire import Bad, entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.folders.listing import Entry, Known
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader

PATTERNS_MOST = 100


class Request:
    """What a LIST asks for."""

    __slots__ = ("entries", "extended", "patterns", "reference", "returns", "selects", "status")

    def __init__(self) -> None:
        self.extended = False
        self.selects: set[str] = set()
        self.reference = ""
        self.patterns: list[str] = []
        self.returns: set[str] = set()
        self.status: list[str] = []
        self.entries: list[str] = []


async def list_(state: Session, reader: Reader) -> None:
    """[options SP] reference SP patterns [SP RETURN options]."""
    request = read(reader)
    if request.patterns == [""] and not request.extended:
        # RFC 9051 section 6.3.9: an empty name asks for the delimiter.
        state.conn.write(untagged(b'LIST (\\Noselect) "/" ""'))
        return
    known = await tree.attempt(state, listing.Known, tree.of(state), listing.patterns_of(request))
    for entry in listing.entries(known, request):
        wanted = request.status if entry.selectable else []
        numbers = await status_of(state, entry, wanted) if wanted else b""
        state.conn.write(b"* LIST " + shown(state, entry) + numbers)
        if entry.selectable:
            await tell_more(state, request, entry.name, known)


async def status_of(state: Session, entry: Entry, wanted: list[str]) -> bytes:
    """The STATUS response of one folder. Of one that was deleted meanwhile, or that the user may not see into, there is
    none, and LIST says so (RFC 5819 section 2)."""
    try:
        return await status.line(state, entry.name, await tree.path_of(state, entry.name), wanted)
    except No:
        entry.attributes.append("\\Noselect")
        return b""


async def tell_more(state: Session, request: Request, name: str, known: Known) -> None:
    """What RETURN asks for besides; nothing of a folder that was deleted meanwhile, or that this user may not read."""
    try:
        if "MYRIGHTS" in request.returns:
            rights = (await tree.mailbox(state, name, "l")).granted()
            state.conn.write(acl.my_rights(state, name, rights))
        if request.entries:
            await tell_entries(state, name, request.entries, known)
    except No:
        return
    if request.status or request.entries:
        await state.conn.flush()


async def tell_entries(state: Session, name: str, names: list[str], known: Known) -> None:
    """The METADATA response of one folder (RFC 9590)."""
    wanted = entries.Wanted()
    wanted.names = names
    found, _ = metadata.chosen(await metadata.read(state, name, known.special), wanted)
    state.conn.write(metadata.response(state, name, found))


async def lsub(state: Session, reader: Reader) -> None:
    """reference SP pattern: the subscriptions, as RFC 3501 has them."""
    request = Request()
    request.reference = reader.mailbox()
    reader.space()
    request.patterns = [reader.pattern()]
    reader.end()
    known = await tree.attempt(state, listing.Known, tree.of(state), listing.patterns_of(request))
    for entry in listing.subscribed(known, request):
        state.conn.write(b"* LSUB " + shown(state, entry))


def shown(state: Session, entry: Entry) -> bytes:
    """attributes, delimiter, name, extended data."""
    attributes = paren(attribute.encode("ascii") for attribute in entry.attributes)
    parts = [attributes, b'"/"', mailbox(entry.name, state.utf8)]
    if entry.child_info:
        parts.append(b'("CHILDINFO" ("SUBSCRIBED"))')
    return b" ".join(parts) + b"\r\n"


def read(reader: Reader) -> Request:
    """The arguments of LIST. Bad: unknown options, too many patterns."""
    request = Request()
    if reader.peek() == b"(":
        request.extended = True
        request.selects = options(reader, listing.SELECTS)
        reader.space()
    request.reference = reader.mailbox()
    reader.space()
    if reader.peek() == b"(":
        request.extended = True
        request.patterns = patterns(reader)
    else:
        request.patterns = [reader.pattern()]
    if reader.took(b" "):
        request.extended = True
        returns(reader, request)
    reader.end()
    # RFC 5258 section 6: it modifies SUBSCRIBED; SPECIAL-USE stands for itself (RFC 6154 section 6).
    if "RECURSIVEMATCH" in request.selects and "SUBSCRIBED" not in request.selects:
        raise Bad("RECURSIVEMATCH needs SUBSCRIBED")
    return request


def patterns(reader: Reader) -> list[str]:
    """`(` pattern *(SP pattern) `)`."""
    reader.expect(b"(")
    found = [reader.pattern()]
    while not reader.took(b")"):
        reader.space()
        found.append(reader.pattern())
        if len(found) > PATTERNS_MOST:
            raise Bad(f"LIST takes at most {PATTERNS_MOST} patterns")
    return found


def options(reader: Reader, known: frozenset[str]) -> set[str]:
    """A list of words, all of them known."""
    words = {word.decode("ascii").upper() for word in reader.words()}
    if words - known:
        raise Bad(f"LIST knows no {(words - known).pop()}")
    return words


def returns(reader: Reader, request: Request) -> None:
    """`RETURN (` option ... `)` of which STATUS has a list of its own."""
    if reader.word() != "RETURN":
        raise Bad("Only RETURN may follow the patterns")
    reader.space()
    reader.expect(b"(")
    while not reader.took(b")"):
        if request.returns:
            reader.space()
        word = reader.word()
        if word not in listing.RETURNS:
            raise Bad(f"LIST returns no {word}")
        request.returns.add(word)
        if word == "STATUS":
            reader.space()
            request.status = status.read_items(reader)
        elif word == "METADATA":
            reader.space()
            request.entries = entries.read_names(reader)
