"""APPEND (RFC 9051 section 6.3.12) of several messages at once (RFC 3502), UTF8 (RFC 6855), literal8 (RFC 3516), and of
what is put together here (RFC 4469).

A message goes from the connection into tmp/ as it comes. Only when all of them are there does any get its name, so that
the command adds all or nothing, and a connection that breaks leaves nothing.
"""

from __future__ import annotations

from mailkit import files
from mailkit.exits import Temp
from mailkit.imap import flags, limits
from mailkit.imap.capability import append_limit
from mailkit.imap.folders import room, target
from mailkit.imap.messages.incoming import Incoming, Lines, refuse_size
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad, sets
from mailkit.maildir.save import Delivery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.messages.catenate import Glue
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.maildir.folder import Folder

    Parcel = tuple[Delivery, int, float | None]

MESSAGES_MOST = 1000


class Batch:
    """The messages of one command on their way: `made` is every file in tmp/, `parcels` what becomes of them.

    glue: what CATENATE needs, once it is used. freed: octets of the message that goes when these come.
    """

    __slots__ = ("folder", "freed", "glue", "made", "parcels", "rights")

    def __init__(self, folder: Folder, rights: str, freed: int | None) -> None:
        self.folder = folder
        self.rights = rights  # the user's, on the folder
        self.freed = freed
        self.glue: Glue | None = None
        self.made: list[Delivery] = []
        self.parcels: list[Parcel] = []

    @property
    def octets(self) -> int:
        return sum(delivery.size for delivery, _, _ in self.parcels)

    def end(self, stored: bool) -> None:
        """Nothing stays in tmp/."""
        for delivery in self.made if not stored else ():
            delivery.abort()
        if self.glue is not None:
            self.glue.close()


async def append(state: Session, reader: Reader) -> str:
    """mailbox 1*(SP [flags SP] [date-time SP] message)."""
    return await store(state, reader, MESSAGES_MOST)


async def store(state: Session, reader: Reader, most: int, freed: int | None = None) -> str:
    """mailbox and at most so many messages: the APPENDUID code and a word. freed: octets of the message that goes from
    the selected folder instead."""
    name = reader.mailbox()
    if reader.done and state.upload is None:
        raise Bad("A mailbox is followed by a message, which is a literal")
    folder = await target.opened(state, name)
    batch = Batch(folder, target.rights(state), freed if freed is not None and room.same_owner(state) else None)
    uids: list[int] = []
    try:
        await gather(state, Incoming(state, reader), batch, most)
        await need(state, batch)
        uids = await folder.append(batch.parcels, state.conn.offload)
        await room.came(state, batch.octets, len(uids))
    except OSError as error:
        target.release(state)
        text = "There is no room for the message" if files.full(error) else "The message cannot be stored now"
        raise Temp(text, detail=f"append to {folder.directory}: {error.strerror}")
    finally:
        batch.end(stored=bool(uids))
    target.stored(state, uids)
    if "r" not in batch.rights:  # RFC 4315 section 3: the UIDs are not for this user
        return "Stored"
    return f"[APPENDUID {folder.uidvalidity} {sets.form(uids).decode('ascii')}] Stored"


async def need(state: Session, batch: Batch, octets: int | None = None) -> None:
    """No [OVERQUOTA]: there is no room for them, and one more of so many octets. Of REPLACE only what the new message
    has more than the old one counts (RFC 8508 section 3.4)."""
    messages = len(batch.parcels) + (octets is not None) - (batch.freed is not None)
    await room.need(state, batch.octets + (octets or 0) - (batch.freed or 0), messages)


async def gather(state: Session, incoming: Incoming, batch: Batch, most: int) -> None:
    """Every message of the command into tmp/."""
    while not incoming.over:
        limits.all_or_none(state, len(batch.parcels) + 1)
        if len(batch.parcels) == most:
            raise No(f"At most {most} at once", "LIMIT")
        names, received_s = options(incoming.reader)
        mask = flags.mask(state, batch.folder, names, create=True, rights=batch.rights)
        delivery = await message(state, incoming, batch)
        batch.parcels.append((delivery, mask, received_s))


def options(reader: Reader) -> tuple[list[bytes], int | None]:
    """(flags, seconds since 1970), and the blank before the message."""
    reader.space()
    names: list[bytes] = []
    received_s = None
    if reader.peek() == b"(":
        names = flags.checked(reader.flags())
        reader.space()
    if reader.peek() == b'"':
        received_s = reader.date_time()
        reader.space()
    return names, received_s


async def message(state: Session, incoming: Incoming, batch: Batch) -> Delivery:
    """literal / "UTF8" SP "(" literal ")" / "CATENATE" SP "(" parts ")"."""
    if not incoming.reader.peek().isalpha():
        return await literal(state, incoming, batch)
    word = incoming.reader.word()
    if word not in ("UTF8", "CATENATE"):
        raise Bad(f"APPEND knows no {word}")
    incoming.reader.expect(b" (")
    delivery = await (literal if word == "UTF8" else joined)(state, incoming, batch)
    incoming.reader.expect(b")")
    return delivery


async def joined(state: Session, incoming: Incoming, batch: Batch) -> Delivery:
    """A message of several parts."""
    from mailkit.imap.messages import catenate

    batch.glue = batch.glue or catenate.Glue(state)
    delivery = begun(batch)
    await catenate.parts(incoming, batch.glue, Lines(delivery))
    await need(state, batch, delivery.size)
    return delivery


def begun(batch: Batch) -> Delivery:
    """A new file in tmp/. OSError."""
    delivery = Delivery(batch.folder.directory)
    batch.made.append(delivery)
    return delivery


async def literal(state: Session, incoming: Incoming, batch: Batch) -> Delivery:
    """A message as one literal, into its file, with LF line ends as a Maildir has them."""
    upload = incoming.literal()
    refuse_size(upload.size_octets, append_limit(state))
    await need(state, batch, upload.size_octets)
    delivery = begun(batch)
    if upload.binary:
        # Line ends of binary parts are none: first the parts have to be known.
        await incoming.receive(delivery.write)
        return await from_binary(state, batch, delivery)
    lines = Lines(delivery)
    await incoming.receive(lines.write)
    lines.end()
    return delivery


async def from_binary(state: Session, batch: Batch, raw: Delivery) -> Delivery:
    """A literal8 as it is kept. No [UNKNOWN-CTE]: it holds NUL where nothing is said to be binary (RFC 3516 4.4)."""
    from mailkit.mail import binary

    octets = await state.conn.offload(raw.read)
    raw.abort()
    try:
        octets = await state.conn.offload(binary.storable, octets)
    except ValueError as error:
        raise No(str(error), "UNKNOWN-CTE")
    delivery = begun(batch)
    lines = Lines(delivery)
    await state.conn.offload(lines.write, octets)
    lines.end()
    return delivery
