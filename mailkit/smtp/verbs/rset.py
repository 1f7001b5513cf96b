"""RSET (RFC 5321 4.1.1.5)."""

from __future__ import annotations

from mailkit.smtp.reply import Refused, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

_DONE = Reply(250, "2.0.0", "forgotten")


async def run(session: Session, argument: bytes) -> Reply:
    """Drop the transaction."""
    if argument.strip():
        raise Refused(501, "5.5.4", "RSET takes no argument")
    session.reset()
    return _DONE
