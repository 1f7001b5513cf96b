"""STARTTLS (RFC 3207)."""

from __future__ import annotations

from mailkit.smtp.reply import Refused, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

_READY = Reply(220, "2.0.0", "go ahead")


async def run(session: Session, argument: bytes) -> None:
    """Take the connection to TLS; all the client said in the clear is forgotten, HELO included (RFC 3207 4.2)."""
    conn = session.conn
    if argument.strip():
        raise Refused(501, "5.5.4", "STARTTLS takes no argument")
    if conn.tls is not None:
        raise Refused(503, "5.5.1", "TLS is on already")
    if not conn.can_starttls:
        raise Refused(454, "4.7.0", "TLS is not available here")
    conn.write(_READY.wire())
    session.receiver.clear()
    await conn.starttls()
    session.forget_client()
    session.facts.tls = conn.tls
