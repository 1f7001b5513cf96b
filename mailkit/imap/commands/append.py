"""APPEND (RFC 9051 section 6.3.12), several messages at once (RFC 3502), UTF8 (RFC 6855 section 4).

A message goes from the connection into tmp/ as it comes. Only when all of them are there does any get its name, so that
the command adds all or nothing, and a connection that breaks leaves nothing.
"""

from __future__ import annotations

from mailkit.exits import Temp
from mailkit.imap import flags, intake, room, target
from mailkit.imap.capability import append_limit
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad, sets
from mailkit.imap.wire.engine import Broken, Command, Data, Upload
from mailkit.imap.wire.reader import Reader
from mailkit.maildir.save import Delivery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.maildir.folder import Folder

    Parcel = tuple[Delivery, int, float | None]

MESSAGES_MOST = 1000


async def append(state: Session, reader: Reader) -> str:
    """mailbox 1*(SP [flags SP] [date-time SP] literal)."""
    if state.upload is None:
        raise Bad("APPEND has a mailbox and a message, which is a literal")
    return await store(state, reader, MESSAGES_MOST)


async def store(state: Session, reader: Reader, most: int) -> str:
    """mailbox and at most so many messages: the APPENDUID code and a word."""
    name = reader.mailbox()
    folder = await target.opened(state, name)
    parcels: list[Parcel] = []
    uids: list[int] = []
    try:
        await gather(state, reader, folder, name, parcels, most)
        octets = sum(delivery.size for delivery, _, _ in parcels)
        await room.need(state, octets)
        uids = await folder.append(parcels, state.conn.offload)
        await room.note(state, octets, len(uids))
    except OSError as error:
        target.release(state)
        raise Temp("There is no room for the message", detail=f"append to {folder.directory}: {error.strerror}")
    finally:
        for delivery, _, _ in parcels if not uids else ():
            delivery.abort()
    return f"[APPENDUID {folder.uidvalidity} {sets.form(uids).decode('ascii')}] Stored"


async def gather(state: Session, reader: Reader, folder: Folder, name: str, parcels: list[Parcel], most: int) -> None:
    """Every message of the command into tmp/."""
    assert state.user is not None
    while state.upload is not None:
        names, received_s, wrapped = options(reader)
        refuse_size(state, state.upload)
        await room.need(state, state.upload.size_octets)
        mask = flags.mask(state, folder, names, create=True)
        delivery = await state.conn.offload(Delivery, state.user.maildir, name)
        parcels.append((delivery, mask, received_s))
        await receive(state, delivery)
        event = await intake.event(state)
        if isinstance(event, Broken):
            raise Bad(event.text)
        assert isinstance(event, (Command, Upload))
        state.upload = event if isinstance(event, Upload) else None
        reader = Reader(event.args, state.utf8)
        if wrapped:
            reader.expect(b")")
        if state.upload is not None and len(parcels) == most:
            raise No(f"At most {most} at once", "LIMIT")
    reader.end()


def options(reader: Reader) -> tuple[list[bytes], int | None, bool]:
    """(flags, seconds since 1970, whether the literal stands in `UTF8 (...)`)."""
    reader.space()
    names: list[bytes] = []
    received_s = None
    if reader.peek() == b"(":
        names = flags.checked(reader.flags())
        reader.space()
    if reader.peek() == b'"':
        received_s = reader.date_time()
        reader.space()
    wrapped = reader.took(b"UTF8 (")
    reader.end()
    return names, received_s, wrapped


def refuse_size(state: Session, upload: Upload) -> None:
    """No [TOOBIG] over the limit (RFC 7889), No for nothing at all."""
    limit = append_limit(state)
    if upload.size_octets > limit:
        raise No(f"A message has at most {limit} octets", "TOOBIG")
    if upload.size_octets == 0:
        raise No("A message of no octets cannot be stored", "CANNOT")


async def receive(state: Session, delivery: Delivery) -> None:
    """The octets of one message from the connection into its file, with LF line ends as a Maildir has them."""
    state.upload = None
    if state.engine.accept():
        state.conn.write(b"+ OK\r\n")
    carried = b""
    try:
        while True:
            event = await intake.event(state)
            assert isinstance(event, Data)
            octets = carried + event.octets
            carried = b"\r" if event.left and octets.endswith(b"\r") else b""
            delivery.write((octets[:-1] if carried else octets).replace(b"\r\n", b"\n"))
            if not event.left:
                return
    except OSError:
        state.engine.abandon()
        raise
