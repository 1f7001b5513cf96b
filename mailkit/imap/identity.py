"""Who a session belongs to, where they are served, and what that allows it to send."""

from __future__ import annotations

from mailkit import log
from mailkit.exits import Temp, Trouble
from mailkit.imap import capability, commands, replies
from mailkit.imap.commands import AUTHENTICATED, LOGOUT, NOT_AUTHENTICATED
from mailkit.imap.folders import target
from mailkit.imap.responses import No

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.users.passwd import User

LOGIN_IDLE_S = 120
"""Before the login nothing is promised, and strangers should not hold connections."""
IDLE_S = 1830
"""After it a server waits at least 30 minutes (RFC 9051 section 5.4)."""

HOST = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:[]"
"""What the name of a server with its port is made of, in a URL."""

LOGIN_LINE_OCTETS, LOGIN_LITERAL_OCTETS = 8192, 4096
LINE_OCTETS, LITERAL_OCTETS = 65536, 262144
"""RFC 7162 section 4 wants lines of 8192 octets; clients that name 10,000 UIDs in one set need more."""


async def enter(state: Session, user: User) -> None:
    """From not authenticated to authenticated, here or in a process of the user's own. Elsewhere, Temp."""
    from mailkit.imap.folders.forest import Forest
    from mailkit.maildir import save
    from mailkit.users import identity

    words = {"tag": state.tag.decode("ascii")}
    if state.language is not None:
        words["language"] = state.language.tag
    ahead = state.engine.ahead()
    state.bound = await identity.settle(state.conn, state.home, user, words, ahead, commands.preload, save.ensure)
    state.user = user
    state.tree = Forest(state.home, user, alone=state.bound)
    state.state = AUTHENTICATED
    state.conn.idle_s = IDLE_S
    state.engine.line_octets = LINE_OCTETS
    state.engine.literal_octets = LITERAL_OCTETS


def refer(user: User) -> None:
    """No [REFERRAL url] for a user whose line leads elsewhere; they have proved who they are (RFC 2221 section 6)."""
    host = user.fields.get("imap_referral", "")
    if host and not host.strip(HOST):
        name = "".join(chr(octet) if chr(octet) in HOST else f"%{octet:02X}" for octet in user.address.encode("utf-8"))
        raise No("Your mailboxes are on another server", f"REFERRAL imap://{name};AUTH=*@{host}/")


def greeting(state: Session) -> str:
    """The OK text of a login, with the capabilities: it saves the client a round trip."""
    return f"[CAPABILITY {capability.line(state).decode('ascii')}] Logged in"


async def take_over(state: Session, words: dict[str, str]) -> None:
    """Answer a login for which another process has found password and all else right."""
    from mailkit.users.passwd import Passwd

    state.tag = words["tag"].encode("ascii")
    if "language" in words:
        from mailkit import languages

        state.language = languages.load(words["language"])
    try:
        user = Passwd(state.home).lookup(words["user"])
        if user is None or not user.may_log_in:
            raise Temp("The mailbox is not available", detail=f"{words['user']} is a user no more")
        await enter(state, user)
        replies.say(state, state.tag, "OK", greeting(state))
    except Trouble as trouble:
        log.event("trouble", c=state.conn.id, command="LOGIN", code=trouble.code, detail=trouble.detail)
        replies.say(state, state.tag, "NO", trouble.text, "UNAVAILABLE")
        state.state, state.why = LOGOUT, "trouble"


def leave(state: Session) -> None:
    """To not authenticated; no folder may be selected any more."""
    target.release(state)
    state.conn.untie()
    state.user = None
    state.tree = None
    state.enabled = frozenset()
    state.language = None
    state.state = NOT_AUTHENTICATED
    state.conn.idle_s = LOGIN_IDLE_S
    state.engine.line_octets = LOGIN_LINE_OCTETS
    state.engine.literal_octets = LOGIN_LITERAL_OCTETS
