"""Who shares folders with whom: an index, so that nobody's LIST looks into every Maildir.

    run/shared/user=bob@example.test/alice@example.test       alice has a folder whose dovecot-acl names bob
    run/shared/group=sales@example.test/alice@example.test    ... names the group sales; the domain is alice's
    run/shared/anyone@example.test/alice@example.test         ... names everybody

Empty files in directories. They only say where to look: what bob may see is decided by the dovecot-acl of each folder
when it is looked at, so an entry too many costs time and shows nothing, and one that is missing hides folders from
lists. SETACL and DELETEACL keep it; whoever edits dovecot-acl by hand has it made anew with `mailkit-shares
--rebuild`, or deletes it: where there is none at all, it is made anew when somebody looks into it.

Names are written as `names.directory` does. Layer 3: knows nothing of Maildirs.
"""

from __future__ import annotations

import os

from mailkit import clock, files
from mailkit.users import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailkit.control import Home
    from mailkit.users.passwd import User

DIRECTORY = "shared"
_SETTLED_S = 2.0
"""Times of files may be of whole seconds, and of another machine's clock."""
_EVERYBODY = frozenset({"anyone", "authenticated"})


def reach(home: Home, one: User, other: User) -> bool:
    """May these two share folders at all? control/sharing: no, domain (their domains are the same) or all."""
    word = home.control.text("sharing")
    return word == "all" or (word == "domain" and one.domain == other.domain)


def allowed(home: Home) -> bool:
    """Is there sharing at all?"""
    return home.control.text("sharing") in ("domain", "all")


def owners(home: Home, user: User) -> list[str]:
    """Addresses of those who may have folders for this user, sorted. An index that cannot be read is empty: a process
    that serves one user alone may not look."""
    domains = [user.domain]
    if home.control.text("sharing") == "all":
        domains = home.control.lines("domains")
    keys = [f"user={user.address}"]
    for domain in domains:
        keys += [f"anyone@{domain}", *(f"group={group}@{domain}" for group in user.groups)]
    found: set[str] = set()
    for key in keys:
        try:
            found.update(names.named(entry) for entry in os.listdir(_path(home, key)))
        except OSError:
            continue
    found.discard(user.address)
    return sorted(found)


def missing(home: Home) -> bool:
    """There is no index."""
    return not os.path.isdir(home.join("run", DIRECTORY))


def note(home: Home, owner: User, identifier: str) -> None:
    """A folder of the owner's names this identifier, as dovecot-acl writes it. Where there is no index nothing is
    noted: it would pass for a whole one. OSError."""
    if not missing(home):
        _add(home.join("run", DIRECTORY), heading(owner, identifier), owner)


def forget(home: Home, owner: User, identifier: str) -> None:
    """No folder of the owner's names it any more. OSError."""
    directory = _path(home, heading(owner, identifier))
    files.unlink(os.path.join(directory, names.directory(owner.address)), missing_ok=True)
    try:
        files.rmdir(directory)
    except OSError:
        pass  # others share with them too, or it is gone already


def rebuild(home: Home, shared: Iterable[tuple[User, str]]) -> int:
    """Make it anew from pairs of owner and identifier; how many entries there are. OSError.

    New entries come before old ones go, so that a list made meanwhile lacks nothing; an index that was not there
    appears when it is whole. One at a time: `imap.folders.sharing` has the lock.
    """
    begun_s = clock.now()
    top = home.join("run", DIRECTORY)
    place = f"{top}.tmp" if missing(home) else top  # what a crash left there goes with the old ones
    files.mkdir(place)
    own(place)
    wanted: set[tuple[str, str]] = set()
    for owner, identifier in shared:
        key = heading(owner, identifier)
        _add(place, key, owner)
        wanted.add((names.directory(key), names.directory(owner.address)))
    if place != top:
        files.rename(place, top)
    for directory in os.listdir(top):
        for entry in os.listdir(os.path.join(top, directory)):
            if (directory, entry) not in wanted:
                _remove_old(os.path.join(top, directory, entry), begun_s)
    return len(wanted)


def _remove_old(path: str, begun_s: float) -> None:
    """Remove an entry, and its directory with the last, but not what was noted meanwhile."""
    try:
        if os.stat(path).st_mtime < begun_s - _SETTLED_S:
            files.unlink(path)
            files.rmdir(os.path.dirname(path))
    except OSError:
        pass  # somebody forgot it first, or others are in the directory


def _add(top: str, key: str, owner: User) -> None:
    directory = os.path.join(top, names.directory(key))
    entry = os.path.join(directory, names.directory(owner.address))
    files.mkdir(directory)
    files.append(entry, b"")
    files.utime(entry, clock.now())
    own(directory)
    own(entry)


def own(path: str) -> None:
    """What an administrator makes belongs to whom the directory above belongs to: servers must be able to change it."""
    if os.geteuid() == 0:
        status = os.stat(os.path.dirname(path))
        files.chown(path, status.st_uid, status.st_gid)


def heading(owner: User, identifier: str) -> str:
    """Under what an identifier of a folder of this owner is noted."""
    if identifier in _EVERYBODY:
        return f"anyone@{owner.domain}"
    kind, _, name = identifier.partition("=")
    return identifier if kind == "user" else f"group={name}@{owner.domain}"


def _path(home: Home, key: str) -> str:
    return home.join("run", DIRECTORY, names.directory(key))
