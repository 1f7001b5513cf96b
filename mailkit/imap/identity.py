"""Who a session belongs to, and what that allows it to send."""

from __future__ import annotations

from mailkit.imap import target
from mailkit.imap.commands import AUTHENTICATED, NOT_AUTHENTICATED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.users.passwd import User

LOGIN_IDLE_S = 120
"""Before the login nothing is promised, and strangers should not hold connections."""
IDLE_S = 1830
"""After it a server waits at least 30 minutes (RFC 9051 section 5.4)."""

LOGIN_LINE_OCTETS, LOGIN_LITERAL_OCTETS = 8192, 4096
LINE_OCTETS, LITERAL_OCTETS = 65536, 262144
"""RFC 7162 section 4 wants lines of 8192 octets; clients that name 10,000 UIDs in one set need more."""


def enter(state: Session, user: User) -> None:
    """From not authenticated to authenticated."""
    from mailkit.maildir.tree import Tree

    state.user = user
    state.tree = Tree(user.maildir)
    state.state = AUTHENTICATED
    state.conn.idle_s = IDLE_S
    state.engine.line_octets = LINE_OCTETS
    state.engine.literal_octets = LITERAL_OCTETS


def leave(state: Session) -> None:
    """To not authenticated; no folder may be selected any more."""
    target.release(state)
    state.user = None
    state.tree = None
    state.enabled = frozenset()
    state.state = NOT_AUTHENTICATED
    state.conn.idle_s = LOGIN_IDLE_S
    state.engine.line_octets = LOGIN_LINE_OCTETS
    state.engine.literal_octets = LOGIN_LITERAL_OCTETS
