"""Folder names and subscriptions as they were at one moment, and what differs from another one (RFC 5465 section 5.4).

A folder that was renamed is known by its directories: a rename keeps their inodes. Those below it are renamed with it
and are not told of themselves. When a folder is made or removed, the one right above is affected as well: what is told
of it, that it has children, is another thing now.
"""

from __future__ import annotations

import os

from mailkit import clock
from mailkit.imap.folders.forest import OTHERS, PUBLIC
from mailkit.imap.folders.listing import Known
from mailkit.imap.responses import No
from mailkit.maildir import subscriptions, tree
from mailkit.maildir.state import settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.folders.forest import Forest, Mailbox

    Place = tuple[int, ...]

READING = frozenset("lr")
"""Rights without which nobody is told of a folder's messages (section 5)."""


class Survey:
    """One moment. places: what tells the directory of each folder from others; roots: the directories they are in;
    unfinished: directories there that are no folders, or not yet."""

    __slots__ = ("_own", "known", "mailboxes", "places", "roots", "unfinished")

    def __init__(self, forest: Forest) -> None:
        """Blocking. OSError."""
        self.roots = {forest.own.maildir: _Root(forest.own.maildir)}
        self.known = Known(forest)
        self.mailboxes: dict[str, Mailbox] = {}
        self.places: dict[str, Place] = {}
        self._own: set[str] = set()
        for name in self.known.folders:
            try:
                mailbox = forest.locate(name)
                self.places[name] = _place(mailbox.directory)
            except (No, ValueError, OSError):
                continue  # it went just now
            self.mailboxes[name] = mailbox
            if mailbox.tree is forest.own:
                self._own.add(name)
            else:
                self.roots.setdefault(mailbox.tree.maildir, _Root(mailbox.tree.maildir))
        folders = {mailbox.directory for mailbox in self.mailboxes.values()}
        found = (path for root in self.roots.values() for path in root.directories() if path not in folders)
        self.unfinished = [path for path in found if os.path.isdir(path)]

    def outdated(self) -> bool:
        """Folders came or went, or subscriptions did. Blocking."""
        changed = [path for path, root in self.roots.items() if root.changed()]
        return bool(changed) or any(os.path.isdir(f"{path}/cur") for path in self.unfinished)

    def personal(self, name: str) -> bool:
        """The name is, or was, of a folder of the user's own."""
        return name in self._own or (name not in self.mailboxes and name.partition("/")[0] not in (OTHERS, PUBLIC))

    def readable(self, name: str) -> bool:
        """The user may be told of its messages."""
        mailbox = self.mailboxes.get(name)
        return mailbox is not None and (mailbox.who.owner or set(mailbox.granted()) >= READING)


class _Root:
    """The directory of a Maildir, which changes with every lock and list in it; only its folders and FILES matter."""

    __slots__ = ("_changed", "_entries", "_path")

    FILES = (subscriptions.NAME, tree.SPECIAL)

    def __init__(self, path: str) -> None:
        self._path = path
        self._changed = -1
        self._entries: set[tuple[str, int]] = set()
        self.changed()

    def directories(self) -> list[str]:
        """What may be a folder in it."""
        return sorted(f"{self._path}/{name}" for name, _ in self._entries if name[0] == ".")

    def changed(self) -> bool:
        """It is another than at the last call."""
        now_ns = clock.now_ns()
        try:
            changed = os.stat(self._path).st_ctime_ns
            if changed == self._changed:
                return False
            with os.scandir(self._path) as found:
                entries = {
                    (entry.name, entry.inode()) for entry in found if entry.name[0] == "." or entry.name in self.FILES
                }
        except OSError:
            changed, entries = 0, set()
        # What comes within the same tick of the clock does not show: then it is looked at again.
        self._changed = changed if settled(changed, now_ns) else -1
        before, self._entries = self._entries, entries
        return before != entries


class Renamed:
    """A name that is affected; `old` what it was before, or ""."""

    __slots__ = ("name", "old")

    def __init__(self, name: str, old: str = "") -> None:
        self.name = name
        self.old = old


def renamed(before: Survey, now: Survey) -> list[Renamed]:
    """Names that were made, removed or renamed, and those right above; in the order of names."""
    gone = {place: name for name, place in before.places.items() if name not in now.places}
    come = [name for name in now.places if name not in before.places]
    moved = {name: gone[now.places[name]] for name in come if now.places[name] in gone}
    found = {name: Renamed(name, old) for name, old in moved.items() if not _follows(name, old, moved)}
    for name in {*come, *gone.values()} - moved.keys() - set(moved.values()):
        found.setdefault(name, Renamed(name))
        parent = name.rpartition("/")[0]
        if parent:
            found.setdefault(parent, Renamed(parent))
    return [found[name] for name in sorted(found)]


def _follows(name: str, old: str, moved: dict[str, str]) -> bool:
    """It was renamed because a folder above it was."""
    while "/" in name and "/" in old and name.rpartition("/")[2] == old.rpartition("/")[2]:
        name, old = name.rpartition("/")[0], old.rpartition("/")[0]
        if moved.get(name) == old:
            return True
    return False


def subscribed(before: Survey, now: Survey) -> list[str]:
    """Names whose subscription changed."""
    return sorted(before.known.subscribed ^ now.known.subscribed)


def _place(directory: str) -> Place:
    return tuple(os.stat(f"{directory}{part}").st_ino for part in ("", "/cur", "/new"))
