"""Whose rights a process has: users with a uid of their own in the passwd line get deliveries and sessions under it.

    foreign(user)            another uid than ours is wanted, and we may change to it
    separate(home, user)     a process of their own is wanted for a session
    become(user)             be the user from now on; no way back
    needless(home)           whom root should become before it serves the home
    await settle(...)        after the login: be where the user is served

Only root can become somebody else. A server that does not run as root serves such users as it is: then their files
are its own, as those of everybody.
"""

from __future__ import annotations

import contextlib
import os

from mailkit.exits import Perm, Temp, Trouble
from mailkit.users import keyed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mailkit.control import Home
    from mailkit.net.conn import Conn
    from mailkit.users.passwd import User

LATER = (
    "array", "bisect", "ctypes", "datetime", "fcntl", "grp", "hashlib", "hmac", "html", "idna", "inotify_simple",
    "ipaddress", "pwd", "resource", "stringprep", "traceback", "unicodedata", "zlib", "mailkit.mail.idn",
    "mailkit.mail.word", "mailkit.net.watch", "mailkit.users.keys",
)  # fmt: skip
"""What is imported only when it is wanted, of sessions of every kind; see `preload`."""

_UMASK = 0o077
_COUNTERS_S = 1.0
_SEPARATE = ("own", "all")


def preload(names: Iterable[str]) -> None:
    """Import modules, and those of LATER. Once before workers and stewards are forked, so that they share them; and
    before a process becomes a user, who may not be allowed to read them."""
    for name in (*LATER, *names):
        __import__(name)


def foreign(user: User | None) -> bool:
    """Must a process with the user's uid do the work?"""
    if user is None or not user.uid_text or os.geteuid() != 0:
        return False
    try:
        return user.uid != 0
    except ValueError:
        return True  # there is no such account: `become` says so


def separate(home: Home, user: User) -> bool:
    """Is the user served in a process of their own? Those with a uid; those whose mail is outside the places that
    a confined process may use; with control/separate `all`, everybody. Perm when the value is neither."""
    wanted = home.control.text("separate")
    if wanted not in _SEPARATE:
        raise Perm(f"control/separate is one of {', '.join(_SEPARATE)}", code="5.3.5")
    outside = not f"{os.path.normpath(user.directory)}/".startswith(home.domains + "/")
    if wanted == "all" or foreign(user):
        return True
    if not outside:
        return False
    from mailkit import confine  # servers have it; a delivery by pipe never comes here

    return confine.possible(home)


def become(user: User) -> None:
    """Be the user from now on: groups, gid, uid, umask, no way back. Temp when the system does not let us."""
    import pwd

    try:
        uid, gid = user.uid, user.gid
    except ValueError as error:
        raise Temp("the mailbox is not available", code="4.3.5", detail=f"{user.address}: {error}")
    assert uid is not None
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        account = None
    if gid is None:
        if account is None:
            raise Temp("the mailbox is not available", code="4.3.5", detail=f"{user.address}: uid {uid} has no group")
        gid = account.pw_gid
    try:
        if account is not None:
            os.initgroups(account.pw_name, gid)
        else:
            os.setgroups([gid])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise Temp("the mailbox is not available", code="4.3.0", detail=f"become uid {uid}: {error.strerror}")
    os.umask(_UMASK)


def needless(home: Home) -> tuple[User | None, str]:
    """To whom the home belongs, and as whom everything in it runs. None where it has to be root, and why."""
    from mailkit.users.passwd import Passwd, User

    status = os.stat(home.path)
    if not status.st_uid:
        return None, "the home belongs to root"
    with contextlib.suppress(Trouble):  # servers say what is wrong with the file, whoever they are
        if any(user.uid not in (None, status.st_uid) for user in Passwd(home).users()):
            return None, "users/passwd has users with a uid of their own"
    return User("", uid=str(status.st_uid), gid=str(status.st_gid)), ""


async def settle(
    conn: Conn,
    home: Home,
    user: User,
    words: dict[str, str],
    rest: bytes,
    load: Callable[[], None],
    make: Callable[[str], None],
) -> bool:
    """After the login: be where the user is served from now on, and for as long as it holds (users.standing).

    True: this process serves only them now, and can do nothing else any more. False: it goes on as it is.
    net.conn.Elsewhere: the session went on in another process, and is over. Temp: neither could be had.

    words: what that process must be told to go on (see `net.steward`). rest: octets that the client sent ahead.
    load: imports what the session may need; the user may not be allowed to read it. make: sees to it that there is a
    Maildir at a path.
    """
    from mailkit import confine, counters
    from mailkit.users.standing import Standing

    if not conn.alone:
        if separate(home, user):
            await conn.hand_over({**words, "user": user.address}, rest)
        conn.tie(Standing(home, user))
        return False
    conn.tie(Standing(home, user))
    counters.flush(_COUNTERS_S)  # their file is out of reach afterwards
    keyed.forget()
    if foreign(user):
        load()
        home.control.freeze()
        become(user)
    try:
        make(user.maildir)
    except OSError as error:
        raise Temp("the mailbox is not available", code="4.2.0", detail=f"make {user.maildir}: {error.strerror}")
    confine.session(conn.service, home, user.maildir)
    return True
