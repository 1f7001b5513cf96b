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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.net.connect import ClientConn


class Opening:
    """How one session is opened. q: the queue id, for the log. key: sessions of the same are as good as this one."""

    def __init__(self, outside: Outside, route: Route, place: Place, choice: Security, q: str = "") -> None:
        self._outside = outside
        self._route = route
        self._q = q
        self._conn: ClientConn | None = None
        self._started = 0.0
        self.place = place
        self.choice = choice
        self.key = (place.ip, place.port, choice.level, choice.server_name, *route.manner)

    async def connect(self, limit_s: float = 0) -> None:
        """Connect, within control/connecttimeout and `limit_s`. Temp."""
        self._started = clock.monotonic()
        self._say(f"connecting to {self.place} port {self.place.port}")
        self._conn = await self._outside.connect(self._route, self.place, limit_s)

    def close(self) -> None:
        """Give the connection up before a word was said."""
        if self._conn is not None:
            self._conn.close()

    async def session(self) -> Dialogue:
        """A session that has said EHLO, once connected. Refused, Broken, Temp."""
        try:
            return await self._session(self.choice.level != "off")
        except Insecure:
            if self.choice.needed or self._route.implicit_tls:
                raise
            # RFC 7435 3: what was worth no more than the clear text is sent as that. The failure is in
            # the log.
            await self.connect()
            return await self._session(False)

    async def _session(self, tls: bool) -> Dialogue:
        assert self._conn is not None
        talk = Dialogue(self._conn, self._outside.limits(), lmtp=self._route.lmtp, trace=self._outside.trace)
        try:
            await self._begin(talk, tls)
        except BaseException as error:
            if isinstance(error, Refused):
                talk.send("QUIT")
            talk.close()
            raise
        self._log(talk)
        return talk

    async def _begin(self, talk: Dialogue, tls: bool) -> None:
        choice, control = self.choice, self._outside.home.control
        if self._route.implicit_tls:
            await talk.starttls(choice.server_name, choice.context)
        me = self._route.helo or control.text("helohost") or control.text("me")
        await hello.greet(talk, me)
        if tls and not self._route.implicit_tls:
            await self._starttls(talk, me)
        if self._route.login:
            await login(talk, routes.login(control, self._route.login))

    async def _starttls(self, talk: Dialogue, me: str) -> None:
        """TLS where it is offered. Refused when it is needed and not to be had; the mail then waits, whatever the
        server called it."""
        assert talk.features is not None
        if "STARTTLS" not in talk.features:
            if self.choice.needed:
                raise Refused("STARTTLS", Reply(454, "4.7.4", "TLS is required, and the server does not offer it"))
            return
        try:
            await hello.starttls(talk, me, self.choice.server_name, self.choice.context)
        except Refused as error:
            if error.stage != "STARTTLS":
                raise
            if self.choice.needed:
                raise Refused("STARTTLS", Reply(454, "4.7.4", f"TLS is required: {error.reply.text}"))

    def _log(self, talk: Dialogue) -> None:
        tls = talk.conn.tls
        log.event(
            "session",
            q=self._q or None,
            c=talk.conn.id,
            host=self.place.name,
            ip=self.place.ip,
            port=self.place.port,
            tls=tls.version if tls else "no",
            cipher=tls.cipher if tls else None,
            verified=self.choice.level == "verify" if tls else None,
            certificate=fingerprint(tls.server_cert) if tls else None,
            ms=int((clock.monotonic() - self._started) * 1000),
        )
        if tls:
            self._say(f"TLS: {tls.version}, {tls.cipher}")

    def _say(self, text: str) -> None:
        if self._outside.trace is not None:
            self._outside.trace(f"*  {text}")
