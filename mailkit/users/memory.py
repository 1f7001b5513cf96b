"""Passwords that were right a moment ago, so that a client's twentieth connection costs no second argon2.

Kept: a keyed digest (BLAKE2b, key drawn at start) of stored hash and password, per address, for `authmemory` seconds.
Never on disk, never the password; a changed hash makes the digest another, so a new password is in force at once.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from hmac import compare_digest

from mailkit import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.users.passwd import User

_MOST = 10_000  # addresses; about 2 MB


class Memory:
    """Who gave the right password when."""

    __slots__ = ("_kept", "_key")

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._kept: dict[str, tuple[float, bytes]] = {}

    def knows(self, user: User, password: str, seconds: int) -> bool:
        """Was this password right for this hash at most so many seconds ago?"""
        kept = self._kept.get(user.address)
        if kept is None or not seconds:
            return False
        if clock.monotonic() - kept[0] >= seconds:
            del self._kept[user.address]
            return False
        return compare_digest(kept[1], self._digest(user, password))

    def keep(self, user: User, password: str) -> None:
        """This password was right. The oldest is forgotten when there are too many."""
        self._kept.pop(user.address, None)
        while len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[user.address] = (clock.monotonic(), self._digest(user, password))

    def forget(self) -> None:
        """Forget everybody."""
        self._kept.clear()

    def _digest(self, user: User, password: str) -> bytes:
        text = f"{user.hash}\n{password}".encode("utf-8", "surrogatepass")
        return blake2b(text, key=self._key, digest_size=32).digest()


verified = Memory()
