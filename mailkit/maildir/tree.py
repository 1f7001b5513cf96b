"""The folders of a Maildir, Maildir++: INBOX is the Maildir itself, "Sent/2024" is the directory .Sent.2024 in it.

Names are str with "/" between levels; on disk the levels are in modified UTF-7 and joined by dots, as Dovecot and
Courier write them, so that a dot within a level is not possible. A directory is a folder when it has cur/ in it. A
level in between need not exist. Names that come from the disk may hold anything (`mutf7` loses nothing of them);
names to be created must be clean. Which folder has a special use (RFC 6154) is told by mailkit-special,
    \\Sent Gesendet

one use and one name a line, and where that is silent by the usual names.

Deleting renames the directory into tmp/ first, so that a folder is there as a whole or not at all; what it had as
UIDVALIDITY is remembered in dovecot-uidvalidity, so that a new folder of its name never repeats it.
"""

from __future__ import annotations

import os

from mailkit import files
from mailkit.mail import mutf7
from mailkit.maildir import metadata, names, save, subscriptions, uidlist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

STANDARD = ("Drafts", "Sent", "Junk", "Trash", "Archive")
USES = ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important")
INBOX = "INBOX"
SPECIAL = "mailkit-special"
_UIDVALIDITY = "dovecot-uidvalidity"
_LONGEST = 255  # octets of a name on Linux's file systems
_DEEPEST = 32
_USUAL = {
    "\\Drafts": ("drafts",),
    "\\Sent": ("sent", "sent messages", "sent items", "sent mail"),
    "\\Junk": ("junk", "spam", "junk e-mail"),
    "\\Trash": ("trash", "deleted messages", "deleted items"),
    "\\Archive": ("archive", "archives"),
}


class Tree:
    """The folders of one Maildir. See the module for names; nothing is cached."""

    __slots__ = ("maildir",)

    def __init__(self, maildir: str) -> None:
        self.maildir = maildir

    def path(self, name: str) -> str:
        """The directory of a folder, whether it is there or not. ValueError: no name can be like this."""
        name = canonical(name)
        if name == INBOX:
            return self.maildir
        entry = b"." + b".".join(map(_level, name.split("/")))
        if len(entry) > _LONGEST:
            raise ValueError("the name is too long")
        return f"{self.maildir}/{os.fsdecode(entry)}"

    def exists(self, name: str) -> bool:
        """There is such a folder."""
        try:
            return canonical(name) == INBOX or os.path.isdir(f"{self.path(name)}/cur")
        except ValueError:
            return False

    def names(self) -> list[str]:
        """All folders, INBOX first, in the order of their names."""
        try:
            entries = os.listdir(os.fsencode(self.maildir))
        except FileNotFoundError:
            entries = []
        root = os.fsencode(self.maildir)
        found = [_name(entry) for entry in entries if _is_folder(root, entry)]
        return [INBOX, *sorted(name for name in found if name != INBOX)]

    def create(self, name: str) -> None:
        """Make a folder. ValueError: not a name for a new one; FileExistsError."""
        check(name)
        if self.exists(name):
            raise FileExistsError(name)
        save.make_directories(self.path(name), subfolder=True)

    def delete(self, name: str) -> None:
        """Remove a folder with its messages, not those below it. ValueError: INBOX; FileNotFoundError."""
        if canonical(name) == INBOX:
            raise ValueError("INBOX cannot be deleted")
        if not self.exists(name):
            raise FileNotFoundError(name)
        self._remember_uidvalidity(self.path(name))
        aside = f"{self.maildir}/tmp/{names.unique()}.deleted"
        files.mkdir(f"{self.maildir}/tmp")
        files.rename(self.path(name), aside, durable=True)
        save.remove_tree(aside)
        self._renamed_special({canonical(name): ""})

    def rename(self, old: str, new: str) -> None:
        """Rename a folder and all below it. INBOX stays: its messages move (RFC 9051 6.3.6), which may take its time.

        ValueError: not a name for a new one, or below itself; FileExistsError; FileNotFoundError; errors of
        `folder.Folder.move` for INBOX.
        """
        check(new)
        old, new = canonical(old), canonical(new)
        if old == INBOX:
            self.create(new)
            _transfer().empty_into(self.path(old), self.path(new))
            metadata.copy(f"{self.path(old)}/{metadata.NAME}", f"{self.path(new)}/{metadata.NAME}")
            return
        if new.startswith(old + "/"):
            raise ValueError("a folder cannot be moved below itself")
        pairs = [(name, new + name[len(old) :]) for name in self.names() if name == old or name.startswith(old + "/")]
        if not pairs:
            raise FileNotFoundError(old)
        for _, name in pairs:
            if self.exists(name):
                raise FileExistsError(name)
            self.path(name)
        for name, to in pairs:
            self._remember_uidvalidity(self.path(name))  # a new folder of the old name must have another
            files.rename(self.path(name), self.path(to))
        files.sync_dir(self.maildir)
        self._renamed_special(dict(pairs))

    def subscriptions(self) -> set[str]:
        """The subscribed names, of folders that exist or not."""
        return {canonical(name) for name in subscriptions.read(self.maildir)}

    def subscribe(self, name: str) -> None:
        """Subscribe a name. ValueError: no name; Temp; OSError."""
        self.path(name)
        subscriptions.change(self.maildir, canonical(name), True)

    def unsubscribe(self, name: str) -> None:
        """The opposite; harmless when it was not."""
        subscriptions.change(self.maildir, canonical(name), False)

    def special(self) -> dict[str, str]:
        """name -> use, of folders that exist: as they were set, else by their usual names at the top level."""
        return self._special(self._chosen())

    def special_by_name(self, name: str) -> bool:
        """The folder would have a use even if none were set."""
        return canonical(name) in self._special([pair for pair in self._chosen() if pair[1] != canonical(name)])

    def _special(self, pairs: list[tuple[str, str]]) -> dict[str, str]:
        existing = self.names()
        chosen = {name: use for use, name in pairs if name in existing}
        taken = set(chosen.values())
        lower = {name.lower(): name for name in existing if name not in chosen}
        for use, usual in _USUAL.items():
            name = next((lower[known] for known in usual if known in lower), None)
            if use not in taken and name is not None:
                chosen[name] = use
        return chosen

    def set_special(self, name: str, use: str) -> None:
        """Give a folder a special use; "" takes it. ValueError: no such use."""
        if use and use not in USES:
            raise ValueError("no such special use")
        pairs = [(known, other) for known, other in self._chosen() if other != canonical(name) and known != use]
        self._write_special([*pairs, (use, canonical(name))] if use else pairs)

    def _write_special(self, pairs: list[tuple[str, str]]) -> None:
        data = "".join(f"{use} {name}\n" for use, name in pairs).encode("utf-8", "surrogateescape")
        files.replace(f"{self.maildir}/{SPECIAL}", data)

    def _renamed_special(self, renamed: dict[str, str]) -> None:
        """A use that was set goes where its folder goes, as annotations do (RFC 5464 section 4.1); "": nowhere."""
        pairs = self._chosen()
        if any(name in renamed for _, name in pairs):
            moved = [(use, renamed.get(name, name)) for use, name in pairs]
            self._write_special([(use, name) for use, name in moved if name])

    def _chosen(self) -> list[tuple[str, str]]:
        try:
            with open(f"{self.maildir}/{SPECIAL}", encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read(1 << 16).splitlines()
        except FileNotFoundError:
            return []
        pairs = (line.partition(" ") for line in lines)
        return [(use, name) for use, _, name in pairs if use in USES and name]

    def _remember_uidvalidity(self, directory: str) -> None:
        """Dovecot's file: eight hexadecimal digits, and an empty file that has them in its name too."""
        read = uidlist.read(directory)
        if read is None or read[0].uidvalidity <= (last := uidlist.last_uidvalidity(self.maildir)):
            return
        path = f"{self.maildir}/{_UIDVALIDITY}"
        files.replace(path, b"%08x" % read[0].uidvalidity)
        old = f"{path}.{last:08x}"
        if os.path.exists(old):
            files.rename(old, f"{path}.{read[0].uidvalidity:08x}")
        else:
            files.append(f"{path}.{read[0].uidvalidity:08x}", b"")


def _transfer() -> ModuleType:
    """Loaded when INBOX is renamed, and not for a delivery."""
    from mailkit.maildir import transfer

    return transfer


def create(maildir: str) -> None:
    """A new Maildir with the standard folders, all subscribed. Safe to repeat."""
    save.make_directories(maildir, subfolder=False)
    tree = Tree(maildir)
    for name in STANDARD:
        if not tree.exists(name):
            tree.create(name)
    subscribed = tree.subscriptions()
    for name in (INBOX, *STANDARD):
        if name not in subscribed:
            tree.subscribe(name)


def canonical(name: str) -> str:
    """INBOX in any case, alone or as first level, is INBOX (RFC 9051 5.1)."""
    first, slash, rest = name.partition("/")
    return INBOX + slash + rest if first.upper() == INBOX else name


def check(name: str) -> None:
    """ValueError, with a sentence for the client, when `name` may not be created."""
    levels = name.split("/")
    if "" in levels:
        raise ValueError("a level of the name is empty")
    if len(levels) > _DEEPEST:
        raise ValueError("too many levels")
    if any(character < " " or "\x7f" <= character <= "\x9f" or character in "\u2028\u2029" for character in name):
        raise ValueError("control characters cannot be part of a name")
    if any(character in "*%" for character in name):
        raise ValueError("* and % cannot be part of a name")
    if mutf7.broken(name) or any("\ud800" <= character <= "\udfff" for character in name):
        raise ValueError("the name is not valid")
    for level in levels:
        _level(level)


def _level(level: str) -> bytes:
    if "." in level:
        raise ValueError("a dot cannot be part of a name")
    if not level or "\0" in level:
        raise ValueError("a level of the name is empty")
    octets = mutf7.encode(level)
    if b"/" in octets or b"\0" in octets:
        raise ValueError("the name is not valid")
    return octets


def _name(entry: bytes) -> str:
    return canonical("/".join(mutf7.decode(level) for level in entry[1:].split(b".")))


def _is_folder(root: bytes, entry: bytes) -> bool:
    """A dot, then levels none of which is empty, and cur/ in it."""
    if entry[:1] != b"." or b"" in entry[1:].split(b"."):
        return False
    return os.path.isdir(root + b"/" + entry + b"/cur")
