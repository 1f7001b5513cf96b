"""One message to the recipients of one domain (or of one route): servers tried in order until everybody has an answer.

What a server says decides about a recipient when it is yes or a final no. When it is "later", or the
connection breaks, the next server is asked (RFC 5321 5.1), but for two things: no more than SESSIONS_MOST
servers are really talked to for one attempt; and when a connection broke after the whole message had been
sent, nobody else gets it now: the silent server may have it (RFC 1047).
"""

from __future__ import annotations

from mailkit import log
from mailkit.deliver import outcome
from mailkit.deliver.outcome import HANDED, TRACED, Outcome
from mailkit.deliver.remote.hosts import PATIENCE_S, Place
from mailkit.deliver.remote.opening import Opening
from mailkit.deliver.remote.outside import Outside
from mailkit.deliver.remote.routes import Route
from mailkit.exits import Temp, Trouble
from mailkit.mail import quoted
from mailkit.smtp.client import body, transaction
from mailkit.smtp.client.dialogue import Broken, Dialogue, Refused
from mailkit.smtp.client.transaction import Mail, Result, To
from mailkit.smtp.reply import Reply

SESSIONS_MOST = 3


class Delivery:
    """The work on one message. `run`, then `outcomes`, one for each of `recipients`."""

    def __init__(self, outside: Outside, route: Route, domain: str, mail: Mail, recipients: list[To], q: str) -> None:
        self._outside = outside
        self._route = route
        self._domain = domain
        self._mail = mail
        self._recipients = recipients
        self._q = q
        self._left = list(range(len(recipients)))
        self._found: dict[int, Outcome] = {}
        self._failures: list[Outcome] = []  # of servers that gave no session

    @property
    def outcomes(self) -> list[Outcome]:
        """What became of each recipient."""
        return [self._found[number] for number in range(len(self._recipients))]

    async def run(self) -> None:
        """Try the servers. Nothing is raised: what was delivered has to be known even when the rest went wrong."""
        rest = None
        try:
            await self._try_all()
        except Trouble as trouble:
            rest = outcome.of(trouble)
            log.event("remote", q=self._q or None, domain=self._domain, code=trouble.code, error=str(trouble))
        except Exception as error:
            rest = Outcome("temp", "4.3.0", "delivery met an error of our own")
            log.trace("broken", error, q=self._q or None, domain=self._domain)
        for recipient in self._left:
            self._found.setdefault(recipient, rest or self._failure())

    async def _try_all(self) -> None:
        places = await self._outside.places(self._route, self._domain)
        sessions = 0
        while self._left and places and sessions < SESSIONS_MOST:
            sessions += await self._try(places)

    async def _try(self, places: list[Place]) -> bool:
        """The first of the servers that is there; was it talked to? It is taken from `places`, with those that are not
        there."""
        first = await self._chosen(places[0], places)
        if first is None:
            return False
        kept = self._outside.kept.take(first.key)
        if kept is not None and await self._use(kept, first, fresh=False):
            places.remove(first.place)
            return True
        opening = await self._connected(first, places)
        if opening is None:
            return False
        places.remove(opening.place)
        try:
            talk = await opening.session()
        except Refused as error:
            # A no to the whole connection: other servers of the domain may think otherwise.
            self._failed(opening.place, sent_away(error, opening.place))
            return False
        except (Broken, Temp) as error:
            self._failed(opening.place, Outcome("temp", error.code, f"{opening.place}: {error.text}"))
            return False
        await self._use(talk, opening, fresh=True)
        return True

    async def _chosen(self, place: Place, places: list[Place]) -> Opening | None:
        """A server with the security it is to have; None, and it is out of `places`, when it may not be used."""
        try:
            choice = await self._outside.choice(self._outside, self._domain, place, self._route, self._mail)
        except Temp as error:
            self._failed(place, Outcome("temp", error.code, f"{place}: {error.text}"))
            places.remove(place)
            return None
        return Opening(self._outside, self._route, place, choice, self._q)

    async def _connected(self, first: Opening, places: list[Place]) -> Opening | None:
        """Whoever of `places` can be reached soonest, `first` being the first of them; who cannot be is out of it."""

        async def reach(place: Place) -> Opening | None:
            opening = first if place is first.place else await self._chosen(place, places)
            if opening is None:
                return None
            try:
                await opening.connect(PATIENCE_S if len(places) > 1 and not self._outside.racing else 0)
            except Temp as error:
                self._failed(place, Outcome("temp", error.code, f"{place}: {error.text}"))
                places.remove(place)
                return None
            return opening

        if len(places) == 1 or not self._outside.racing:
            return await reach(first.place)
        from mailkit.deliver.remote.race import Race

        race = Race(places, reach)
        won = await race.winner()
        if won is not None:
            self._outside.overtaken(race.overtaken, won.place)
        return won

    def _failed(self, place: Place, found: Outcome) -> None:
        """A server gave no session. The last such outcome is reported, each is logged."""
        self._failures.append(found)
        log.event("session", q=self._q or None, host=place.name, ip=place.ip, code=found.code, said=found.text)

    async def _use(self, talk: Dialogue, server: Opening, fresh: bool) -> bool:
        """Send to all who are left; False when a kept connection turned out to be over, and nothing was done."""
        usable = False
        try:
            usable, done = await self._send_all(talk, server.place, fresh)
        finally:
            if not usable:
                talk.close()
        if usable:
            await self._outside.keep(server.key, talk)
        return done

    async def _send_all(self, talk: Dialogue, place: Place, fresh: bool) -> tuple[bool, bool]:
        """(the connection can be used again, something was done)."""
        assert talk.features is not None
        most = talk.features.limit("RCPTMAX") or transaction.RECIPIENTS_MOST
        mail = await self._fitting(talk)
        waiting = list(self._left)
        try:
            while waiting:
                batch, waiting = waiting[:most], waiting[most:]
                results = await transaction.send(talk, mail, [self._recipients[number] for number in batch])
                if not fresh and over(results):
                    return False, False
                fresh = True
                waiting = self._judge(batch, results, place) + waiting
                if talk.last_word or any(result.broken for result in results):
                    return False, True
            return True, True
        finally:
            if mail is not self._mail:
                mail.body.close()

    def _judge(self, batch: list[int], results: list[Result], place: Place) -> list[int]:
        """Keep what was said; who is to be sent again on this connection, because it takes fewer recipients at once."""
        accepted = any(result.reply.ok for result in results)
        again = []
        for number, result in zip(batch, results, strict=True):
            if accepted and result.stage == "RCPT" and too_many(result.reply):
                again.append(number)
                continue
            self._replaced(number)
            found = self._found[number] = self._outcome(result, place)
            unknown = result.broken and result.stage == transaction.END
            if found.status != "temp" or unknown:
                self._left.remove(number)
        return again

    def _replaced(self, number: int) -> None:
        """Log what an earlier server had said: the caller hears only the last word."""
        earlier = self._found.get(number)
        if earlier is not None:
            to = self._recipients[number].address
            log.event("later", q=self._q or None, to=to, remote=earlier.remote, code=earlier.code, said=earlier.text)

    def _outcome(self, result: Result, place: Place) -> Outcome:
        reply = result.reply
        status = "ok" if reply.ok else "perm" if reply.permanent else "temp"
        code = reply.status or {"ok": "2.0.0", "temp": "4.0.0", "perm": "5.0.0"}[status]
        if not result.heard:
            return Outcome(status, code, f"{place}: {reply.text}" if result.broken else reply.text)
        action = ""
        if status == "ok" and not self._route.lmtp:
            # RFC 3461 5.2.2: a server without DSN is where our knowledge ends.
            action = TRACED if result.traced else HANDED if result.dsn else "relayed"
        return Outcome(status, code, said(reply), place.name, action)

    def _failure(self) -> Outcome:
        """What to say of recipients that no server was asked about: for good only if every server sent us away so."""
        if not self._failures:
            return Outcome("temp", "4.4.2", "the connection ended before this recipient was asked about")
        passing = [found for found in self._failures if found.status == "temp"]
        return passing[-1] if passing else self._failures[-1]

    async def _fitting(self, talk: Dialogue) -> Mail:
        """The message as this server can take it (RFC 6152 3)."""
        assert talk.features is not None
        if not self._mail.body.eight_bit or "8BITMIME" in talk.features:
            return self._mail
        try:
            made = await self._outside.offload(body.converted, self._mail.body, quoted.seven_bit)
        except ValueError:
            return self._mail  # it cannot be had in seven bits: most servers take it all the same
        return Mail(self._mail.sender, made, self._mail.params)


def sent_away(error: Refused, place: Place) -> Outcome:
    """What it means that a server does not talk to us. Its name counts as `remote` only when it is for good: to be told
    "not now" is no sign that the next try will do better."""
    reply, text = error.reply, f"{place}, {error.stage}: {said(error.reply)}"
    if reply.permanent:
        return Outcome("perm", reply.status or "5.0.0", text, place.name)
    return Outcome("temp", reply.status or "4.0.0", text)


def over(results: list[Result]) -> bool:
    """Had the server given up a kept connection, so that nothing was said to it? It may also say so in words."""
    talked = [result for result in results if result.heard or result.broken]
    return bool(talked) and all(
        result.stage in ("RSET", "MAIL") and (result.broken or result.reply.temporary) for result in talked
    )


def too_many(reply: Reply) -> bool:
    """Is it about the number of recipients, not about this one (RFC 5321 4.5.3.1.10)?"""
    return reply.code == 452 and (reply.status == "4.5.3" or "too many" in reply.text.lower())


def said(reply: Reply) -> str:
    """A reply in one line, as the server gave it; what is no text becomes "?", since it ends up on terminals."""
    line = " ".join(filter(None, (str(reply.code), reply.status, reply.text)))
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else "?" for char in line)
