"""Arguments that name a message, for every verb that takes one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.pop3.maildrop import Maildrop
    from mailkit.pop3.session import Session


def drop(session: Session) -> Maildrop:
    """The open maildrop. Verbs of the TRANSACTION state are not called without one."""
    assert session.drop is not None
    return session.drop


def one(session: Session, argument: bytes) -> int | None:
    """The message number in `argument`; None after refusing it: no number, no such message, or deleted."""
    number = count(argument)
    if number is None:
        session.err("a message number is wanted")
        return None
    messages = drop(session)
    if not 0 < number <= messages.count or number in messages.deleted:
        session.err("no such message")
        return None
    return number


def count(argument: bytes) -> int | None:
    """A number of at most nine digits; None when `argument` is anything else."""
    argument = argument.strip(b" ")
    return int(argument) if argument.isdigit() and len(argument) < 10 else None
