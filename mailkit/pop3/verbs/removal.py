"""DELE and RSET: marks for the end of the session (RFC 1939 5). Nothing is removed before QUIT."""

from __future__ import annotations

from mailkit.pop3.verbs import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.pop3.session import Session


async def dele(session: Session, argument: bytes) -> None:
    """DELE message: mark it."""
    number = numbered.one(session, argument)
    if number is None:
        return
    numbered.drop(session).deleted.add(number)
    session.ok(f"message {number} will be deleted")


async def rset(session: Session, argument: bytes) -> None:
    """RSET: take all marks away."""
    drop = numbered.drop(session)
    drop.deleted.clear()
    drop.fetched.clear()
    session.ok(f"{drop.count} messages ({drop.octets} octets)")
