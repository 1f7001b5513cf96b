"""How much a user may keep: the Maildir++ file `maildirsize`, as Courier and Dovecot keep it.

    1073741824S,10000C       the limits: octets, messages; a limit that is not set is left out
    734003200 812            octets and messages when they were counted
    4096 1                   what came (or, negative, went) since

Whoever delivers or removes adds a line with one short write. The file is counted anew, from the names and sizes of
all folders, when it is missing, when its limits are not the user's, when it has grown beyond 5120 octets, and, before
anybody is refused, when a folder has changed after it: so what other programs removed counts at once.
"""

from __future__ import annotations

import os

from mailkit import clock, files
from mailkit.exits import Temp
from mailkit.maildir import names
from mailkit.users.passwd import User

_NAME = "maildirsize"
_LONGEST = 5120  # octets, Maildir++


class Usage:
    """What a user has and may have, in octets and messages; a limit of None is none."""

    __slots__ = ("max_messages", "max_octets", "messages", "octets")

    def __init__(self, octets: int, messages: int, limits: tuple[int | None, int | None]) -> None:
        self.octets = octets
        self.messages = messages
        self.max_octets, self.max_messages = limits

    def takes(self, octets: int, messages: int = 1) -> bool:
        """Is there room for so much more?"""
        return not (
            (self.max_octets is not None and self.octets + octets > self.max_octets)
            or (self.max_messages is not None and self.messages + messages > self.max_messages)
        )

    def percent(self, octets: int = 0, messages: int = 0) -> int:
        """How full it is, with so much more; the fuller of the two."""
        parts = [0]
        if self.max_octets:
            parts.append((self.octets + octets) * 100 // self.max_octets)
        if self.max_messages:
            parts.append((self.messages + messages) * 100 // self.max_messages)
        return max(parts)


def limited(user: User) -> bool:
    """Has the user a quota at all?"""
    return user.quota != (None, None)


def usage(user: User) -> Usage:
    """What the user has now, as the file says; counted when it does not. Temp when the Maildir cannot be read."""
    try:
        return _read(user) or _counted(user)
    except OSError as error:
        raise Temp("the mailbox is not available", code="4.2.0", detail=f"quota of {user.maildir}: {error.strerror}")


def takes(user: User, octets: int, messages: int = 1) -> bool:
    """Is there room for so many octets in so many messages? Counted anew before the answer is no. Temp as `usage`."""
    if usage(user).takes(octets, messages):
        return True
    try:
        return _changed_since(user) and _counted(user).takes(octets, messages)
    except OSError as error:
        raise Temp("the mailbox is not available", code="4.2.0", detail=f"quota of {user.maildir}: {error.strerror}")


def add(user: User, octets: int, messages: int) -> None:
    """Write down what came, or with negative numbers what went. OSError. A crash before it leaves too low a count."""
    files.append(os.path.join(user.maildir, _NAME), f"{octets} {messages}\n".encode())


def _limits(user: User) -> str:
    octets, messages = user.quota
    parts = [f"{octets}S"] if octets is not None else []
    return ",".join(parts + ([f"{messages}C"] if messages is not None else []))


def _read(user: User) -> Usage | None:
    """What the file says, None when it is missing or must be counted anew."""
    try:
        with open(os.path.join(user.maildir, _NAME), "rb") as file:
            data = file.read(_LONGEST + 1)
    except FileNotFoundError:
        return None
    head, *lines = data.decode("ascii", "replace").split("\n")
    if len(data) > _LONGEST or head.strip() != _limits(user):
        return None
    octets = messages = 0
    try:
        for line in lines:
            if line.strip():
                size, count = line.split()
                octets += int(size)
                messages += int(count)
    except ValueError:
        return None
    return Usage(octets, messages, user.quota) if octets >= 0 and messages >= 0 else None


def count(user: User) -> Usage:
    """What is in all folders of the user. Nothing is written. OSError."""
    octets = messages = 0
    for directory in _directories(user.maildir):
        for size in _sizes(directory):
            octets += size
            messages += 1
    return Usage(octets, messages, user.quota)


def _counted(user: User) -> Usage:
    """Count all folders and write the file anew. A message that comes meanwhile may be counted twice or not at all,
    until the next time."""
    found = count(user)
    path = os.path.join(user.maildir, _NAME)
    if os.path.isdir(user.maildir):
        files.replace(path, f"{_limits(user)}\n{found.octets} {found.messages}\n".encode(), durable=False)
        if os.geteuid() == 0:  # an administrator who only looks: the servers must be able to read it
            owner = os.stat(user.maildir)
            files.chown(path, owner.st_uid, owner.st_gid)
    return found


def _directories(maildir: str) -> list[str]:
    """new/ and cur/ of every folder."""
    try:
        folders = [entry.path for entry in os.scandir(maildir) if entry.name.startswith(".") and entry.is_dir()]
    except FileNotFoundError:
        return []
    return [os.path.join(folder, part) for folder in (maildir, *folders) for part in ("new", "cur")]


def _sizes(directory: str) -> list[int]:
    found = []
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        size, _ = names.sizes(entry.name)
        try:
            found.append(size if size is not None else entry.stat().st_size)
        except FileNotFoundError:
            continue  # renamed or removed since the directory was read
    return found


def _changed_since(user: User) -> bool:
    """Has a folder changed after the file was written? Then what was removed may not be in it."""
    try:
        written = os.stat(os.path.join(user.maildir, _NAME)).st_mtime
    except FileNotFoundError:
        return True
    for directory in _directories(user.maildir):
        try:
            if os.stat(directory).st_mtime > written - 0.01:
                return True
        except FileNotFoundError:
            continue
    return clock.now() - written > 900  # Maildir++: after 15 minutes at the latest
