"""mailkit-metadata: what clients noted down about a folder (RFC 5464), an entry and its value in a line.

    /private/comment<TAB>ask Bob first
    /shared/vendor/kolab/color<TAB>cc0000

Names are in lower case. A value is any octets; in it \\ is written \\\\, and line feed, CR and NUL \\n \\r \\0. Writers
hold FILE.lock and replace the file; whoever reads sees the old one or the new one. A file without entries is removed.

`change` keeps all within limits, so that no client fills a disk: `Full` is one entry too many, or too many octets.
Who may see or set what is not decided here.
"""

from __future__ import annotations

import os

from mailkit import dotlock, files
from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "mailkit-metadata"
ENTRIES_MOST = 200
VALUE_MOST_OCTETS = 1 << 16
"""RFC 5464 section 4.1 wants at least 10 entries and 1024 octets."""
FILE_MOST_OCTETS = 1 << 20
_ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\0", b"\\0"))
_MEANING = {written[1:]: plain for plain, written in _ESCAPES}


class Full(Exception):
    """The file would hold more than it may."""


def read(path: str) -> dict[str, bytes]:
    """Name and value of every entry, sorted by name; none where there is no file. Lines of others' making that are no
    entries are passed over. OSError."""
    found: dict[str, bytes] = {}
    for line in _content(path).split(b"\n"):
        name, tab, value = line.partition(b"\t")
        if tab and name.startswith(b"/") and name.isascii():
            found.setdefault(name.decode("ascii").lower(), _unescaped(value))
    return dict(sorted(found.items()))


def change(path: str, updates: Mapping[str, bytes | None]) -> None:
    """Set entries, or remove those whose value is None: all or none of them; durable. Full; Temp: locked; OSError."""
    with dotlock.DotLock(f"{path}.lock", stale_s=30, wait_s=30):
        entries: dict[str, bytes | None] = {**read(path), **updates}
        kept = {name: value for name, value in sorted(entries.items()) if value is not None}
        data = b"".join(b"%b\t%b\n" % (name.encode("ascii"), _escaped(value)) for name, value in kept.items())
        grows = any(value is not None for value in updates.values())
        if grows and (len(kept) > ENTRIES_MOST or len(data) > FILE_MOST_OCTETS):
            raise Full
        if data:
            files.replace(path, data)
        else:
            files.unlink(path, missing_ok=True)


def copy(source: str, target: str) -> None:
    """The entries of one file in another too (RFC 5464 section 4.1: of INBOX when it is renamed). As `change`."""
    entries = read(source)
    if entries:
        change(target, entries)


def _content(path: str) -> bytes:
    try:
        # A FIFO in its place must not make us wait.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            data = file.read(2 * FILE_MOST_OCTETS + 1)
    except FileNotFoundError:
        return b""
    if len(data) > 2 * FILE_MOST_OCTETS:  # nothing of ours: a change would cut it short
        raise Temp("the annotations of the mailbox cannot be read", detail=f"{path}: too long")
    return data


def _escaped(value: bytes) -> bytes:
    for plain, written in _ESCAPES:
        value = value.replace(plain, written)
    return value


def _unescaped(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    parts = []
    at = 0
    while (slash := text.find(b"\\", at)) >= 0:
        letter = text[slash + 1 : slash + 2]
        parts += [text[at:slash], _MEANING.get(letter, b"\\" + letter)]
        at = slash + 2
    return b"".join([*parts, text[at:]])
