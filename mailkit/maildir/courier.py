"""What Courier left in a Maildir that we take over: its UIDs and its keywords. Read once, never written.

courierimapuiddb is a list of version 1 (`uidlist`). Keywords are in courierimapkeywords/:list,

    $Junk
    work

    1276528487.M364837P9451.mail:0
    1276533073.M242911P3632.mail:0 1

names first, an empty line, then bases with numbers of names; and beside it one file per message that changed since,
named like the message's base, with one keyword a line.
"""

from __future__ import annotations

import os

from mailkit.maildir import uidlist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_UIDS = "courierimapuiddb"
_KEYWORDS = "courierimapkeywords"
_MOST_OCTETS = 1 << 28


def uids(directory: str) -> uidlist.Listing | None:
    """Courier's list, None when there is none that makes sense."""
    data = _content(f"{directory}/{_UIDS}")
    listing = uidlist.parse(data) if data else None
    return listing if listing and listing.version == 1 and listing.uidvalidity else None


def keywords(directory: str) -> dict[bytes, list[bytes]]:
    """base -> names of its keywords."""
    found = dict(_listed(_content(f"{directory}/{_KEYWORDS}/:list")))
    try:
        changed = os.listdir(os.fsencode(f"{directory}/{_KEYWORDS}"))
    except OSError:
        return found
    for base in changed:
        if not base.startswith((b":", b".")):
            data = _content(os.fsdecode(os.fsencode(f"{directory}/{_KEYWORDS}/") + base))
            found[base] = [name for name in data.split(b"\n") if name]
    return found


def _listed(data: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    head, _, rest = data.partition(b"\n\n")
    names = head.split(b"\n")
    for line in rest.split(b"\n"):
        base, _, numbers = line.rpartition(b":")
        known = [names[int(n)] for n in numbers.split() if n.isdigit() and len(n) < 6 and int(n) < len(names)]
        if base and known:
            yield base, known


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MOST_OCTETS)
    except OSError:
        return b""
