"""STAT, LIST, UIDL and LAST: what is in the maildrop (RFC 1939 5 and 7; LAST: RFC 1460)."""

from __future__ import annotations

from mailkit.pop3 import wire
from mailkit.pop3.verbs import numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailkit.pop3.session import Session


async def stat(session: Session, argument: bytes) -> None:
    """STAT: messages and octets, those marked for deletion left out."""
    drop = numbered.drop(session)
    session.ok(f"{drop.count - len(drop.deleted)} {drop.octets - sum(drop.sizes[n - 1] for n in drop.deleted)}")


async def list_(session: Session, argument: bytes) -> None:
    """LIST [message]: sizes in octets as RETR will send them, byte stuffing left out (RFC 1939 11)."""
    drop = numbered.drop(session)
    if argument:
        number = numbered.one(session, argument)
        return None if number is None else session.ok(f"{number} {drop.sizes[number - 1]}")
    session.ok(f"{drop.count - len(drop.deleted)} messages")
    return session.say(wire.listing(_left(drop.deleted, drop.sizes)))


async def uidl(session: Session, argument: bytes) -> None:
    """UIDL [message]: names that never change and are never used again (RFC 1939 7)."""
    drop = numbered.drop(session)
    names = drop.names
    if names is None:
        names = await session.conn.offload(drop.read_names)
    if argument:
        number = numbered.one(session, argument)
        return None if number is None else session.ok(f"{number} {names[number - 1]}")
    session.ok(f"{drop.count - len(drop.deleted)} messages")
    return session.say(wire.listing(_left(drop.deleted, names)))


async def last(session: Session, argument: bytes) -> None:
    """LAST: the highest number that was retrieved in this session; gone from the RFC, but old programs ask."""
    session.ok(str(max(numbered.drop(session).fetched, default=0)))


def _left(deleted: set[int], values: Sequence[object]) -> Iterable[tuple[int, object]]:
    if not deleted:
        return enumerate(values, 1)
    return [(number, value) for number, value in enumerate(values, 1) if number not in deleted]
