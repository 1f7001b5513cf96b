"""A session with one server: connection, greeting, TLS, login."""

from __future__ import annotations

from mailkit import clock, log
from mailkit.deliver.remote import routes
from mailkit.deliver.remote.hosts import Place
from mailkit.deliver.remote.outside import Outside
from mailkit.deliver.remote.routes import Route
from mailkit.deliver.remote.security import Security, fingerprint
from mailkit.smtp.client import hello
from mailkit.smtp.client.dialogue import Dialogue, Insecure, Refused
from mailkit.smtp.client.login import login
from mailkit.smtp.reply import Reply


class Opening:
    """How one session is opened. q: the queue id, for the log."""

    def __init__(self, outside: Outside, route: Route, place: Place, choice: Security, q: str = "") -> None:
        self._outside = outside
        self._route = route
        self._place = place
        self._choice = choice
        self._q = q
        control = outside.home.control
        self._me = route.helo or control.text("helohost") or control.text("me")

    async def session(self, others: bool = False) -> Dialogue:
        """A session that has said EHLO. others: there are further addresses to try. Refused, Broken, Temp."""
        try:
            return await self._session(others, self._choice.level != "off")
        except Insecure:
            if self._choice.needed or self._route.implicit_tls:
                raise
            # RFC 7435 3: what was worth no more than the clear text is sent as that. The failure is in
            # the log.
            return await self._session(others, False)

    async def _session(self, others: bool, tls: bool) -> Dialogue:
        started = clock.monotonic()
        self._say(f"connecting to {self._place} port {self._place.port}")
        conn = await self._outside.connect(self._route, self._place, others)
        talk = Dialogue(conn, self._outside.limits(), lmtp=self._route.lmtp, trace=self._outside.trace)
        try:
            await self._begin(talk, tls)
        except BaseException as error:
            if isinstance(error, Refused):
                talk.send("QUIT")
            talk.close()
            raise
        self._log(talk, started)
        return talk

    async def _begin(self, talk: Dialogue, tls: bool) -> None:
        choice = self._choice
        if self._route.implicit_tls:
            await talk.starttls(choice.server_name, choice.context)
        await hello.greet(talk, self._me)
        if tls and not self._route.implicit_tls:
            await self._starttls(talk)
        if self._route.login:
            await login(talk, routes.login(self._outside.home.control, self._route.login))

    async def _starttls(self, talk: Dialogue) -> None:
        """TLS where it is offered. Refused when it is needed and not to be had; the mail then waits, whatever the
        server called it."""
        assert talk.features is not None
        if "STARTTLS" not in talk.features:
            if self._choice.needed:
                raise Refused("STARTTLS", Reply(454, "4.7.4", "TLS is required, and the server does not offer it"))
            return
        try:
            await hello.starttls(talk, self._me, self._choice.server_name, self._choice.context)
        except Refused as error:
            if error.stage != "STARTTLS":
                raise
            if self._choice.needed:
                raise Refused("STARTTLS", Reply(454, "4.7.4", f"TLS is required: {error.reply.text}"))

    def _log(self, talk: Dialogue, started: float) -> None:
        tls = talk.conn.tls
        log.event(
            "session",
            q=self._q or None,
            c=talk.conn.id,
            host=self._place.name,
            ip=self._place.ip,
            port=self._place.port,
            tls=tls.version if tls else "no",
            cipher=tls.cipher if tls else None,
            verified=self._choice.level == "verify" if tls else None,
            certificate=fingerprint(tls.server_cert) if tls else None,
            ms=int((clock.monotonic() - started) * 1000),
        )
        if tls:
            self._say(f"TLS: {tls.version}, {tls.cipher}")

    def _say(self, text: str) -> None:
        if self._outside.trace is not None:
            self._outside.trace(f"*  {text}")
