"""dovecot-uidlist: the UIDs of a folder, in Dovecot's own file, under Dovecot's own lock.

    3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1
    25006 :1276528487.M364837P9451.mail,S=1355,W=1394
    25017 W2481 P25.x :1276533073.M242911P3632.mail

Header: version, UIDVALIDITY, a next UID (the last line's + 1 when that is more), 128 bits that name the folder. A
line: UID, extensions (W wire size, P POP3 UIDL, G GUID ...; kept as they are), colon, base of the file name. UIDs rise
from line to line. New messages are appended and fsynced before anybody is told a UID; lines of expunged messages stay
until they are a quarter, then the file is replaced. Version 1 (old Dovecot, and Courier's courierimapuiddb) is read:
"1 UIDVALIDITY NEXT", lines "UID NAME".

Dovecot throws the whole file away when one line is damaged. We pass over the line, and write the file anew.
"""

from __future__ import annotations

import os
from _operator import lt

from mailkit import clock, dotlock, files, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

NAME = "dovecot-uidlist"
HIGHEST = 0xFFFF_FFFE
EXHAUSTED = HIGHEST - 1_000_000  # nobody comes here but by damage; above it UIDs begin anew with another UIDVALIDITY
LOCK_STALE_S = 120  # Dovecot's own
_DEAD_MIN = 100
_MOST_OCTETS = 1 << 30
_LINES_AT_ONCE = 1000


def locked(directory: str, wait_s: float = 30, kept: bool = False) -> dotlock.DotLock:
    """Dovecot's lock of a folder: for the list of UIDs and the keywords. Temp when another keeps it."""
    return dotlock.DotLock(f"{directory}/{NAME}.lock", stale_s=LOCK_STALE_S, wait_s=wait_s, kept=kept)


class Listing:
    """What a list says. uids: base -> UID; wire_sizes: UID -> octets where the list says so.

    end: octets read, up to the last line end. damaged: lines that made no sense, so that it must be written anew.
    """

    __slots__ = ("damaged", "end", "guid", "lines", "uidnext", "uids", "uidvalidity", "version", "wire_sizes")

    def __init__(self) -> None:
        self.version = self.uidvalidity = self.lines = self.damaged = self.end = 0
        self.uidnext = 1
        self.guid = b""
        self.uids: dict[bytes, int] = {}
        self.wire_sizes: dict[int, int] = {}

    @property
    def sound(self) -> bool:
        """Lines may be appended; otherwise it has to be written anew first."""
        return self.version == 3 and self.uidvalidity > 0 and len(self.guid) == 16 and not self.damaged


def parse(data: bytes) -> Listing:
    """A whole file. Never fails: what makes no sense is counted as damage."""
    listing = Listing()
    head, newline, _ = data.partition(b"\n")
    _read_header(listing, head)
    if not newline:
        listing.damaged += 1
        return listing
    parse_lines(listing, data, len(head) + 1, 0)
    return listing


def _read_header(listing: Listing, line: bytes) -> None:
    words = line.split()
    if words[:1] == [b"3"]:
        listing.version = 3
        for word in words[1:]:
            key, value = word[:1], word[1:]
            if key == b"V":
                listing.uidvalidity = _number(value)
            elif key == b"N":
                listing.uidnext = max(1, _number(value))
            elif key == b"G" and len(value) == 32:
                listing.guid = _unhex(value)
    elif words[:1] == [b"1"] and len(words) >= 3:
        listing.version, listing.uidvalidity, listing.uidnext = 1, _number(words[1]), max(1, _number(words[2]))
    if not listing.version or not listing.uidvalidity:
        listing.damaged += 1


def parse_lines(listing: Listing, data: bytes, start: int, last: int) -> None:
    """Read the lines from `start` on into `listing`; last: the UID of the line before."""
    stop = data.rfind(b"\n") + 1
    listing.end = max(stop, start)
    if stop < len(data):
        listing.damaged += 1  # the last line was torn; a reader without the lock comes back when it is whole
    lines = data[start : max(stop - 1, start)].split(b"\n") if stop > start else []
    for first in range(0, len(lines), _LINES_AT_ONCE):
        some = lines[first : first + _LINES_AT_ONCE]
        found = _usual_lines(listing, some, last)
        last = found if found else _any_lines(listing, some, last)
    listing.lines += len(lines)
    listing.uidnext = max(listing.uidnext, last + 1)


def _usual_lines(listing: Listing, lines: list[bytes], last: int) -> int:
    """Take lines `UID :base` in order, all at once; the last UID. 0: some are not like that, and nothing was taken.

    Nothing is looked at line by line that can be asked of all of them.
    """
    try:
        digits, bases = zip(*[line.split(b" :") for line in lines], strict=True)
    except ValueError:
        return 0
    whole = b"".join(bases)
    if not b"".join(digits).isdigit() or not all(digits) or not all(bases) or b":" in whole or b"/" in whole:
        return 0
    if listing.version == 1 or max(map(len, digits)) > 10:
        return 0
    uids = list(map(int, digits))
    added = dict(zip(bases, uids, strict=True))
    if not last < uids[0] or uids[-1] > HIGHEST or not all(map(lt, uids, uids[1:])):
        return 0
    if len(added) != len(uids) or not listing.uids.keys().isdisjoint(added):
        return 0
    listing.uids.update(added)
    return uids[-1]


def _any_lines(listing: Listing, lines: list[bytes], last: int) -> int:
    """Take lines one by one, whatever they are; the last UID."""
    uids = listing.uids
    for line in lines:
        digits, _, rest = line.partition(b" ")
        if rest[:1] != b":":
            rest = _after_extensions(listing, digits, rest)
        base = rest[1:].partition(b":")[0]
        uid = int(digits) if digits.isdigit() and len(digits) < 11 else 0
        orderly = last < uid <= HIGHEST and base and b"/" not in base and base not in uids
        if not orderly and not _second_name(listing, uid, last, base):
            continue
        uids[base] = last = uid
    return last


def _second_name(listing: Listing, uid: int, last: int, base: bytes) -> bool:
    """A line that is not in order. A base that comes again gets its later UID, as with Dovecot; the file is mended."""
    listing.damaged += 1
    return last < uid <= HIGHEST and base in listing.uids


def _after_extensions(listing: Listing, digits: bytes, rest: bytes) -> bytes:
    """The colon and the name of a line with extensions, or of a version 1 line."""
    if listing.version == 1:
        return b":" + rest
    extensions, colon, name = rest.partition(b" :")
    if not colon:
        return b""
    for field in extensions.split(b" "):
        if field[:1] == b"W" and digits.isdigit() and len(digits) < 11:
            listing.wire_sizes[int(digits)] = _number(field[1:], 1 << 62)
    return b":" + name


def _number(digits: bytes, most: int = HIGHEST + 1) -> int:
    """What the digits say; 0 for no number, or one that cannot be."""
    number = int(digits) if digits.isdigit() and len(digits) < 20 else 0
    return number if number <= most else 0


def _unhex(digits: bytes) -> bytes:
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""


def read(directory: str) -> tuple[Listing, os.stat_result] | None:
    """The list of a folder and the status of the file it was read from; None when there is none. OSError."""
    try:
        fd = os.open(f"{directory}/{NAME}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(fd)
        listing = parse(os.pread(fd, min(status.st_size, _MOST_OCTETS), 0))
    finally:
        os.close(fd)
    if listing.damaged:
        log.event("uidlist", verdict="damaged", path=directory, lines=listing.lines, damaged=listing.damaged)
    return listing, status


def read_tail(directory: str, offset: int, last: int) -> tuple[Listing, os.stat_result] | None:
    """The lines behind `offset`, which is the start of a line; last: highest UID before. None: read it whole."""
    with open(f"{directory}/{NAME}", "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        before = os.pread(file.fileno(), 1, offset - 1)
        data = os.pread(file.fileno(), max(0, status.st_size - offset), offset)
    if before != b"\n":
        return None
    listing = Listing()
    listing.version = 3
    parse_lines(listing, data, 0, last)
    listing.end += offset
    return None if listing.damaged else (listing, status)


def contains(directory: str, bases: Iterable[bytes]) -> set[bytes]:
    """Which of a few bases stand in the list, wherever: a search for octets, without reading the list into objects."""
    try:
        with open(f"{directory}/{NAME}", "rb", buffering=0) as file:
            data = file.read()
    except FileNotFoundError:
        return set()
    return {base for base in bases if b":%b\n" % base in data or b":%b:" % base in data}


def append(directory: str, rows: Sequence[tuple[int, bytes]]) -> os.stat_result:
    """Add lines for (uid, base) at the end; the caller holds the lock, knows the list to be sound, and will `sync`."""
    path = f"{directory}/{NAME}"
    files.append(path, b"".join([b"%d :%b\n" % row for row in rows]))
    return os.stat(path)


def sync(directory: str) -> None:
    """The list is on disk: now UIDs may be told."""
    fd = os.open(f"{directory}/{NAME}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        files.sync(fd)
    finally:
        os.close(fd)


def replace(directory: str, header: Listing, rows: Iterable[tuple[int, bytes]]) -> os.stat_result:
    """Write the list anew, durably, with the lines of `rows` (uid, base); the caller holds the lock.

    header: UIDVALIDITY, next UID and GUID. Lines of the old file keep their extensions where UID and base agree.
    """
    path = f"{directory}/{NAME}"
    old = _old_lines(path)
    lines = [b"3 V%d N%d G%b\n" % (header.uidvalidity, header.uidnext, header.guid.hex().encode())]
    for uid, base in rows:
        extensions = old.get((uid, base))
        lines.append(b"%d %b :%b\n" % (uid, extensions, base) if extensions else b"%d :%b\n" % (uid, base))
    files.replace(path, b"".join(lines))
    return os.stat(path)


def _old_lines(path: str) -> dict[tuple[int, bytes], bytes]:
    """Extensions of the lines that have some."""
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.read()
    except FileNotFoundError:
        return {}
    found = {}
    for line in data.split(b"\n") if data.startswith(b"3 ") else ():
        head, colon, name = line.partition(b" :")
        digits, blank, extensions = head.partition(b" ")
        if colon and blank and digits.isdigit() and len(digits) < 11:
            found[int(digits), name.partition(b":")[0]] = extensions
    return found


def fresh(directory: str) -> Listing:
    """The header of a folder that never had a list: new UIDVALIDITY, new GUID.

    UIDVALIDITY is the time; that of a folder made in the place of one deleted within the same second would be the
    same, which `tree` prevents by what it leaves in the Maildir's dovecot-uidvalidity.
    """
    listing = Listing()
    listing.version = 3
    listing.uidvalidity = max(int(clock.now()), last_uidvalidity(directory) + 1)
    listing.guid = bytes.fromhex(clock.token(16))
    return listing


def last_uidvalidity(directory: str) -> int:
    """What dovecot-uidvalidity of this Maildir or of the one above says: eight hexadecimal digits."""
    for place in (directory, os.path.dirname(directory)):
        try:
            with open(f"{place}/dovecot-uidvalidity", "rb") as file:
                return int(file.read(16).strip() or b"0", 16)
        except (OSError, ValueError):
            continue
    return 0


def crowded(lines: int, messages: int) -> bool:
    """So many lines are of expunged messages that the list is worth writing anew."""
    return lines > _DEAD_MIN and messages * 4 < lines * 3


class Unlocked:
    """Stands in for a lock in a folder where we cannot write one."""

    __slots__ = ()

    def __enter__(self) -> Unlocked:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return
