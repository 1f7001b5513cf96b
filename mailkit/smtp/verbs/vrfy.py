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
    # RFC 6531 3.7.4.2: SMTPUTF8 may follow the string.
    text = argument.decode("utf-8", "replace").strip().removesuffix(" SMTPUTF8").strip("<> ")
    if not text:
        raise Refused(501, "5.5.4", "VRFY takes an address")
    if not session.settings.vrfy:
        return _CANNOT
    from mailkit.deliver import route

    address = path.mailbox(text)
    verdict = route.judge(session.home, address)
    if verdict.kind == "local":
        return Reply(250, "2.1.5", f"<{address}>")
    if verdict.kind == "remote":
        return Reply(252, "2.5.2", "not an address of this server")
    raise Refused(550, verdict.code, verdict.text, by="route")
