"""Reports to senders: what became of a message, for people and for programs (RFC 3464, 3461, 6522, 6533).

    multipart/report
        text/plain                       what happened, in sentences, with the words of the other server
        message/delivery-status          the same for programs
        message/rfc822                   the message; or
        text/rfc822-headers              only its header

For a message with addresses or a header in UTF-8 the last two are message/global-delivery-status and
message/global or message/global-headers (RFC 6533 4).

No loop can arise: reports have the null sender (RFC 5321 4.5.5) and say Auto-Submitted (RFC 3834). What
happened to a report is told to nobody but control/postmaster, in a report that says so in its envelope;
and what happened to that one is a line in the log.
"""

from __future__ import annotations

import os

from mailkit import clock, log
from mailkit.control import Home
from mailkit.deliver import schedule
from mailkit.deliver.message import Message
from mailkit.deliver.outcome import HANDED, TRACED, Outcome
from mailkit.mail import addresslist, date, dsn, header
from mailkit.queue.claim import Claim
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.inject import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED, DELAYED, DELIVERED = "failed", "delayed", "delivered"
_KEPT = ("requiretls", "priority")
DOUBLE = "double"  # the envelope's parameter of a report about a report

_SUBJECTS = {FAILED: "Undelivered mail", DELAYED: "Delayed mail", DELIVERED: "Delivered mail"}
_WIDTH = 76
_HEADER_MOST = 1 << 16  # octets of a header that go back at least
_SAID_MOST = 2000  # characters of one server's words
_WORD_MOST = 200  # of one word in them: 800 octets at most


class Facts:
    """All that a report says, as values.

    kind: FAILED, DELAYED or DELIVERED. me: our name. to: who gets the report. sender: whose message it
    was. params: of its envelope. results: recipients and what became of them. until: Unix time at which
    we give up. q: the message's queue id. now: Unix seconds.
    """

    __slots__ = ("kind", "me", "now", "params", "q", "results", "sender", "to", "until")

    def __init__(
        self,
        kind: str,
        *,
        me: str,
        to: str,
        sender: str,
        params: dict[str, str],
        results: Sequence[tuple[Recipient, Outcome]],
        until: int,
        q: str,
        now: int,
    ) -> None:
        self.kind = kind
        self.me = me
        self.to = to
        self.sender = sender
        self.params = params
        self.results = results
        self.until = until
        self.q = q
        self.now = now

    @property
    def utf8(self) -> bool:
        """Does the report need UTF-8 where only SMTPUTF8 has it (RFC 6533)?"""
        addresses = (self.sender, self.to, *(recipient.address for recipient, _ in self.results))
        return bool(self.params.get("smtputf8")) or not all(map(str.isascii, addresses))


async def send(
    home: Home, kind: str, claim: Claim, message: Message, results: Sequence[tuple[Recipient, Outcome]]
) -> None:
    """Queue the report about `results`, of one kind, to whom it concerns. Temp when it could not be queued."""
    envelope = claim.envelope
    results = [pair for pair in results if pair[1].action != HANDED]
    to = addressee(home, kind, envelope)
    if not results:
        return
    if not to:
        for recipient, outcome in results:
            log.event("report", q=claim.name.id, kind=kind, to="", about=recipient.address, said=outcome.text)
        return
    arrived = int(envelope.params.get("arrived", "0") or 0)
    plan = schedule.of(home.control).within(envelope.params.get("by", ""), arrived)
    facts = Facts(
        kind,
        me=home.control.text("me"),
        to=to,
        sender=envelope.sender,
        params=envelope.params,
        results=results,
        until=int(arrived + plan.giveup_s),
        q=claim.name.id,
        now=int(clock.now()),
    )
    content, whole = returned(message, kind, envelope.params, home.control.octets("bouncesize"))
    # RFC 8689 5: the report needs the same protection; RFC 6710 4.6: and has the same priority.
    made = Envelope("", [Recipient(to)], {key: envelope.params[key] for key in _KEPT if key in envelope.params})
    if not envelope.sender:
        made.params[DOUBLE] = "yes"
    if not to.isascii():
        made.params["smtputf8"] = "yes"
    await _queue(home, made, report(facts, content, whole), claim.name.id, kind)


def addressee(home: Home, kind: str, envelope: Envelope) -> str:
    """Who is to hear about it: the sender; of a failed report, the postmaster, once; "" for nobody."""
    if envelope.sender:
        return envelope.sender
    if kind != FAILED or DOUBLE in envelope.params:
        return ""
    return home.control.text("postmaster") or f"postmaster@{home.control.text('me')}"


def returned(message: Message, kind: str, params: dict[str, str], most: int) -> tuple[bytes, bool]:
    """What goes back of the message, and whether it is all of it. OSError when it cannot be read.

    RFC 3461 4.3: RET=HDRS, and reports that are not of failure, want the header only; we send no more
    than that of large messages either, nor of those that must not travel in the clear (RFC 8689 5).
    """
    headers_only = kind != FAILED or params.get("ret") == "HDRS" or params.get("requiretls")
    if headers_only or message.size > most:
        block = message.header[: max(most, _HEADER_MOST)]
        return block[: block.rfind(b"\n") + 1], False
    return os.pread(message.fd, message.size, message.offset), True


def report(facts: Facts, content: bytes, whole: bool) -> bytes:
    """The report as a message with LF line ends. content: the message, or with `whole` False its header."""
    boundary = f"report-{clock.token(12)}"
    kind = b"global-" if facts.utf8 else b""
    parts = [
        _part(b"text/plain; charset=utf-8", "What happened", prose(facts, content).encode()),
        _part(b"message/" + kind + b"delivery-status", "For programs", fields(facts)),
        _part(_content_type(facts.utf8, whole), "The message" if whole else "The header of the message", content),
    ]
    delimiter = b"--" + boundary.encode()
    body = b"".join(delimiter + b"\n" + part + b"\n" for part in parts)
    intro = b"This is a report about a message, in several parts (RFC 6522).\n"
    return _header(facts, content, boundary) + b"\n" + intro + body + delimiter + b"--\n"


def fields(facts: Facts) -> bytes:
    """The part for programs (RFC 3464 2)."""
    params = facts.params
    arrived = _arrival(params)
    deadline, _ = schedule.deadline(params.get("by", ""))
    # Where a user of ours sent it from is nobody's business.
    received_from = "" if params.get("auth") else params.get("helo", "")
    if received_from and "peer" in params:
        received_from += f" ({params['peer']})"  # RFC 3464 2.2.4: its address as a comment
    groups = [
        dsn.per_message(
            facts.me,
            envid=params.get("envid", ""),
            received_from=received_from if received_from.isascii() else "",
            arrival=int(arrived) if arrived.isdigit() else None,
            deliver_by=deadline or None,
            release=params.get("hold", ""),
        )
    ]
    for recipient, outcome in facts.results:
        groups.append(
            dsn.per_recipient(
                recipient.address,
                "relayed" if outcome.action == TRACED else outcome.action or facts.kind,
                outcome.code,
                original=_original(recipient),
                remote_mta=outcome.remote,
                diagnostic=_mailable(outcome.text) if outcome.remote else "",
                last_attempt=facts.now,
                retry_until=facts.until,
                log_id=facts.q,
                utf8=facts.utf8,
            )
        )
    return b"\n".join(groups)


def prose(facts: Facts, content: bytes) -> str:
    """The part for people."""
    subject = _subject(content)
    about = f'The message "{subject}"' if subject else "A message without a subject"
    arrived = _arrival(facts.params)
    when = f" of {date.text(int(arrived))}" if arrived.isdigit() else ""
    verdict = {
        FAILED: "could not be delivered to:",
        DELAYED: "has not been delivered yet to:",
        DELIVERED: "was delivered to:",
    }[facts.kind]
    lines = [f"This is the mail system at {facts.me}.", "", *_filled(f"{about}{when} {verdict}"), ""]
    for recipient, outcome in facts.results:
        lines += [*_recipient(facts, recipient, outcome), ""]
    return "\n".join([*lines, *_filled(_outlook(facts)), ""])


def _arrival(params: dict[str, str]) -> str:
    """When it came to us; `arrived` is later where it was held back for the sender."""
    return params.get("came") or params.get("arrived", "")


def _recipient(facts: Facts, recipient: Recipient, outcome: Outcome) -> list[str]:
    """The lines about one recipient."""
    via = recipient.params.get("via", "")
    lines = [f"  <{recipient.address}>" + (f" (through {via.replace(',', ', ')})" if via else "")]
    if outcome.action == TRACED:
        sentence = f"The server {outcome.remote} took it."
    elif facts.kind == DELIVERED and outcome.action == "relayed":
        sentence = f"The server {outcome.remote} took it, and does not report what becomes of it."
    elif outcome.action == "expanded":
        sentence = "It was sent on to the addresses that this one stands for."
    elif facts.kind == DELIVERED:
        sentence = "It is in the mailbox." if not outcome.remote else f"The server {outcome.remote} stored it."
    elif outcome.remote:
        sentence = f"{_cause(outcome)} The server {outcome.remote} said:".lstrip()
    else:
        sentence = _cause(outcome)
    lines += _filled(sentence, "      ") if sentence else []
    if facts.kind != DELIVERED and outcome.text:
        lines += _filled(_mailable(outcome.text), "      > ")
    return lines


def _cause(outcome: Outcome) -> str:
    """The status code as a sentence; "" for "other or undefined" where there are words that say more."""
    if outcome.code.endswith(".0") and outcome.text:
        return ""
    words = dsn.meaning(outcome.code)
    return words[0].upper() + words[1:] + "."


def _outlook(facts: Facts) -> str:
    """What comes next."""
    if facts.kind == DELAYED:
        return (
            f"You need do nothing: delivery will be tried again until {date.text(facts.until)}, "
            "and you will hear when it fails for good."
        )
    if facts.kind == DELIVERED:
        return "You get this report because you asked for it."
    if not facts.sender:
        return "It is itself a report, so nobody else can be told. You get it because you look after this system."
    given_up = any(outcome.status == "temp" for _, outcome in facts.results)
    tried = "It has been tried for as long as this server tries, and will not be tried again." if given_up else ""
    return f"{tried} Nobody else will be told. Your message, or its header, is attached.".strip()


def _header(facts: Facts, content: bytes, boundary: str) -> bytes:
    subject = _subject(content)
    found = header.value(content, b"Message-ID")
    replied = b"In-Reply-To: " + found + b"\n" if found and found.isascii() and len(found) < 900 else b""
    to = facts.to.encode()
    return b"".join(
        (
            b"From: " + addresslist.formatted("Mail system", f"MAILER-DAEMON@{facts.me}") + b"\n",
            b"To: <" + to + b">\n",
            header.field("Subject", f"{_SUBJECTS[facts.kind]}: {subject}" if subject else _SUBJECTS[facts.kind]),
            header.structured("Date", date.text(facts.now)),
            header.structured("Message-ID", f"<{clock.token(12)}.{facts.q}@{facts.me}>"),
            replied,
            b"Auto-Submitted: auto-replied\n",  # RFC 3834 5
            b"MIME-Version: 1.0\n",
            b'Content-Type: multipart/report; report-type=delivery-status;\n boundary="' +
            boundary.encode() + b'"\n',
        )
    )


def _part(kind: bytes, description: str, content: bytes) -> bytes:
    encoding = b"" if content.isascii() else b"Content-Transfer-Encoding: 8bit\n"
    head = b"Content-Type: " + kind + b"\nContent-Description: " + description.encode() + b"\n" + encoding
    return head + b"\n" + content + (b"" if content.endswith(b"\n") else b"\n")


def _content_type(utf8: bool, whole: bool) -> bytes:
    if utf8:
        return b"message/global" if whole else b"message/global-headers"
    return b"message/rfc822" if whole else b"text/rfc822-headers"


def _subject(content: bytes) -> str:
    found = header.value(content[: 1 << 16], b"Subject")
    text = header.text(found) if found else ""
    return text if len(text) <= 100 else text[:97] + "..."


def _original(recipient: Recipient) -> tuple[str, str] | None:
    text = recipient.params.get("orcpt", "")
    try:
        return dsn.orcpt(text) if text else None
    except ValueError:
        return None


def _mailable(text: str) -> str:
    """What a server said, so that no line of the report is longer than mail may have (RFC 5321 4.5.3.1.6)."""
    words = [word[at : at + _WORD_MOST] for word in text[:_SAID_MOST].split() for at in range(0, len(word), _WORD_MOST)]
    return " ".join(words)


def _filled(text: str, indent: str = "") -> list[str]:
    """`text` in lines of _WIDTH characters; a longer word stays whole, as addresses and URLs should."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(indent) + len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return [(indent + line).rstrip() for line in lines]


async def _queue(home: Home, envelope: Envelope, data: bytes, q: str, kind: str) -> None:
    spool = Spool(home)
    spool.begin(envelope)
    try:
        spool.write(data)
        made = await spool.commit()
    finally:
        spool.abort()
    log.event("report", q=q, kind=kind, to=envelope.recipients[0].address, report=made)
