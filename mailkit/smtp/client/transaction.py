"""One message to one server: MAIL, RCPT for each recipient, DATA or BDAT, and a Result for each recipient.

Where the server takes pipelined commands (RFC 2920) the whole envelope goes out at once:

    C: MAIL FROM:<a@example.test> SIZE=4213       S: 250 2.1.0 ok
       RCPT TO:<b@example.net>                       250 2.1.5 ok
       RCPT TO:<c@example.net>                       550 5.1.1 no such user
       DATA                                          354 go on
    C: the message, then "."                      S: 250 2.0.0 queued as 4711

Invariant: every recipient gets exactly one Result, whatever happens; and "ok" only from a 2xx reply after
the end of the message. The message itself goes by BDAT where the server has CHUNKING (RFC 3030), because
a counted message cannot be ended early by its content; but only after a recipient was accepted: a server
that refuses BDAT and does not skip its octets would read them as commands.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.mail import dsn
from mailkit.smtp.client.body import Body
from mailkit.smtp.client.dialogue import Broken, Dialogue
from mailkit.smtp.reply import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.client.hello import Features

END = "end of message"  # the stage at which the server has all of it
RECIPIENTS_MOST = 100  # RFC 5321 4.5.3.1.8: every server takes that many
_LARGE = 65536  # octets: wait until so many are on their way before the next are read


class Mail:
    """A message and its envelope's head. params as in the queue entry: ret, envid (decoded), smtputf8, requiretls, by
    ("1763768464;R", RFC 2852), priority (RFC 6710)."""

    __slots__ = ("body", "params", "sender")

    def __init__(self, sender: str, body: Body, params: dict[str, str] | None = None) -> None:
        self.sender = sender
        self.body = body
        self.params = {} if params is None else params


class To:
    """One recipient. params as in the queue entry: notify, orcpt (as in SMTP)."""

    __slots__ = ("address", "params")

    def __init__(self, address: str, params: dict[str, str] | None = None) -> None:
        self.address = address
        self.params = {} if params is None else params


class Result:
    """What the server said about one recipient. stage: the command it said it to. heard: False when the server said
    nothing and `reply` is ours. broken: because the connection broke. dsn: the server takes over what the
    sender wants
    to be told (RFC 3461). traced: the sender is to hear that it was sent on (RFC 2852)."""

    __slots__ = ("broken", "dsn", "heard", "reply", "stage", "traced")

    def __init__(
        self,
        stage: str,
        reply: Reply,
        heard: bool = True,
        *,
        broken: bool = False,
        dsn: bool = False,
        traced: bool = False,
    ) -> None:
        self.stage = stage
        self.reply = reply
        self.heard = heard
        self.broken = broken
        self.dsn = dsn
        self.traced = traced

    def __repr__(self) -> str:
        return f"Result({self.stage!r}, {self.reply!r}, heard={self.heard})"


async def send(talk: Dialogue, mail: Mail, recipients: list[To]) -> list[Result]:
    """Send `mail` to at most RECIPIENTS_MOST `recipients`; one Result each, in their order.

    The session must have said EHLO. When a Result is `broken`, or `talk.last_word` is set, the
    connection is of no more use. OSError when the message cannot be read: then the connection must be
    closed, and nothing was delivered.
    """
    assert talk.features is not None
    talk.renew()
    talk.sent += 1
    refused = [precheck(talk, mail, to) for to in recipients]
    sendable = [to for to, refusal in zip(recipients, refused, strict=True) if refusal is None]
    results = iter(await _transaction(talk, mail, sendable) if sendable else [])
    return [next(results) if refusal is None else refusal for refusal in refused]


def precheck(talk: Dialogue, mail: Mail, to: To) -> Result | None:
    """Why this server cannot take this message for this recipient, judged by what it offers. None: it may."""
    features = talk.features
    assert features is not None
    for status, address in (("5.1.7", mail.sender), ("5.1.3", to.address)):
        if not address.isprintable():
            return Result("syntax", Reply(553, status, f"{address!r} is no address"), heard=False)
    if features.size is not None and mail.body.size > features.size:
        text = f"the message has {mail.body.size} octets, the server takes at most {features.size}"
        return Result("SIZE", Reply(552, "5.3.4", text), heard=False)
    if "SMTPUTF8" not in features:
        if wire_address(mail.sender) is None or wire_address(to.address) is None:
            text = "the address has other than ASCII characters, which the server does not take"
            return Result("SMTPUTF8", Reply(553, "5.6.7", text), heard=False)
        if mail.params.get("smtputf8") and mail.body.eight_bit_header:
            text = "the header has other than ASCII characters, which the server does not take"
            return Result("SMTPUTF8", Reply(554, "5.6.9", text), heard=False)
    if mail.params.get("requiretls") and mail.sender and not keeps_tls(talk):
        # RFC 8689 4.2.1: hand it on only where the next hop will keep the promise; 5: but reports go all the same.
        text = "the sender requires TLS all the way, and the server does not promise it"
        return Result("REQUIRETLS", Reply(550, "5.7.30", text), heard=False)
    deadline, mode = by(mail)
    if mode.startswith("R") and deadline - clock.now() < shortest_by(features):
        # RFC 2852 4.1.4.1: nobody would send it back in time.
        text = "the sender wants it back after a time, and the server does not promise that"
        return Result("DELIVERBY", Reply(550, "5.3.3", text), heard=False)
    return None


def keeps_tls(talk: Dialogue) -> bool:
    """Does the server promise to hand on with TLS only (RFC 8689 2)?"""
    assert talk.features is not None
    return "REQUIRETLS" in talk.features and talk.conn.tls is not None


def by(mail: Mail) -> tuple[int, str]:
    """The deadline in Unix seconds and its mode (R, RT, N or NT); (0, "") where there is none (RFC 2852 4)."""
    deadline, _, mode = mail.params.get("by", "").partition(";")
    return (int(deadline), mode) if mode else (0, "")


def shortest_by(features: Features) -> float:
    """The shortest time in seconds after which the server sends mail back (RFC 2852 2); endless where it never does."""
    words = features.words.get("DELIVERBY")
    if words is None:
        return float("inf")
    return int(words[0]) if words and words[0].isascii() and words[0].isdigit() else 0


def is_traced(mail: Mail, features: Features) -> bool:
    """Is the sender told when this server takes it: because they asked for it, or because the server will not tell them
    that it is late (RFC 2852 4.1.4, 4.1.4.2)?"""
    deadline, mode = by(mail)
    return mode.endswith("T") or (mode == "N" and "DELIVERBY" not in features and deadline > clock.now())


def wire_address(address: str) -> str | None:
    """The address in ASCII: the domain as A-labels. None when its local part is not ASCII."""
    if address.isascii():
        return address
    from mailkit.mail import idn

    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{idn.ascii(domain)}" if local.isascii() else None
    except ValueError:
        return None


async def _transaction(talk: Dialogue, mail: Mail, recipients: list[To]) -> list[Result]:
    results: dict[int, Result] = {}
    try:
        await _dialogue(talk, mail, recipients, results)
    except Broken as error:
        reply = Reply(421, error.code, error.text)
        for number in range(len(recipients)):
            results.setdefault(number, Result(talk.stage, reply, heard=False, broken=True))
    return [results[number] for number in range(len(recipients))]


async def _dialogue(talk: Dialogue, mail: Mail, recipients: list[To], results: dict[int, Result]) -> None:
    """The dialogue; `results` is filled as answers come, so that what was said stays when the connection breaks."""
    assert talk.features is not None
    chunked = "CHUNKING" in talk.features
    talk.stage = "MAIL"
    if talk.ahead:
        raise Broken("the server answers what it was not asked", "4.5.0")
    if talk.dirty:
        await talk.command("RSET")
    talk.dirty = True
    begin = Envelope(talk, mail, recipients, results)
    go_on = await begin.exchange(with_data=not chunked)
    accepted = [number for number in range(len(recipients)) if number not in results]
    if not accepted:
        return
    refusal = await (_bdat(talk, mail.body) if chunked else _data(talk, mail.body, go_on))
    told = "DSN" in talk.features
    traced = is_traced(mail, talk.features)
    for number in accepted:
        # One reply; in LMTP one for each recipient that was accepted (RFC 2033 4.2).
        if refusal is None and (talk.lmtp or number == accepted[0]):
            reply = await talk.reply(talk.limits.end)
            talk.dirty = False
        answer = refusal or reply
        results[number] = Result(talk.stage, answer, dsn=told and answer.ok, traced=traced and answer.ok)


class Envelope:
    """MAIL, the RCPTs and DATA of one transaction, on their way."""

    def __init__(self, talk: Dialogue, mail: Mail, recipients: list[To], results: dict[int, Result]) -> None:
        assert talk.features is not None
        self._talk = talk
        self._results = results
        self._count = len(recipients)
        self._mail = mail_command(talk, mail, needs_utf8(mail, recipients))
        late = by(mail)[1].startswith("N") and "DELIVERBY" not in talk.features
        self._rcpts = [rcpt_command(talk, to, late) for to in recipients]

    async def exchange(self, with_data: bool) -> Reply | None:
        """Send and hear it all. Recipients that are out get their Result; the answer to DATA is returned. Broken."""
        assert self._talk.features is not None
        if "PIPELINING" in self._talk.features:
            return await self._at_once(with_data)
        return await self._one_by_one(with_data)

    async def _at_once(self, with_data: bool) -> Reply | None:
        talk = self._talk
        talk.send(self._mail, *self._rcpts, *(("DATA",) if with_data else ()))
        self._heard_mail(await self._answer("MAIL"))
        for number in range(self._count):
            self._heard_rcpt(number, await self._answer("RCPT"))
        if not with_data:
            return None
        go_on = await self._answer("DATA", talk.limits.start)
        if go_on.code == 354 and len(self._results) == self._count:
            # RFC 2920 3.1: it waits for a message though it took no recipient. It gets an empty one.
            talk.write(b".\r\n")
            await talk.reply(talk.limits.end)
        return go_on

    async def _one_by_one(self, with_data: bool) -> Reply | None:
        talk = self._talk
        self._heard_mail(await talk.command(self._mail))
        for number, line in enumerate(self._rcpts):
            if len(self._results) < self._count:
                self._heard_rcpt(number, await talk.command(line))
        if not with_data or len(self._results) == self._count:
            return None
        return await talk.command("DATA", talk.limits.start)

    async def _answer(self, stage: str, limit_s: float | None = None) -> Reply:
        self._talk.stage = stage
        return await self._talk.reply(limit_s)

    def _heard_mail(self, reply: Reply) -> None:
        if not reply.ok:
            for number in range(self._count):
                self._results[number] = Result("MAIL", reply)

    def _heard_rcpt(self, number: int, reply: Reply) -> None:
        if reply.code == 552:
            # RFC 5321 4.5.3.1.10: old servers say so when the recipients are too many; it is not for ever.
            reply = Reply(452, "4.5.3", *reply.lines)
        if not reply.ok:
            self._results.setdefault(number, Result("RCPT", reply))


def needs_utf8(mail: Mail, recipients: list[To]) -> bool:
    """Does it take SMTPUTF8 to send this (RFC 6531 3.4)?"""
    if mail.params.get("smtputf8") and mail.body.eight_bit_header:
        return True
    return wire_address(mail.sender) is None or any(wire_address(to.address) is None for to in recipients)


def mail_command(talk: Dialogue, mail: Mail, utf8: bool) -> str:
    """MAIL with the parameters that this server knows."""
    assert talk.features is not None
    features, params = talk.features.words, mail.params
    sender = wire_address(mail.sender)
    words = [f"MAIL FROM:<{mail.sender if sender is None else sender}>"]
    if "SIZE" in features:
        words.append(f"SIZE={mail.body.size}")
    if mail.body.eight_bit and "8BITMIME" in features:
        words.append("BODY=8BITMIME")
    if utf8 and "SMTPUTF8" in features:
        words.append("SMTPUTF8")
    if "DSN" in features and params.get("ret"):
        words.append(f"RET={params['ret']}")
    if "DSN" in features and params.get("envid"):
        words.append(f"ENVID={dsn.xtext(params['envid'])}")
    if params.get("requiretls") and keeps_tls(talk):
        words.append("REQUIRETLS")
    deadline, mode = by(mail)
    if "DELIVERBY" in features and mode:
        words.append(f"BY={deadline - int(clock.now())};{mode}")
    if "MT-PRIORITY" in features and params.get("priority"):
        words.append(f"MT-PRIORITY={params['priority']}")
    if talk.logged_in:
        # RFC 4954 5: whose message it is we do not say; without this the server might take it for ours.
        words.append("AUTH=<>")
    return " ".join(words)


def rcpt_command(talk: Dialogue, to: To, late: bool = False) -> str:
    """RCPT with the parameters that this server knows. late: the sender wants to hear of a delay, and the server does
    not know when."""
    assert talk.features is not None
    features = talk.features.words
    words = [f"RCPT TO:<{wire_address(to.address) or to.address}>"]
    if "DSN" not in features:
        return words[0]
    notify = to.params.get("notify", "")
    if late and notify != "NEVER":
        # RFC 2852 4.1.4.2, which overrides RFC 3461 5.2.1.
        notify = ",".join(dict.fromkeys((notify or "FAILURE").split(",") + ["DELAY"]))
    if notify:
        words.append(f"NOTIFY={notify}")
    if orcpt := to.params.get("orcpt"):
        kind, address = dsn.orcpt(orcpt)
        # RFC 3461 5.2.1: as it came; but RFC 6533 3: characters outside ASCII only where the server has SMTPUTF8.
        words.append(f"ORCPT={dsn.recipient(kind, address, 'SMTPUTF8' in features) if kind == 'utf-8' else orcpt}")
    return " ".join(words)


async def _data(talk: Dialogue, body: Body, go_on: Reply | None) -> Reply | None:
    """Send the message after 354; the refusal instead, when DATA was answered otherwise. Broken, OSError."""
    if go_on is None or go_on.ok or (go_on.go_on and go_on.code != 354):
        raise Broken("the server's answer to DATA is not SMTP", "4.5.0")
    if go_on.code != 354:
        return go_on
    talk.stage = "message"
    for block in body.blocks(dotted=True):
        talk.write(block)
        if len(block) >= _LARGE:
            await talk.flush(talk.limits.block)
            await talk.conn.pause(0)  # others have their turn, and a refusal that has come is read before the end has
    talk.write(b".\r\n")
    talk.stage = END
    return None


async def _bdat(talk: Dialogue, body: Body) -> Reply | None:
    """Send the message in counted chunks, each but the last answered before the next; the refusal instead, when one
    was not taken. Broken, OSError."""
    chunk = b""
    talk.stage = "message"
    for block in body.blocks(dotted=False):
        if chunk and block:
            talk.send(f"BDAT {len(chunk)}")
            talk.write(chunk)
            reply = await talk.reply(talk.limits.block)
            if not reply.ok:
                return reply
        chunk = block or chunk
    talk.send(f"BDAT {len(chunk)} LAST")
    talk.write(chunk)
    talk.stage = END
    return None
