"""URLFETCH (RFC 4467 section 7): what authorized URLs name; with BODYPARTSTRUCTURE and BINARY (RFC 5524)."""

from __future__ import annotations

from mailkit.imap import intake
from mailkit.imap.messages import authorized, sections, sources
from mailkit.imap.messages.sources import Sources
from mailkit.imap.responses import No, string
from mailkit.imap.wire import Bad
from mailkit.mail import section, structure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.imap.wire.urls import Url
    from mailkit.maildir.folder import Folder

    Wish = tuple[bytes, list[str]]

PARAMETERS = ("BODY", "BINARY", "BODYPARTSTRUCTURE")


async def urlfetch(state: Session, reader: Reader) -> None:
    """1*(SP url), each perhaps in parentheses with what is wanted of it."""
    wishes = authorized.several(reader, read)
    opened = Sources(state)
    try:
        for octets, parameters in wishes:
            await answer(state, opened, octets, parameters)
    finally:
        opened.close()


def read(reader: Reader) -> Wish:
    """url / "(" url *(SP parameter) ")"; without parameters the old form is wanted."""
    if not reader.took(b"("):
        return reader.astring(), []
    octets = reader.astring()
    parameters: list[str] = []
    while not reader.took(b")"):
        reader.space()
        parameters.append(reader.word())
        if parameters[-1] not in PARAMETERS or parameters.count(parameters[-1]) > 1:
            raise Bad("URLFETCH knows " + " and ".join(PARAMETERS) + ", each once")
    if {"BINARY", "BODY"} <= set(parameters):
        raise Bad("URLFETCH gives BINARY or BODY, not both")  # RFC 5524 section 3.1
    return octets, parameters


async def answer(state: Session, opened: Sources, octets: bytes, parameters: list[str]) -> None:
    """One response, NIL for what this user may not have or what is not there."""
    head = b"* URLFETCH " + string(octets)
    found = await authorized.believed(state, opened, octets)
    if found is None:
        state.conn.write(head + b" NIL\r\n")
    elif parameters:
        parts = await state.conn.offload(extended, *found, parameters)
        state.conn.write(head + (parts or b" NIL") + b"\r\n")
    else:
        await plain(state, *found, head)
    await intake.breathe(state)


async def plain(state: Session, url: Url, folder: Folder, head: bytes) -> None:
    """The octets as they are, read twice: for their number, and to be sent."""
    try:
        size_octets = await state.conn.offload(size, url, folder)
    except OSError:
        state.conn.write(head + b" NIL\r\n")
        return
    state.conn.write(head + b" {%d}\r\n" % size_octets)
    await intake.pass_on(state, sources.octets(folder, url.uid, url.item()), size_octets)
    state.conn.write(b"\r\n")


def size(url: Url, folder: Folder) -> int:
    """Octets of what the URL names. Blocking. OSError."""
    return sum(map(len, sources.octets(folder, url.uid, url.item())))


def extended(url: Url, folder: Folder, parameters: list[str]) -> bytes | None:
    """` (BODYPARTSTRUCTURE ...) (BINARY ~{3}...)`; None when it is gone. Blocking."""
    with sections.opened(folder, url.uid) as message:
        if message is None:
            return None
        try:
            return b"".join([b" (" + one(message, url, parameter) + b")" for parameter in parameters])
        except OSError as error:
            sections.unreadable(url.uid, error)
            return None


def one(message: sections.Message, url: Url, parameter: str) -> bytes:
    """`BINARY ~{3}...`, NIL for an encoding that nobody knows or a part that is not there."""
    octets: bytes | None = None
    if parameter == "BODY":
        octets = sections.body(message, url.item())
        return b"BODY " + (b"NIL" if octets is None else b"{%d}\r\n%b" % (len(octets), octets))
    try:
        item = url.item("BINARY.PEEK")
    except ValueError:  # a header, or the text of a message, is no part
        return parameter.encode("ascii") + b" NIL"
    if parameter == "BODYPARTSTRUCTURE":
        part = section.find(message.root, item.path)
        return b"BODYPARTSTRUCTURE " + (b"NIL" if part is None else structure.bodystructure(part))
    try:
        octets = sections.binary(message, item)
    except No:
        octets = None
    if octets is None:
        return b"BINARY NIL"
    octets = sections.cut(octets, item)
    return b"BINARY ~{%d}\r\n%b" % (len(octets), octets)
