"""QUIT (RFC 5321 4.1.1.10)."""

from __future__ import annotations

from mailkit.smtp.reply import Refused, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

_BYE = Reply(221, "2.0.0", "goodbye")


async def run(session: Session, argument: bytes) -> Reply:
    """End the session once the reply is out."""
    if argument.strip():
        raise Refused(501, "5.5.4", "QUIT takes no argument")
    session.ended = "quit"
    return _BYE
