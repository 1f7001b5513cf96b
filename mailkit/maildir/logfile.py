"""mailkit-log as a file.

    "mailkit-log 1\\n" 0 0  generation(8) edition(4) crc(4)  entries of `journal` ...

An entry that does not verify is not there yet: it ends the log.
"""

from __future__ import annotations

import os
import struct
from binascii import crc32

from mailkit.maildir import journal
from mailkit.maildir.pieces import EDITION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.maildir.state import State

NAME = "mailkit-log"
_MAGIC = b"mailkit-log 1\n\0\0"
_HEADER = struct.Struct("<16sQII")
HEADER_OCTETS = _HEADER.size
_WINDOW = 256 * 1024


def header(generation: int) -> bytes:
    """How a log begins."""
    head = _HEADER.pack(_MAGIC, generation, EDITION, 0)
    return head[:-4] + struct.pack("<I", crc32(head[:-4]))


def generation(raw: bytes) -> int:
    """ValueError: not the header of a log of this edition."""
    if len(raw) < _HEADER.size or crc32(raw[:-4]) != struct.unpack("<I", raw[-4:])[0]:
        raise ValueError("no log header")
    magic, found, edition, _ = _HEADER.unpack(raw)
    if magic != _MAGIC or edition != EDITION:
        raise ValueError(f"edition {edition}")
    return int(found)


def entries(fd: int, at: int) -> Iterator[tuple[journal.Entry, int]]:
    """Every entry from offset `at` on that verifies, with the offset behind it."""
    window, start = b"", at
    octets = os.fstat(fd).st_size
    while at + journal.HEAD_OCTETS <= octets:
        here = at - start
        if here < 0 or here + journal.HEAD_OCTETS > len(window):
            window, start, here = os.pread(fd, _WINDOW, at), at, 0
        try:
            head = journal.Head(window[here : here + journal.HEAD_OCTETS])
        except (ValueError, struct.error):
            return
        end = at + journal.HEAD_OCTETS + head.length
        if end > octets:
            return
        needed = journal.HEAD_OCTETS + head.checked
        if here + needed > len(window):
            window, start, here = os.pread(fd, max(_WINDOW, needed), at), at, 0
        one = head.entry(window[here + journal.HEAD_OCTETS : here + needed], at)
        if one is None:
            return
        yield one, end
        at = end


def last_state(directory: str) -> State | None:
    """The numbers at the end of a folder's log; None when they do not stand there. OSError."""
    fd = os.open(f"{directory}/{NAME}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        at = max(0, os.fstat(fd).st_size - journal.STATE_OCTETS)
        return journal.last_state(os.pread(fd, journal.STATE_OCTETS, at))
    finally:
        os.close(fd)
