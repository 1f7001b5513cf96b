"""LOGOUT (RFC 9051 section 6.1.3)."""

from __future__ import annotations

from mailkit.imap import replies
from mailkit.imap.commands import LOGOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def logout(state: Session, reader: Reader) -> None:
    """No arguments. BYE comes before the OK."""
    reader.end()
    replies.tell(state, "Until next time", word="BYE")
    state.state, state.why = LOGOUT, "logout"
