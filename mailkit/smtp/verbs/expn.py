"""EXPN (RFC 5321 3.5, 4.1.1.7): tells nothing unless control/vrfy says so (RFC 5321 7.3)."""

from __future__ import annotations

from mailkit.smtp import path
from mailkit.smtp.reply import Refused, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

_CANNOT = Reply(252, "2.5.2", "lists are not shown here")


async def run(session: Session, argument: bytes) -> Reply:
    """Whom does an alias stand for?"""
    text, utf8 = path.asked(argument)
    if not text:
        raise Refused(501, "5.5.4", "EXPN takes an address")
    if not session.settings.vrfy:
        return _CANNOT
    from mailkit.deliver import route
    from mailkit.smtp.verbs import rcpt, vrfy

    verdict = route.judge(session.home, path.mailbox(text if "@" in text else f"{text}@{rcpt.own_domain(session)}"))
    if verdict.kind == "local" and verdict.targets:
        return vrfy.shown(verdict.targets, utf8)
    raise Refused(550, "5.1.1", "no list of that name", by="route")
