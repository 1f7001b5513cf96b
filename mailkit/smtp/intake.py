"""One message on its way from the wire into the queue: header judged, Received put on top, streamed, made durable.

The header is gathered in memory (control/maxheader bounds it); what follows goes straight to the queue file, so
memory does not grow with the message. Only when a check wants to see the whole message (moment `data`) is it held
first, in a file without a name, and copied when it was accepted.

Invariant: 250 is said only after `Spool.commit` or `plain.put` returned. Whatever fails before that removes the queue
file, and the client is told 4xx or 5xx.
"""

from __future__ import annotations

from mailkit import log
from mailkit.exits import Trouble
from mailkit.mail import header
from mailkit.net.conn import Closing
from mailkit.policy.message import Held
from mailkit.queue.entry import Envelope
from mailkit.queue.inject import Spool
from mailkit.smtp import received, refusal
from mailkit.smtp.dialogue import answer
from mailkit.smtp.reply import Refused, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session, Transaction


class Intake:
    """`write` the text with LF line ends as it comes, then `finish`; or `abort` at any time.

    failure: why the message cannot be accepted. What is written after that is thrown away, because the client has to
    send its message to the end before it listens.
    """

    __slots__ = ("_head", "_held", "_session", "_spool", "_transaction", "failure", "message_id", "size")

    def __init__(self, session: Session, transaction: Transaction) -> None:
        self._session = session
        self._transaction = transaction
        self._head: bytearray | None = bytearray()  # None once the header is complete
        self._spool: Spool | None = None
        self._held: Held | None = None
        self.failure: Refused | None = None
        self.message_id: bytes | None = None  # as the header has it, for the log
        self.size = 0

    def write(self, text: bytes) -> None:
        """Take the next piece of the message. Never raises: see `failure`."""
        if self.failure is not None:
            return
        self.size += len(text)
        limit = self._session.settings.databytes
        try:
            if limit and self.size > limit:
                raise Refused(552, "5.3.4", f"message too big, {limit} octets are the limit", by="databytes")
            if self._head is None:
                self._store(text)
            else:
                self._gather(self._head, text)
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Give the message up; the first reason counts.

        Whatever it is, it must not pass through here: the rest of the message would be taken for commands.
        """
        if self.failure is None:
            self.failure = error if isinstance(error, Refused) else _refusal(error, self._session.conn.id)
        self.abort()

    def abort(self) -> None:
        """Remove what was stored. Harmless at any time."""
        if self._spool is not None:
            self._spool.abort()
            self._spool = None
        if self._held is not None:
            self._held.close()
            self._held = None

    async def finish(self) -> str:
        """Make it durable; returns the queue id. Refused when it was not accepted; nothing is stored then."""
        try:
            return await self._finished()
        except Closing:
            raise
        except Exception as error:
            self.fail(error)
        finally:
            self.abort()
        assert self.failure is not None
        raise self.failure

    async def _finished(self) -> str:
        if self.failure is not None:
            raise self.failure
        if self._head is not None:
            self._complete(bytes(self._head), b"")
        facts = self._session.facts
        facts.size = self.size
        if self._held is not None:
            facts.message = self._held
            await refusal.judge(self._session, "data")
            spool = self._begun()
            for piece in self._held.pieces():
                spool.write(piece)
        assert self._spool is not None
        return await self._committed(self._spool)

    async def _committed(self, spool: Spool) -> str:
        id = spool.id
        if not await self._is_ready(spool):
            await spool.commit()
        self._spool = None
        return id

    async def _is_ready(self, spool: Spool) -> bool:
        """Leave it ready for the only mailbox it is for, if there is nothing that an envelope must say: what the client
        asked for (DSN, MT-PRIORITY, REQUIRETLS, FUTURERELEASE ...), that it is junk."""
        transaction = self._transaction
        verdict, data = transaction.verdict, spool.held
        if verdict is None or data is None or len(transaction.recipients) != 1 or transaction.recipients[0].params:
            return False
        if transaction.params or transaction.due is not None or self._session.facts.junk:
            return False
        from mailkit.deliver import plain

        return await plain.put(self._session.home, verdict, transaction.sender, spool.id, data)

    def _gather(self, head: bytearray, text: bytes) -> None:
        """Add to the header until the empty line; each octet is looked at once however the text was cut."""
        seen = max(len(head) - 1, 0)
        head += text
        end = 0 if head.startswith(b"\n") else head.find(b"\n\n", seen) + 1
        if end or head.startswith(b"\n"):
            self._complete(bytes(head[:end]), bytes(head[end:]))
        elif len(head) > self._session.settings.maxheader:
            raise Refused(552, "5.3.4", "the header is too big", by="maxheader")

    def _complete(self, block: bytes, rest: bytes) -> None:
        """The header is here: judge it, put it right, and begin to store."""
        session = self._session
        if len(block) > session.settings.maxheader:
            raise Refused(552, "5.3.4", "the header is too big", by="maxheader")
        if hops(block) > session.settings.maxhops:
            # RFC 5321 6.3: it goes round in circles.
            raise Refused(554, "5.4.6", "too many hops, the message is in a loop", by="maxhops")
        if session.settings.lmtp:
            block = header.unmarked(block)
        if session.settings.submission:
            from mailkit.smtp import submission

            block = submission.repaired(session, self._transaction.sender, block)
        self._head = None
        self.message_id = header.value(block, b"Message-ID")
        if session.settings.policy.asks("data"):
            self._held = Held(session.home)
        else:
            self._begun()
        self._store(block + rest)

    def _store(self, text: bytes) -> None:
        if self._held is not None:
            self._held.write(text)
        elif self._spool is not None:
            self._spool.write(text)

    def _begun(self) -> Spool:
        """The queue entry, with its envelope and our fields on top."""
        session, transaction = self._session, self._transaction
        spool = self._spool = Spool(session.home)
        id = spool.begin(_envelope(session, transaction), transaction.due)
        spool.write(received.field(session, transaction, id) + _marks(session))
        return spool


def hops(block: bytes) -> int:
    """Received and Delivered-To fields in a header block: how often the message has been through a server."""
    lower = b"\n" + block.lower()
    return lower.count(b"\nreceived:") + lower.count(b"\ndelivered-to:")


async def deliver(session: Session, intake: Intake) -> Reply | None:
    """End the transaction; the reply to the message. LMTP gets one for each recipient (RFC 2033 4.2)."""
    transaction = session.transaction
    assert transaction is not None
    refused: Refused | None = None
    id = ""
    try:
        id = await intake.finish()
    except Refused as error:
        refused = error
    if refused is None:
        await _accepted(session, transaction, id, intake)
    count = len(transaction.recipients) if session.settings.lmtp else 1
    session.reset()
    reply = Reply(250, "2.0.0", f"queued as {id}") if refused is None else refused.reply
    for _ in range(count - 1):
        await answer(session, reply, "message", refused.by if refused else "")
    if refused is not None:
        raise refused
    return reply


async def _accepted(session: Session, transaction: Transaction, id: str, intake: Intake) -> None:
    """Count and log a message that is in the queue. Whatever fails here, the answer is 250."""
    session.messages += 1
    session.idle = session.errors = 0
    try:
        _log(session, transaction, id, intake)
        await session.settings.policy.judge("accepted", session.facts)
    except Exception as error:
        log.trace("broken", error, c=session.conn.id, q=id)


def _envelope(session: Session, transaction: Transaction) -> Envelope:
    facts = session.facts
    params = {"with": received.protocol(session, transaction.utf8), "helo": session.helo}
    if facts.peer:
        params["peer"] = facts.peer
    if facts.account:
        params["auth"] = facts.account
    if transaction.body != "7BIT":
        # A BINARYMIME message has lost its binary parts to base64 on the way here.
        params["body"] = "8BITMIME"
    if facts.junk:
        params["junk"] = facts.junk
    if transaction.due is not None:
        # RFC 4865 5: how long we try counts from the release.
        params["arrived"] = str(int(transaction.due))
    return Envelope(transaction.sender, transaction.recipients, params | transaction.params)


def _marks(session: Session) -> bytes:
    """The fields that checks put on top, LF line ends."""
    facts = session.facts
    fields = [*facts.fields, f"X-Junk: {facts.junk}"] if facts.junk else facts.fields
    lines = [field.replace("\n", " ").replace("\r", " ") for field in fields]
    return b"".join(line.encode("utf-8", "replace") + b"\n" for line in lines)


def _refusal(error: Exception, conn_id: str) -> Refused:
    if not isinstance(error, Trouble):
        log.trace("broken", error, c=conn_id, verb="message")
        return Refused(451, "4.3.0", "an error of ours, please try again")
    if not error.passing:
        return Refused(554, error.code, error.text, detail=error.detail)
    # RFC 5321 4.2.3: 452 is "insufficient system storage".
    code = 452 if error.code == "4.3.1" else 451
    return Refused(code, error.code, error.text, detail=error.detail)


def _log(session: Session, transaction: Transaction, id: str, intake: Intake) -> None:
    facts = session.facts
    log.event(
        "accept",
        c=session.conn.id,
        q=id,
        from_=f"<{transaction.sender}>",
        to=f"<{transaction.recipients[0].address}>",
        recipients=len(transaction.recipients),
        size=intake.size,
        msgid=intake.message_id or None,
        user=facts.account or None,
        junk=facts.junk or None,
    )
