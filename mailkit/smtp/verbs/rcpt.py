"""RCPT (RFC 5321 4.1.1.3): a recipient, judged at once, so that nothing is accepted and then bounced."""

from __future__ import annotations

from mailkit.deliver import route
from mailkit.queue.entry import Recipient
from mailkit.smtp import params, path, refusal
from mailkit.smtp.reply import Refused, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.deliver.route import Verdict
    from mailkit.smtp.state import Session, Transaction

_OK = Reply(250, "2.1.5", "recipient ok")
# RCPT commands of one transaction beyond control/maxrcpt: RFC 5321 4.5.3.1.10 lets a client go on after 452, but
# none that means well goes on like this.
_SURPLUS_MOST = 1000


async def run(session: Session, argument: bytes) -> Reply:
    """Read recipient and parameters, find its way, ask the policy, add it."""
    transaction = session.transaction
    if transaction is None:
        raise Refused(503, "5.5.1", "MAIL first")
    if transaction.intake is not None:
        raise Refused(503, "5.5.1", "not after BDAT")
    transaction.asked += 1
    if transaction.asked > session.settings.maxrcpt + _SURPLUS_MOST:
        session.ended = "refused"
        raise Refused(421, "4.5.3", "far too many recipients, goodbye")
    if len(transaction.recipients) >= session.settings.maxrcpt:
        raise Refused(452, "4.5.3", "too many recipients, send the rest in another message")
    if not transaction.sender and transaction.recipients and session.facts.stranger:
        # RFC 5321 4.5.5: reports go to the one who sent the message; a crowd is what forged reports are sent to.
        raise Refused(452, "4.5.3", "one recipient at a time from the null sender")
    if argument[:3].upper() != b"TO:":
        raise Refused(501, "5.5.4", "RCPT TO:<address>")
    address, words = path.read(argument[3:].lstrip(b" "), "5.1.3")
    if not address:
        raise Refused(501, "5.1.3", "a recipient is needed")
    if "@" not in address:
        address = f"{address}@{own_domain(session)}"
    recipient = Recipient(address)
    if words:
        if not session.extended:
            raise Refused(555, "5.5.4", "parameters need EHLO")
        params.apply(params.RCPT, session, recipient, words)
    verdict = await _judge(session, transaction, address)
    if address in transaction.named and not session.settings.lmtp:
        # One copy is enough; LMTP needs an answer for each time it was named (RFC 2033 4.2).
        return _OK
    transaction.named.add(address)
    transaction.recipients.append(recipient)
    transaction.verdict = verdict
    session.facts.recipients.append(address)
    return _OK


def own_domain(session: Session) -> str:
    """The domain of <postmaster> (RFC 5321 4.1.1.3): this host's name if mail for it is ours, or our first domain."""
    me = session.settings.me
    domains = session.home.control.lines("domains")
    return me if me.lower() in route.hosted(session.home) or not domains else domains[0]


async def _judge(session: Session, transaction: Transaction, address: str) -> Verdict:
    if not transaction.utf8 and not address.isascii():
        raise Refused(553, "5.6.7", "this address needs SMTPUTF8")
    facts = session.facts
    verdict = route.judge(session.home, address, octets=facts.size)
    facts.recipient, facts.remote = address, verdict.kind == "remote"
    await refusal.judge(session, "rcpt")
    if not verdict.deliverable:
        code = 450 if verdict.code.startswith("4") else 550
        if verdict.kind == "overquota":
            code += 2  # RFC 5321 4.2.3: 452 and 552 are about storage
        raise Refused(code, verdict.code, f"<{address}>: {verdict.text}", by=f"route-{verdict.kind}")
    return verdict
