"""HELO (RFC 5321 4.1.1.1): the old greeting; no extension holds after it."""

from __future__ import annotations

from mailkit.smtp import greeting
from mailkit.smtp.reply import Refused, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session


async def run(session: Session, argument: bytes) -> Reply:
    """Note who it is."""
    if session.settings.lmtp:
        raise Refused(500, "5.5.1", "this is LMTP: LHLO")
    await greeting.meet(session, argument, extended=False)
    return greeting.reply(session)
