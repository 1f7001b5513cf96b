"""RETR and TOP: messages out of the maildrop (RFC 1939 5 and 7)."""

from __future__ import annotations

import os

from mailkit.pop3 import wire
from mailkit.pop3.verbs import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.pop3.session import Session

# A message larger than this never is in memory whole; smaller ones are read at once, into memory of their size.
_PIECE_OCTETS = 262144
_LEAST_OCTETS = 4096
_AHEAD_OCTETS = 65536  # the most that a session holds of a message nobody may ask for


class Ahead:
    """A message that was read before it was asked for. octets: as they go out; stored: how many the file has."""

    __slots__ = ("number", "octets", "stored")

    def __init__(self, number: int, octets: bytes, stored: int) -> None:
        self.number = number
        self.octets = octets
        self.stored = stored


async def retr(session: Session, argument: bytes) -> None:
    """RETR message: all of it."""
    number = numbered.one(session, argument)
    if number is None:
        return
    drop = numbered.drop(session)
    ahead, session.ahead = session.ahead, None
    if ahead is not None and ahead.number == number:
        session.ok(f"{drop.sizes[number - 1]} octets")
        session.say(ahead.octets)
        stored = ahead.stored
    else:
        fd = _opened(session, number)
        if fd is None:
            return
        try:
            stored = await _sent(session, fd, drop.sizes[number - 1])
        finally:
            os.close(fd)
    session.fetched += 1
    session.fetched_octets += stored
    if number - 1 in drop.fetched and number < drop.count:  # one after the other, as most clients do
        session.meanwhile = lambda: _read_ahead(session, number + 1)
    drop.fetched.add(number)


async def _sent(session: Session, fd: int, size: int) -> int:
    """Queue an open message of `size` octets, sending as it is read; how many octets its file has."""
    # A piece that is not full is the last one.
    full = _piece_octets(size)
    piece = os.read(fd, full)
    session.ok(f"{size} octets")
    stuffer = wire.Stuffer()
    stored = len(piece)
    while len(piece) == full:
        session.say(stuffer.feed(piece))
        await session.drain()
        piece = os.read(fd, full)
        stored += len(piece)
    session.say(stuffer.feed(piece) + stuffer.end())
    return stored


def _piece_octets(size: int) -> int:
    """What is read at once of a message of `size` octets on the wire.

    Its file has at most as many: asking for one octet more makes the first piece the last.
    """
    return max(_LEAST_OCTETS, min(size + 1, _PIECE_OCTETS))


def _read_ahead(session: Session, number: int) -> None:
    """Have the next message ready, if it is small: the client is busy with the one before."""
    drop = numbered.drop(session)
    size = drop.sizes[number - 1]
    if number in drop.deleted or size > _AHEAD_OCTETS:
        return
    try:
        fd = drop.open(number)
        if fd is None:
            return
        full = _piece_octets(size)
        try:
            piece = os.read(fd, full)
        finally:
            os.close(fd)
    except OSError:
        return  # RETR will say so
    if len(piece) < full:
        stuffer = wire.Stuffer()
        session.ahead = Ahead(number, stuffer.feed(piece) + stuffer.end(), len(piece))


async def top(session: Session, argument: bytes) -> None:
    """TOP message lines: the header, the blank line and so many lines of the body."""
    first, _, second = argument.strip(b" ").partition(b" ")
    lines = numbered.count(second)
    if lines is None:
        return session.err("TOP takes a message number and a number of lines")
    fd = _opened(session, numbered.one(session, first))
    if fd is None:
        return None
    try:
        stored = _top(fd, lines)
    finally:
        os.close(fd)
    session.ok("top of message follows")
    stuffer = wire.Stuffer()
    return session.say(stuffer.feed(stored) + stuffer.end())


def _opened(session: Session, number: int | None) -> int | None:
    """A descriptor of the message; None after refusing, here or in finding the number."""
    if number is None:
        return None
    fd = numbered.drop(session).open(number)
    if fd is None:
        session.err("[SYS/TEMP] message was removed by another program")
    return fd


def _top(fd: int, lines: int) -> bytes:
    """The first lines of an open message. Looked for in ever larger pieces: TOP n 0 reads little."""
    stored = b""
    want = 16384
    while True:
        piece = os.read(fd, want)
        stored += piece
        end = wire.top(stored, lines)
        if end is not None:
            return stored[:end]
        if not piece:
            return stored
        want = len(stored)
