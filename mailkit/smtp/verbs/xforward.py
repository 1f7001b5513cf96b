"""XFORWARD (Postfix's XFORWARD_README): a front end says where a message came from; only the log and checks use it."""

from __future__ import annotations

from mailkit import log
from mailkit.smtp import front
from mailkit.smtp.reply import Refused, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

_NAMES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")
_OK = Reply(250, "2.0.0", "ok")


async def run(session: Session, argument: bytes) -> Reply:
    """Note the attributes for the message that comes next."""
    if session.transaction is not None:
        raise Refused(503, "5.5.1", "not during a transaction")
    found = front.attributes(session, argument, _NAMES)
    log.event("forwarded", c=session.conn.id, **{name.lower(): value for name, value in found.items() if value})
    return _OK
