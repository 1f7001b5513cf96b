"""Messages that are ready for their mailbox: the file is the one that will be there, and a rename delivers it.

    queue/ready/1763768464.R6f1d2c7a90be3345.mail,S=4123,W=4200,C=1a2b3c4d,T=bob@example.test
                the name in the Maildir, with the id           |          whose mailbox
                                                               CRC-32 of the file

    Return-Path: <alice@example.net>
    Delivered-To: bob@example.test
    (the message, lines end in LF)

Who may be served in this way is not known here (deliver.plain). There is no envelope beside the first two lines; who
needs one gets an ordinary entry (`adopt`).

A writer holds the lock of the file until its octets and its name are on disk, and closes it then: closing is what tells
the runner. What is found by looking counts if nobody holds its lock and it has what its name says. What is on disk if
we die: the whole message, accepted or about to be, or a file that is not whole and goes to failed/ after 36 hours.
"""

from __future__ import annotations

import os
from zlib import crc32

from mailkit import clock, files, log
from mailkit.control import Home
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.inject import Spool
from mailkit.queue.name import Name

DIRECTORY = "ready"
STALE_S = 36 * 3600
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789@.+-=_")
_LONGEST = 255  # octets of a file name
_MARKS = (b"Return-Path: <", b"Delivered-To: ")


class Ready:
    """A parsed name. base: the one in the Maildir. name: that of an ordinary entry in its place. crc: of the file of
    `octets`. address: whose mailbox."""

    __slots__ = ("address", "base", "crc", "name", "octets")

    def __init__(self, base: str, name: Name, octets: int, crc: int, address: str) -> None:
        self.base = base
        self.name = name
        self.octets = octets
        self.crc = crc
        self.address = address

    def fits(self, data: bytes) -> bool:
        """Is `data` the whole file?"""
        return len(data) == self.octets and crc32(data) == self.crc


def name(base: str, data: bytes, address: str) -> str:
    """The name of the file `data`; "" where a file name cannot say it."""
    text = f"{base},C={crc32(data):08x},T={address}"
    return text if len(text) <= _LONGEST and _SAFE.issuperset(address) else ""


def parse(text: str) -> Ready | None:
    """The parts of a name, None when it is not one of ours."""
    base, _, rest = text.partition(",C=")
    crc, _, address = rest.partition(",T=")
    unique, _, sizes = base.partition(",S=")
    seconds, _, id = unique.partition(".R")
    id = id.partition(".")[0]
    octets = sizes.partition(",W=")[0]
    if not (address and id.isalnum() and _number(seconds) and _number(octets)):
        return None
    if len(crc) != 8 or crc.strip("0123456789abcdef"):
        return None
    return Ready(base, Name(int(seconds), 0, id, int(octets), text), int(octets), int(crc, 16), address)


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


async def put(home: Home, name: str, data: bytes) -> None:
    """Leave a message; when this returns it is accepted. OSError: there is nothing."""
    path = f"{home.queue}/{DIRECTORY}/{name}"
    fd = files.create(path)
    try:
        files.lock(fd)  # whoever lists the directory already leaves it alone
        files.write(fd, data)
    except OSError:
        files.withdraw(path)
        os.close(fd)
        raise
    await files.secure(fd, path)


def entries(home: Home) -> list[Ready]:
    """What is there, whole or not, in no order."""
    try:
        found = map(parse, os.listdir(f"{home.queue}/{DIRECTORY}"))
    except FileNotFoundError:
        return []
    return [one for one in found if one is not None]


def path(home: Home, found: Ready) -> str:
    """Where it is."""
    return f"{home.queue}/{DIRECTORY}/{found.name}"


def whole(home: Home, found: Ready) -> bytes | None:
    """The file, if nobody holds its lock and it has what its name says. FileNotFoundError, OSError."""
    with open(path(home, found), "rb", buffering=0) as file:
        data = file.read() if files.lock(file.fileno()) else b""
    return data if found.fits(data) else None


def envelope(data: bytes) -> tuple[Envelope, int]:
    """Sender and recipient as the first two lines say, and where the rest begins. ValueError when they do not."""
    first, second = (data.split(b"\n", 2) + [b"", b""])[:2]
    if not (first.startswith(_MARKS[0]) and first.endswith(b">") and second.startswith(_MARKS[1])):
        raise ValueError("not a message that is ready for a mailbox")
    sender = first[len(_MARKS[0]) : -1].decode("utf-8", "surrogateescape")
    address = second[len(_MARKS[1]) :].decode("utf-8", "surrogateescape")
    return Envelope(sender, [Recipient(address)]), len(first) + len(second) + 2


async def adopt(home: Home, found: Ready) -> None:
    """Make it an ordinary entry, due at once, if it is whole. Temp when the disk refuses that: it stays here then.
    FileNotFoundError, OSError.

    A crash in between leaves both; the entry is replaced by itself when that is done again.
    """
    with open(path(home, found), "rb", buffering=0) as file:  # the lock keeps others from doing it meanwhile
        data = file.read() if files.lock(file.fileno()) else b""
        if found.fits(data):
            await _adopted(home, found, data)


async def _adopted(home: Home, found: Ready, data: bytes) -> None:
    try:
        about, start = envelope(data)
    except ValueError as error:
        _set_aside(home, found, str(error))
        return
    about.params["arrived"] = str(found.name.due)
    if not data.isascii():
        about.params["body"] = "8BITMIME"
    for name in os.listdir(f"{home.queue}/tmp"):
        if f".{found.name.id}," in name:
            files.unlink(f"{home.queue}/tmp/{name}")  # of somebody who died here
    spool = Spool(home)
    spool.begin(about, found.name.due, found.name.id)
    try:
        spool.write(data[start:])
        await spool.commit()
    finally:
        spool.abort()
    files.unlink(path(home, found), missing_ok=True)
    log.event("queue", q=found.name.id, operation="adopt", to=found.address)


async def adopt_all(home: Home) -> None:
    """Make ordinary entries of all that are whole and not in anybody's hands. Temp, OSError."""
    for found in entries(home):
        try:
            await adopt(home, found)
        except FileNotFoundError:
            continue


def clear(home: Home) -> None:
    """Put aside what has not been whole for STALE_S: a writer died over it, or the disk damaged what was accepted, and
    nothing tells which. Of an empty file nothing was accepted: it is removed. OSError."""
    for found in left(home):
        if os.path.getsize(path(home, found)):
            _set_aside(home, found, "it has not the size or the checksum that its name says")
        else:
            files.unlink(path(home, found), missing_ok=True)


def left(home: Home) -> list[Ready]:
    """What was not whole STALE_S ago, and is not now. OSError."""
    old = {path for changed, path in files.ages(f"{home.queue}/{DIRECTORY}") if changed < clock.now() - STALE_S}
    return [one for one in entries(home) if path(home, one) in old and not _may_be_whole(home, one)]


def _may_be_whole(home: Home, found: Ready) -> bool:
    """Taken for whole too when it cannot be read now: it is not for us to say that it is not."""
    try:
        with open(path(home, found), "rb", buffering=0) as file:
            return found.fits(file.read())
    except OSError:
        return True


def _set_aside(home: Home, found: Ready, why: str) -> None:
    log.event("damaged", file=f"{DIRECTORY}/{found.name}", why=why, moved="failed")
    files.rename(path(home, found), f"{home.queue}/failed/{found.name}")
