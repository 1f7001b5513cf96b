"""Changing the passwd file: add, change and remove users, so that no line is ever lost.

Each function holds the lock of `users.keyed` while it reads, changes one line and puts the new file in place; the rest
stays octet for octet: comments, blank lines, lines nobody understands. What is on disk after a crash is the file
before or the file after.
"""

from __future__ import annotations

from mailkit.exits import Perm
from mailkit.users import keyed, names, passwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mailkit.control import Home


def add(home: Home, user: passwd.User) -> None:
    """Add a user at the end. Perm when the address is taken; ValueError when a value cannot stand in a line."""
    line = user.line()

    def appended(old: bytes) -> bytes:
        if _find(old, user.address) is not None:
            raise Perm(f"there is a user {user.address} already", code="5.1.4")
        return (old if old.endswith(b"\n") or not old else old + b"\n") + line + b"\n"

    keyed.edit(home.passwd, appended)


def change(home: Home, address: str, update: Callable[[passwd.User], None]) -> passwd.User:
    """Let `update` change the user in place, and write the result. Perm when there is no such user.

    `update` works on what the file says under the lock, so two changes at once both stay.
    """
    changed: list[passwd.User] = []

    def replaced(old: bytes) -> bytes:
        start, end, user = _existing(old, address, home)
        before = user.address
        update(user)
        if user.address != before and _find(old, user.address) is not None:
            raise Perm(f"there is a user {user.address} already", code="5.1.4")
        changed.append(user)
        return old[:start] + user.line() + old[end:]

    keyed.edit(home.passwd, replaced)
    return changed[0]


def remove(home: Home, address: str) -> passwd.User:
    """Remove a user's line (the mail stays); returns who it was. Perm when there is no such user."""
    removed: list[passwd.User] = []

    def without(old: bytes) -> bytes:
        start, end, user = _existing(old, address, home)
        removed.append(user)
        return old[:start] + old[end:].removeprefix(b"\r").removeprefix(b"\n")

    keyed.edit(home.passwd, without)
    return removed[0]


def _existing(old: bytes, address: str, home: Home) -> tuple[int, int, passwd.User]:
    found = _find(old, address)
    if found is None:
        raise Perm(f"there is no user {address}", code="5.1.1")
    start, end = found
    return start, end, passwd.parse(old[start:end], home.domains)


def _find(old: bytes, address: str) -> tuple[int, int] | None:
    """Where the line that counts for an address starts and ends (line end excluded)."""
    key = names.key(address)
    if key is None:
        return None
    text = b"\n" + old.lower() + b"\n"
    at = text.find(b"\n" + key + b":")
    while at >= 0:
        end = text.index(b"\n", at + 1) - 1
        line = old[at:end].rstrip(b"\r")
        try:
            passwd.parse(line)
        except ValueError:
            at = text.find(b"\n" + key + b":", at + 1)
            continue
        return at, at + len(line)
    return None
