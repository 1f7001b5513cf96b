"""Does a login still hold? Not when the user was removed, locked out or given a new password since: somebody else may
have the connection.

    same(home, user) -> bool        Temp where the file cannot tell
    Standing(home, user)            the same as a fact that a session rests on (net.ties)
"""

from __future__ import annotations

from mailkit.exits import Trouble
from mailkit.users.passwd import Passwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home
    from mailkit.users.passwd import User


def same(home: Home, user: User) -> bool:
    """Is `user`, as read at the login, still somebody who may log in, with the same password? Temp as the look-up."""
    now = Passwd(home).lookup(user.address)
    return now is not None and now.may_log_in and now.hash == user.hash


class Standing:
    """The fact that a login still holds."""

    __slots__ = ("_home", "_user", "path")

    def __init__(self, home: Home, user: User) -> None:
        self._home = home
        self._user = user
        self.path = home.passwd
        """The file that tells."""

    def __call__(self) -> bool:
        """Does it? A file that is away or damaged throws nobody out: it may be back with the next look."""
        try:
            return same(self._home, self._user)
        except Trouble:
            return True


def of(home: Home, address: str) -> Standing | None:
    """The fact for who has this address; None where there is nobody, or the file cannot tell."""
    try:
        user = Passwd(home).lookup(address)
    except Trouble:
        return None
    return Standing(home, user) if user is not None else None
