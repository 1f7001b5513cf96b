"""Which sender addresses are a user's own (RFC 6409 6.1).

    the user's address              alice@example.test
    extensions of it                alice+shop@example.test            control/separators
    aliases that lead to the user   sales@example.test                 users/aliases
    what the administrator lists    alice@example.test *@shop.test     control/sendas
"""

from __future__ import annotations

from mailkit.mail import address as addresses
from mailkit.users import names
from mailkit.users.aliases import Aliases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home
    from mailkit.smtp.state import Session

_KEPT_MOST = 1000  # answers a session keeps: a message may name thousands of extension addresses, and all be the user's


def owns(session: Session, address: str) -> bool:
    """May the user who logged in send as `address`? The answer is kept for the session. Temp as the alias file."""
    assert session.user is not None
    try:
        wanted = addresses.canonical(address)
    except ValueError:
        return False
    if wanted not in session.owned:
        if len(session.owned) >= _KEPT_MOST:
            session.owned.clear()
        session.owned[wanted] = _owns(session.home, session.user.address, wanted)
    return session.owned[wanted]


def _owns(home: Home, user: str, wanted: str) -> bool:
    if user in names.bases(wanted, home.control.text("separators")):
        return True
    if any(_listed(line.lower().split(), user, wanted) for line in home.control.lines("sendas")):
        return True
    return user in Aliases(home).expand(wanted)


def _listed(words: list[str], user: str, wanted: str) -> bool:
    """A line of control/sendas: the user, then addresses, "*@domain" or "*"."""
    if not words or words[0] != user:
        return False
    return any(word in ("*", wanted, f"*@{wanted.rpartition('@')[2]}") for word in words[1:])
