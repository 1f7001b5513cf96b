"""BDAT (RFC 3030): the message in counted chunks."""

from __future__ import annotations

from mailkit.smtp import intake
from mailkit.smtp.chunks import Chunks
from mailkit.smtp.dialogue import receive
from mailkit.smtp.reply import Refused, Reply
from mailkit.smtp.verbs.data import nobody
from mailkit.smtp.wire import PIECE_OCTETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session, Transaction

_DIGITS_MOST = 12


async def run(session: Session, argument: bytes) -> Reply | None:
    """Take one chunk in; after the last one the message."""
    words = argument.upper().split()
    if not words or not words[0].isdigit() or len(words[0]) > _DIGITS_MOST or words[1:] not in ([], [b"LAST"]):
        # How many octets follow is unknown: nothing after this could be told from message text.
        session.ended = "refused"
        raise Refused(501, "5.5.4", "BDAT size [LAST], goodbye")
    octets, last = int(words[0]), len(words) == 2
    transaction = session.transaction
    if transaction is None or not transaction.recipients:
        await _discard(session, octets)
        if transaction is None:
            raise Refused(503, "5.5.1", "MAIL first")
        raise nobody(session)
    return await _chunk(session, transaction, octets, last)


async def _chunk(session: Session, transaction: Transaction, octets: int, last: bool) -> Reply | None:
    chunks = transaction.chunks
    if chunks is None:
        transaction.intake = intake.Intake(session, transaction)
        chunks = transaction.chunks = Chunks(session, transaction.intake, transaction.body == "BINARYMIME")
    message = chunks.message
    left = octets
    while left:
        if not len(session.receiver):
            await receive(session)
        data = session.receiver.take(min(left, PIECE_OCTETS))
        left -= len(data)
        chunks.write(data)
    if last:
        chunks.end()
        return await intake.deliver(session, message)
    if message.failure is not None:
        # RFC 3030 2: the transaction is over; further chunks are thrown away until the client says RSET.
        refused = message.failure
        session.reset()
        raise refused
    return Reply(250, "2.0.0", f"{octets} octets")


async def _discard(session: Session, octets: int) -> None:
    while octets:
        if not len(session.receiver):
            await receive(session)
        octets -= len(session.receiver.take(octets))
