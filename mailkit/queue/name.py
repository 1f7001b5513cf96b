"""The name of a queue file: `ls` is the schedule.

    1763768464.0.6f1d2c7a90be3345,S=4123
    due        | id               size of the message in octets
               attempts so far

A name that does not parse belongs to somebody else and is left alone. Renaming an entry to another due time or
into hold/ is how it is rescheduled and held, by hand or by a program. A due time of NOW is a person's wish: the entry
is tried at once, also where its destination is left alone.

In tmp/ a longer name says of a file what it has to be, so that it can be told to be whole:

    1763768464.0.6f1d2c7a90be3345,S=4123,F=4391,C=1a2b3c4d
    the name in new/                     |      CRC-32 of the file as it was written first (entry.fresh)
                                         octets of the file
"""

from __future__ import annotations

from zlib import crc32

NOW = 1


class Name:
    """A parsed file name. due: Unix seconds. attempts: how often delivery was tried. size: octets of the message.

    text: the name as it stands in the directory; people write due times with fewer digits.
    """

    __slots__ = ("attempts", "due", "id", "size", "text")

    def __init__(self, due: int, attempts: int, id: str, size: int, text: str = "") -> None:
        self.due = due
        self.attempts = attempts
        self.id = id
        self.size = size
        self.text = text or f"{due:010d}.{attempts}.{id},S={size}"

    @property
    def wished(self) -> bool:
        """Does a person want it tried now?"""
        return self.due <= NOW

    def __str__(self) -> str:
        return self.text

    def at(self, due: int, attempts: int | None = None) -> Name:
        """The same entry at another time."""
        return Name(due, self.attempts if attempts is None else attempts, self.id, self.size)

    def sealed(self, data: bytes) -> str:
        """The name in tmp/ of the entry `data`."""
        return f"{self.text},F={len(data)},C={crc32(data):08x}"


class Seal:
    """What a name in tmp/ says. name: the one in new/. octets, crc: of the whole file."""

    __slots__ = ("crc", "name", "octets")

    def __init__(self, name: Name, octets: int, crc: int) -> None:
        self.name = name
        self.octets = octets
        self.crc = crc


def parse(text: str) -> Name | None:
    """The parts of a file name, None when it is not one of ours."""
    head, comma, size = text.partition(",S=")
    parts = head.split(".")
    if not comma or len(parts) != 3 or not parts[2].isalnum():
        return None
    due, attempts, id = parts
    if not (_digits(due) and _digits(attempts) and _digits(size)):
        return None
    return Name(int(due), int(attempts), id, int(size), text)


def seal(text: str) -> Seal | None:
    """The parts of a name in tmp/, None when it says nothing of its file."""
    rest, comma, crc = text.rpartition(",C=")
    head, _, octets = rest.rpartition(",F=")
    name = parse(head)
    if name is None or not (comma and _digits(octets) and len(crc) == 8 and not crc.strip("0123456789abcdef")):
        return None
    return Seal(name, int(octets), int(crc, 16))


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16
