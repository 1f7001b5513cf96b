"""What all users share, read from the dovecot-acl files of their folders: slow, for administrators and a lost index.

The index itself is `users.shares`. Where there is none, the first session that wants it reads every Maildir, once;
others find nothing of others meanwhile.
"""

from __future__ import annotations

import os

from mailkit import files, log
from mailkit.exits import Temp
from mailkit.maildir import acl
from mailkit.maildir.tree import Tree
from mailkit.users import shares
from mailkit.users.passwd import Passwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mailkit.control import Home
    from mailkit.users.passwd import User

    Grant = tuple[User, str, acl.Entry]

WAIT_S = 60.0


def grants(users: Iterable[User], damaged: list[str]) -> Iterator[Grant]:
    """Owner, folder and entry for each entry that is not the owner's; what cannot be read is added to `damaged`."""
    for user in users:
        try:
            tree = Tree(user.maildir)
            for folder in tree.names():
                for entry in _entries(tree.path(folder), damaged):
                    yield user, folder, entry
        except (OSError, ValueError) as error:
            damaged.append(f"{user.maildir}: {error}")


def remake(home: Home, damaged: list[str]) -> int:
    """Make the index anew; how many entries it has. Temp: somebody else does; OSError."""
    fd = _lock(home)
    try:
        if not files.lock(fd, wait_s=WAIT_S):
            raise Temp("the index is being made by another process")
        return _made(home, damaged)
    finally:
        os.close(fd)


def ensure(home: Home) -> None:
    """There is an index, or somebody makes it. What is damaged is said in the log when the folder is looked at."""
    if not shares.missing(home):
        return
    try:
        fd = _lock(home)
    except OSError:
        return  # a process that may not: then it finds nothing
    try:
        if files.lock(fd) and shares.missing(home):
            log.event("shares", entries=_made(home, []))
    except OSError as error:
        log.event("shares", error=error.strerror)
    finally:
        os.close(fd)


def _lock(home: Home) -> int:
    path = home.join("run", f"{shares.DIRECTORY}.lock")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    shares.own(path)
    return fd


def _made(home: Home, damaged: list[str]) -> int:
    found = grants(Passwd(home).users(), damaged)
    return shares.rebuild(home, ((owner, entry.identifier) for owner, _, entry in found if not entry.negative))


def _entries(directory: str, damaged: list[str]) -> list[acl.Entry]:
    try:
        return [entry for entry in acl.read(directory) or () if entry.identifier != "owner"]
    except (OSError, ValueError) as error:
        damaged.append(f"{directory}/{acl.NAME}: {error}")
        return []
