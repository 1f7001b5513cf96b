"""NOOP and QUIT: still here, and the end."""

from __future__ import annotations

from mailkit import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.pop3.session import Session


async def noop(session: Session, argument: bytes) -> None:
    """NOOP: nothing, but the idle time begins anew."""
    session.ok()


async def quit_(session: Session, argument: bytes) -> None:
    """QUIT: after a login the UPDATE state, in which marked messages go (RFC 1939 6)."""
    session.over = True
    drop = session.drop
    if drop is None:
        return session.ok("bye")
    try:
        session.removed = await session.conn.offload(drop.remove)
    except OSError as error:
        log.event("trouble", c=session.conn.id, verb="QUIT", error=f"{error.filename}: {error.strerror}")
        return session.err("[SYS/TEMP] some deleted messages were not removed")
    try:
        await session.conn.offload(drop.mark_fetched)
    except OSError as error:
        # RFC 1939 knows no flags: nothing the client should hear of.
        log.event("trouble", c=session.conn.id, verb="QUIT", error=f"{error.filename}: {error.strerror}")
    return session.ok(f"bye, {session.removed} messages deleted" if session.removed else "bye")
