"""dovecot-acl: who may do what with a folder, in Dovecot's own file, so that its Maildirs keep their rights.

    user=bob@example.test lrws
    group=sales lr
    -user=carol@example.test w
    anyone l

A line is an identifier and letters of RFC 4314; an identifier with blanks stands in quotes; names of rights that have
no letter may follow behind a colon, and are kept. A minus in front of the identifier takes rights away. Identifiers:

    anyone, authenticated      every user
    group=NAME                 members
    owner                      whose Maildir it is
    user=ADDRESS               one user
    group-override=NAME        members, whatever stands for them as users

The further down in this list the stronger: what matches there replaces what matched above (of several groups all
count); then the negative rights, found in the same way, are taken away. The owner has every right unless `owner` or
something stronger says less, others have none unless something grants it. So does Dovecot. Lines that begin with "#"
and blank ones are passed over and not kept.

A file with a line that makes no sense grants others nothing, is said in the log, and cannot be changed by clients.
"""

from __future__ import annotations

import os

from mailkit import dotlock, files, log
from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NAME = "dovecot-acl"
ALL = "lrwstipekxa"
ENTRIES_MOST = 200
_MOST_OCTETS = 1 << 17
_GROUP, _OWNER, _USER, _OVERRIDE = 2, 3, 4, 5
_ORDER = {"anyone": 0, "anonymous": 0, "authenticated": 1, "owner": _OWNER}
_PREFIXES = {"user=": _USER, "group=": _GROUP, "group-override=": _OVERRIDE}
_LETTER = {
    "lookup": "l", "read": "r", "write": "w", "write-seen": "s", "write-deleted": "t", "insert": "i", "post": "p",
    "expunge": "e", "create": "k", "delete": "x", "admin": "a",
}  # fmt: skip


class Entry:
    """One line. rights: letters in the order of ALL; others: names that have no letter; `negative`: takes them away."""

    __slots__ = ("identifier", "negative", "others", "rights")

    def __init__(self, identifier: str, rights: str, negative: bool = False, others: tuple[str, ...] = ()) -> None:
        self.identifier = identifier
        self.negative = negative
        self.rights = ordered(rights)
        self.others = others

    @property
    def key(self) -> tuple[str, bool]:
        """What no two entries of a folder share."""
        return self.identifier, self.negative

    def line(self) -> bytes:
        """As in the file, with line end."""
        identifier = "-" * self.negative + self.identifier
        if " " in identifier or '"' in identifier or "\\" in identifier:
            identifier = '"' + identifier.replace("\\", "\\\\").replace('"', '\\"') + '"'
        more = f" :{' '.join(self.others)}" if self.others else ""
        return f"{identifier} {self.rights}{more}\n".encode("utf-8", "surrogateescape")


class Who:
    """Somebody before a folder: their address, the groups they are in, and whether the folder is their own."""

    __slots__ = ("address", "groups", "owner")

    def __init__(self, address: str, groups: Iterable[str] = (), owner: bool = False) -> None:
        self.address = address
        self.groups = frozenset(groups)
        self.owner = owner

    def matches(self, identifier: str) -> bool:
        """Is an entry for this identifier about them?"""
        kind, _, name = identifier.partition("=")
        if kind == "user":
            return name == self.address
        if kind in ("group", "group-override"):
            return name in self.groups
        return kind != "owner" or self.owner


def rights(directory: str, who: Who) -> str:
    """The letters somebody has on the folder in `directory`; "" on one that is not there, and for others than the owner
    when the file is damaged. OSError."""
    if not os.path.exists(f"{directory}/{NAME}"):  # most folders: cheaper than to fail at opening it
        return ALL if who.owner else ""
    try:
        entries = read(directory)
    except ValueError as error:
        log.event("acl", path=f"{directory}/{NAME}", error=str(error), verdict="others get nothing")
        entries = None
    return granted(entries or (), who)


def granted(entries: Iterable[Entry], who: Who) -> str:
    """The letters that entries give somebody."""
    found = ALL if who.owner else ""
    taken = ""
    last = {False: -1, True: -1}
    for entry in sorted(entries, key=lambda entry: _order(entry.identifier)):
        order = _order(entry.identifier)
        if not who.matches(entry.identifier) or (who.owner and order < _OWNER):
            continue
        merges = last[entry.negative] == order
        last[entry.negative] = order
        if entry.negative:
            taken = entry.rights + (taken if merges else "")
        else:
            found = entry.rights + (found if merges else "")
    return ordered("".join(letter for letter in found if letter not in taken))


def read(directory: str) -> list[Entry] | None:
    """The entries of a folder, None where there is no file. ValueError: a line makes no sense. OSError."""
    try:
        # A FIFO in its place must not make us wait.
        fd = os.open(f"{directory}/{NAME}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            data = file.read(_MOST_OCTETS + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(data) > _MOST_OCTETS:
        raise ValueError("the file is too long")
    return parse(data)


def parse(data: bytes) -> list[Entry]:
    """The entries of a file; those of one identifier are one. ValueError: a line makes no sense."""
    found: dict[tuple[str, bool], Entry] = {}
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            entry = _entry(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}")
        before = found.get(entry.key)
        if before is not None:
            entry.rights = ordered(entry.rights + before.rights)
            entry.others = before.others + entry.others
        found[entry.key] = entry
    return list(found.values())


def change(directory: str, edit: Callable[[list[Entry] | None], list[Entry]]) -> None:
    """Put edit(entries) in the place of the entries of a folder (None: it has no file), under Dovecot's lock; durable.

    What `edit` raises passes through, and nothing is changed. Temp: locked, or the file is damaged. OSError.
    """
    path = f"{directory}/{NAME}"
    with dotlock.DotLock(f"{path}.lock", stale_s=120, wait_s=30):
        try:
            before = read(directory)
        except ValueError as error:
            raise Temp("the rights of the mailbox cannot be changed", detail=f"{path}: {error}")
        lines = sorted(edit(before), key=lambda entry: (_order(entry.identifier), entry.key))
        files.replace(path, b"".join(entry.line() for entry in lines))


def inherit(parent: str, directory: str) -> None:
    """A new folder has the rights of the one above it (RFC 4314 section 4). OSError; Temp."""
    try:
        entries = read(parent)
    except ValueError:
        return
    if entries:
        change(directory, lambda _: entries)


def ordered(letters: str) -> str:
    """Letters in the order of ALL, each once; what is no right is left out."""
    return "".join(letter for letter in ALL if letter in letters)


def _order(identifier: str) -> int:
    """How strong an identifier is. ValueError: it is none."""
    order = _ORDER.get(identifier)
    if order is not None:
        return order
    for prefix, strength in _PREFIXES.items():
        if identifier.startswith(prefix) and len(identifier) > len(prefix):
            return strength
    raise ValueError(f"{identifier!r} is nobody")


def _entry(line: str) -> Entry:
    identifier, rest = _identifier(line)
    letters, _, names = rest.strip().partition(":")
    letters = letters.strip()
    if letters.strip(ALL):
        raise ValueError(f"{letters!r} are not rights")
    words = names.replace(",", " ").split()
    others = tuple(word for word in words if word not in _LETTER)
    negative = identifier.startswith("-")
    identifier = identifier.removeprefix("-")
    _order(identifier)
    named = "".join(_LETTER.get(word, "") for word in words)
    return Entry("anyone" if identifier == "anonymous" else identifier, letters + named, negative, others)


def _identifier(line: str) -> tuple[str, str]:
    """The identifier of a line, and the rest."""
    if not line.startswith('"'):
        identifier, _, rest = line.partition(" ")
        return identifier, rest
    characters = []
    escaped = False
    for at, character in enumerate(line[1:], 1):
        if escaped or character not in '"\\':
            characters.append(character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif line[at + 1 : at + 2] in ("", " "):
            return "".join(characters), line[at + 1 :]
        else:
            break
    raise ValueError("a quoted name does not end")
