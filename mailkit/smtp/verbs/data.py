"""DATA (RFC 5321 4.1.1.4): the message, ended by CRLF . CRLF and nothing else."""

from __future__ import annotations

from mailkit.smtp import intake
from mailkit.smtp.dialogue import receive
from mailkit.smtp.reply import Refused, Reply
from mailkit.smtp.wire import DotText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

_GO_AHEAD = Reply(354, "", "go ahead, end with CRLF . CRLF")


async def run(session: Session, argument: bytes) -> Reply | None:
    """Take the message in."""
    transaction = session.transaction
    if argument.strip():
        raise Refused(501, "5.5.4", "DATA takes no argument")
    if transaction is None:
        raise Refused(503, "5.5.1", "MAIL first")
    if transaction.intake is not None:
        raise Refused(503, "5.5.1", "not after BDAT")
    if not transaction.recipients:
        raise nobody(session)
    if transaction.body == "BINARYMIME":
        # RFC 3030 3: binary has no end mark.
        raise Refused(503, "5.5.1", "BINARYMIME needs BDAT")
    if len(session.receiver):
        # RFC 2920 3.1: DATA is the last of a group. What follows was written by somebody who does not
        # listen, and could be text or commands: there is no safe way to go on.
        session.ended = "refused"
        raise Refused(503, "5.5.1", "you did not wait for the answer to DATA, goodbye", by="pipelining")
    session.conn.write(_GO_AHEAD.wire())
    message = transaction.intake = intake.Intake(session, transaction)
    await _take_in(session, message)
    return await intake.deliver(session, message)


def nobody(session: Session) -> Refused:
    """What DATA and BDAT say where no recipient was accepted: 503 by RFC 2033 4.2; RFC 5321 3.3 leaves the choice."""
    return Refused(503 if session.settings.lmtp else 554, "5.5.1", "no valid recipients")


async def _take_in(session: Session, message: intake.Intake) -> None:
    decoder = DotText(session.repair)
    while not decoder.ended:
        if not len(session.receiver):
            await receive(session)
        text = session.receiver.text(decoder)
        if decoder.flaw:
            message.fail(Refused(554, "5.6.0", f"{decoder.flaw} in the message (RFC 5321 2.3.8)", by="line ends"))
        elif text:
            message.write(text)
