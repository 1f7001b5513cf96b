"""NOOP (RFC 5321 4.1.1.9)."""

from __future__ import annotations

from mailkit.smtp.reply import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

_DONE = Reply(250, "2.0.0", "ok")


async def run(session: Session, argument: bytes) -> Reply:
    """Nothing; an argument is allowed and ignored."""
    return _DONE
