"""The table of POP3 commands: one row each.

A new command is a function `async def verb(session, argument)` in a file of this package and a row here. Files are
grouped by reason to change and loaded when the first of their commands comes: a session that only greets pays for none.

    state           commands                                  next state
    AUTHORIZATION   CAPA STLS UTF8 LANG USER PASS APOP AUTH   TRANSACTION after a login (RFC 1939 4)
    TRANSACTION     CAPA LANG STAT LIST UIDL RETR TOP DELE    itself, till QUIT
                    RSET NOOP LAST
    either          QUIT                                      the end; after a login by way of UPDATE (RFC 1939 6)
"""

from __future__ import annotations

AUTHORIZATION = 1
TRANSACTION = 2
EITHER = AUTHORIZATION | TRANSACTION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from mailkit.pop3.session import Session

    Function = Callable[[Session, bytes], Coroutine[Any, Any, None]]


class Verb:
    """One command. states: when it is allowed. capability: the line CAPA has for it, if it is always the same."""

    __slots__ = ("_function", "_place", "capability", "states")

    def __init__(self, place: str, states: int, capability: str = "") -> None:
        self._place = place
        self._function: Function | None = None
        self.states = states
        self.capability = capability

    def function(self) -> Function:
        """The verb itself."""
        if self._function is None:
            module, _, name = self._place.partition(":")
            function: Function = getattr(__import__(f"{__name__}.{module}", fromlist=[name]), name)
            self._function = function
        return self._function


def preload() -> None:
    """Import every verb, and all that sessions import later."""
    from mailkit.users import identity

    for verb in TABLE.values():
        verb.function()
    identity.preload(LATER)


LATER = (
    "mailkit.languages.de", "mailkit.languages.fr", "mailkit.maildir.transfer", "mailkit.maildir.tree",
    "mailkit.pop3.verbs.login",
)  # fmt: skip
"""What verbs import when they need it."""

TABLE = {
    b"APOP": Verb("login:apop", AUTHORIZATION),
    b"AUTH": Verb("login:auth", AUTHORIZATION),
    b"CAPA": Verb("capability:capa", EITHER),
    b"DELE": Verb("removal:dele", TRANSACTION),
    b"LANG": Verb("language:lang", EITHER, "LANG"),
    b"LAST": Verb("survey:last", TRANSACTION),
    b"LIST": Verb("survey:list_", TRANSACTION),
    b"NOOP": Verb("finish:noop", TRANSACTION),
    b"PASS": Verb("login:pass_", AUTHORIZATION),
    b"QUIT": Verb("finish:quit_", EITHER),
    b"RETR": Verb("retrieval:retr", TRANSACTION),
    b"RSET": Verb("removal:rset", TRANSACTION),
    b"STAT": Verb("survey:stat", TRANSACTION),
    b"STLS": Verb("tls:stls", AUTHORIZATION),
    b"TOP": Verb("retrieval:top", TRANSACTION, "TOP"),
    b"UIDL": Verb("survey:uidl", TRANSACTION, "UIDL"),
    b"USER": Verb("login:user", AUTHORIZATION),
    b"UTF8": Verb("language:utf8", AUTHORIZATION),
}
