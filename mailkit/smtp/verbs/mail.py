"""MAIL (RFC 5321 4.1.1.2): a transaction begins."""

from __future__ import annotations

from mailkit.smtp import params, path, refusal
from mailkit.smtp.reply import Refused, Reply
from mailkit.smtp.state import Transaction
from mailkit.users import standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session
    from mailkit.users.passwd import User

_OK = Reply(250, "2.1.0", "sender ok")


async def run(session: Session, argument: bytes) -> Reply:
    """Read sender and parameters, ask the policy, open the transaction."""
    if not session.helo:
        raise Refused(503, "5.5.1", "say who you are first: EHLO")
    if session.transaction is not None:
        raise Refused(503, "5.5.1", "MAIL was given already")
    if session.messages >= session.settings.maxmessages:
        session.ended = "maxmessages"
        raise Refused(421, "4.7.0", "enough messages for one connection, please come back")
    if argument[:5].upper() != b"FROM:":
        raise Refused(501, "5.5.4", "MAIL FROM:<address>")
    # RFC 5321 3.3 has no blank after the colon; too many clients write one.
    sender, words = path.read(argument[5:].lstrip(b" "), "5.1.7")
    transaction = Transaction(sender)
    session.facts.forget_message()
    if words:
        if not session.extended:
            raise Refused(555, "5.5.4", "parameters need EHLO")
        params.apply(params.MAIL, session, transaction, words)
        params.agree(transaction)
    _check_sender(transaction)
    facts = session.facts
    facts.sender, facts.params = sender, transaction.params
    await refusal.judge(session, "mail")
    if session.user is not None:
        _check_user(session, session.user)
        _check_owner(session, sender)
    session.transaction = transaction
    return _OK


def _check_sender(transaction: Transaction) -> None:
    sender = transaction.sender
    if sender and "@" not in sender:
        raise Refused(553, "5.1.7", "the sender needs a domain")
    if not transaction.utf8 and not sender.isascii():
        raise Refused(550, "5.6.7", "this address needs SMTPUTF8")  # RFC 6531 3.5: 553 is for recipients


def _check_user(session: Session, user: User) -> None:
    """Whose login does not hold any more has to log in again."""
    if not standing.same(session.home, user):
        session.ended = "user"
        raise Refused(421, "4.7.0", "your account was changed, please log in again", by="user")


def _check_owner(session: Session, sender: str) -> None:
    """A user sends as themselves (RFC 6409 6.1). The null sender is for their programs' notifications (3.2)."""
    from mailkit.smtp import ownership

    if sender and not ownership.owns(session, sender):
        raise Refused(550, "5.7.1", f"<{sender}> is not an address of yours", by="sender")
