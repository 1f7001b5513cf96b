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


async def retr(session: Session, argument: bytes) -> None:
    """RETR message: all of it."""
    number = numbered.one(session, argument)
    fd = _opened(session, number)
    if number is None or fd is None:
        return
    drop = numbered.drop(session)
    # A piece that is not full is the last one. A file is at most as large as its message on the wire: asking for
    # one octet more makes the first piece the last.
    full = max(_LEAST_OCTETS, min(drop.sizes[number - 1] + 1, _PIECE_OCTETS))
    try:
        piece = os.read(fd, full)
        session.ok(f"{drop.sizes[number - 1]} octets")
        stuffer = wire.Stuffer()
        while len(piece) == full:
            session.say(stuffer.feed(piece))
            await session.drain()
            session.fetched_octets += len(piece)
            piece = os.read(fd, full)
        session.say(stuffer.feed(piece) + stuffer.end())
    finally:
        os.close(fd)
    session.fetched += 1
    session.fetched_octets += len(piece)
    drop.fetched.add(number)


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
