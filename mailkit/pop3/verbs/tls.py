"""STLS (RFC 2595 4): TLS on a connection that began in the clear."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.pop3.session import Session


async def stls(session: Session, argument: bytes) -> None:
    """STLS: afterwards the session is new, but for the greeting; nothing said in the clear counts."""
    if argument:
        return session.err("STLS takes no argument")
    if session.conn.tls is not None:
        return session.err("TLS already")
    if not session.conn.can_starttls:
        return session.err("[SYS/PERM] no TLS here")
    session.ok("begin TLS")
    session.wire.clear()
    session.queued = 0
    await session.conn.starttls()
    session.name = None
    return None
