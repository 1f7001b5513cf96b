"""Unique names (RFC 1939 7, UIDL): the same for a message for ever, so that no client fetches it twice.

Ours are Dovecot's default, %08Xu%08Xv: UID and UIDVALIDITY, eight hexadecimal digits each. A message that had another
name at the server we took the Maildir over from keeps it, as that server's file says:

    dovecot-uidlist         25017 W2481 P25.x :1276533073.M242911P3632.mail      P25.x: the name is "25.x"
    courierpop3dsizelist    /3 1044 1262304000                                   version, next number, validity
                            1276533073.M242911P3632.mail:2,S 2481 25:1262304000:0
                                                          size, number:validity:utf8; the name is "UID25-1262304000"

Neither is written here: messages that came later are not in them.
"""

from __future__ import annotations

import os
import sys
from array import array
from bisect import bisect_left

from mailkit.maildir import uidlist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_COURIER = "courierpop3dsizelist"


def of_messages(
    maildir: str, uidvalidity: int, uids: array[int], bases: Callable[[], Sequence[bytes]]
) -> list[str]:
    """The name of each message. bases: gives the bases of their files, asked for only if Courier was here."""
    names = _ours(uidvalidity, uids)
    courier = _read(os.path.join(maildir, _COURIER))
    if courier:
        theirs = couriers(courier)
        for row, base in enumerate(bases()):
            names[row] = theirs.get(base, names[row])
    for uid, name in dovecots(_read(os.path.join(maildir, uidlist.NAME))).items():
        row = bisect_left(uids, uid)
        if row < len(uids) and uids[row] == uid:
            names[row] = name
    return names


def _ours(uidvalidity: int, uids: array[int]) -> list[str]:
    """All names at once: the numbers side by side in memory, as hexadecimal digits."""
    if not uids:
        return []
    both = array("I", [uidvalidity]) * (2 * len(uids))
    both[::2] = uids
    if sys.byteorder == "little":
        both.byteswap()
    return both.tobytes().hex(" ", 8).split(" ")


def dovecots(data: bytes) -> dict[int, str]:
    """UID -> name, of the lines of dovecot-uidlist that have one."""
    if b" P" not in data:
        return {}  # as in nearly all; looking is all it costs
    names = {}
    for line in data.split(b"\n")[1:]:
        uid, *fields = line.partition(b" :")[0].split(b" ")
        for field in fields:
            if field[:1] == b"P" and _sayable(field[1:]) and uid.isdigit():
                names[int(uid)] = field[1:].decode()
    return names


def couriers(data: bytes) -> dict[bytes, str]:
    """base -> name, of the lines of courierpop3dsizelist."""
    head, _, rest = data.partition(b"\n")
    if head.split(b" ")[0] not in (b"/2", b"/3"):
        return {}
    names = {}
    for line in rest.split(b"\n"):
        file, _, numbers = line.rpartition(b" ")
        base = file.rpartition(b" ")[0].partition(b":")[0]
        number, _, validity = numbers.partition(b":")
        validity = validity.partition(b":")[0]
        if not base or not number.isdigit() or not validity.isdigit():
            continue
        names[base] = _courier(base, int(number), int(validity))
    return names


def _courier(base: bytes, number: int, validity: int) -> str:
    """As Courier's versions 0, 1 and 2 of a name are written."""
    if number:
        return f"UID{number}-{validity}" if validity else f"UID{number}"
    return "".join(chr(c) if 0x21 <= c <= 0x7E and c not in b"'\"+" else f"+{c:02X}" for c in base)


def _sayable(name: bytes) -> bool:
    """1 to 70 printable characters (RFC 1939 7)."""
    return 0 < len(name) <= 70 and all(0x21 <= c <= 0x7E for c in name)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except FileNotFoundError:
        return b""
