"""VRFY (RFC 5321 3.5, 4.1.1.6): tells nothing unless control/vrfy says so (RFC 5321 7.3)."""

from __future__ import annotations

from mailkit.smtp import path
from mailkit.smtp.reply import Refused, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

_CANNOT = Reply(252, "2.5.2", "send some mail, that shows it")


async def run(session: Session, argument: bytes) -> Reply:
    """Is there such an address here?"""
    text, utf8 = path.asked(argument)
    if not text:
        raise Refused(501, "5.5.4", "VRFY takes an address")
    if not session.settings.vrfy:
        return _CANNOT
    from mailkit.deliver import route
    from mailkit.smtp.verbs import rcpt

    # RFC 5321 3.5.1: a user name alone is one of ours.
    address = path.mailbox(text if "@" in text else f"{text}@{rcpt.own_domain(session)}")
    verdict = route.judge(session.home, address)
    if verdict.kind == "local":
        return shown([address], utf8)
    if verdict.kind == "remote":
        return Reply(252, "2.5.2", "not an address of this server")
    raise Refused(450 if verdict.code.startswith("4") else 550, verdict.code, verdict.text, by="route")


def shown(addresses: list[str], utf8: bool) -> Reply:
    """The answer that shows addresses. utf8: the client takes UTF-8; else RFC 6531 3.7.4.2 has us hide such ones."""
    if not utf8 and not all(map(str.isascii, addresses)):
        return Reply(252, "2.6.8", "that address is shown with SMTPUTF8 only")
    return Reply(250, "2.1.5", *[f"<{address}>" for address in addresses], utf8=utf8)
