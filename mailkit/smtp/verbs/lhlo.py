"""LHLO (RFC 2033 4.1): the greeting of LMTP."""

from __future__ import annotations

from mailkit.smtp import greeting
from mailkit.smtp.reply import Refused, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session


async def run(session: Session, argument: bytes) -> Reply:
    """As EHLO."""
    if not session.settings.lmtp:
        raise Refused(500, "5.5.1", "this is SMTP: EHLO")
    await greeting.meet(session, argument, extended=True)
    return greeting.reply(session)
