"""Outside: what all deliveries of a process share on their way out: name servers, connections, who was dead or slow."""

from __future__ import annotations

from mailkit import clock, log
from mailkit.control import Home
from mailkit.deliver.remote import hosts, security
from mailkit.deliver.remote.hosts import Place
from mailkit.deliver.remote.kept import Kept
from mailkit.deliver.remote.routes import Route
from mailkit.smtp.client.dialogue import Dialogue, Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Task, TimerHandle
    from collections.abc import Awaitable, Callable
    from concurrent.futures import ThreadPoolExecutor
    from typing import Any, TypeVar

    from mailkit.dns.resolve import Resolver
    from mailkit.net.connect import ClientConn
    from mailkit.net.loop import Pool

    R = TypeVar("R")
    Dial = Callable[[str, int, float, str], Awaitable[ClientConn]]  # address, port, seconds, source address

LATELY_S = 300.0  # for so long an address that did not answer is tried last, and one that was slow after its equals
_TIDY_S = 1.0
_LOOKUPS_AT_ONCE = 32  # threads that wait for name servers


class Outside:
    """The world as deliveries reach it.

    pool: the event loop's connections, closed with this; None under the blocking driver. dial, resolver,
    choice, ours: in the place of the real ones, for tests and for TLS policies. trace: called with each
    line of every dialogue.
    """

    def __init__(
        self,
        home: Home,
        pool: Pool | None = None,
        *,
        resolver: Resolver | None = None,
        dial: Dial | None = None,
        choice: security.Choice = security.choose,
        ours: Callable[[str], bool] = hosts.local,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.home = home
        self.kept = Kept()
        self.choice = choice
        self.ours = ours
        self.trace = trace
        self._pool = pool
        self._resolver = resolver
        self._asked: tuple[object, ...] = ()  # the control values that the resolver was made from
        self._dial = dial or self._connect
        self._threads: ThreadPoolExecutor | None = None
        self._lately: dict[tuple[str, int], tuple[float, bool]] = {}  # address, port -> until when, and was it dead?
        self._tidier: TimerHandle | None = None
        self._tidying: Task[None] | None = None

    async def places(self, route: Route, domain: str) -> list[Place]:
        """Where to try, in order. Perm, Temp."""
        place = hosts.known(route, domain) if route.direct else None
        if place is not None:
            return [place]
        from mailkit.dns.resolve import Unknown

        me, resolver = self.home.control.text("me"), self.resolver()
        try:
            found = hosts.find(resolver.remembered(), route, domain, me, self.ours)
        except Unknown:
            found = await self.offload(hosts.find, resolver, route, domain, me, self.ours)
        return sorted(found, key=self._order)

    async def connect(self, route: Route, place: Place, limit_s: float = 0) -> ClientConn:
        """A connection to `place`, within control/connecttimeout and `limit_s` if that is given. Temp."""
        most_s = float(self.home.control.seconds("connecttimeout"))
        started = clock.monotonic()
        try:
            source = self._source(route, place.ip)
            conn = await self._dial(place.ip, place.port, min(limit_s, most_s) if limit_s else most_s, source)
        except Exception as error:
            self._remember(place, dead=True)
            log.event("connect", host=place.name, ip=place.ip, port=place.port, ms=_ms(started), error=str(error))
            raise
        self._lately.pop((place.ip, place.port), None)
        return conn

    def overtaken(self, places: list[Place], by: Place) -> None:
        """These had begun before the one that won the race: it is asked sooner for a while. Whoever lost to a worse
        server had its time, and counts as dead."""
        for place in places:
            self._remember(place, dead=place.rank < by.rank)
            log.event("connect", host=place.name, ip=place.ip, port=place.port, error=f"{by.ip} was faster")

    @property
    def racing(self) -> bool:
        """Can several connections be begun at once?"""
        return self._pool is not None

    def _remember(self, place: Place, dead: bool) -> None:
        self._lately[place.ip, place.port] = (clock.monotonic() + LATELY_S, dead)

    def _order(self, place: Place) -> tuple[bool, int, bool]:
        """Those that were dead lately come last; else by preference, and of equals those that were slow last."""
        until, dead = self._lately.get((place.ip, place.port), (0.0, False))
        known = until > clock.monotonic()
        return known and dead, place.rank, known and not dead

    def limits(self) -> Limits:
        """The time-outs of control."""
        control = self.home.control
        command = control.seconds("remotetimeout")
        return Limits(
            command=command,
            start=min(120, command),
            block=min(180, command),
            end=control.seconds("datatimeout"),
            total=control.seconds("remotelimit"),
        )

    def resolver(self) -> Resolver:
        """The resolver; made when it is first needed, and anew when its control values have changed."""
        control = self.home.control
        values = (control.lines("dnsservers"), control.seconds("dnstimeout"), control.flag("dnstrust"))
        if self._resolver is None or (self._asked and self._asked != values):
            from mailkit.dns import resolve

            self._resolver, self._asked = resolve.configured(control), values
        return self._resolver

    async def offload(self, function: Callable[..., R], *args: Any) -> R:
        """Blocking work: in a thread of ours under the event loop, a plain call otherwise."""
        if self._pool is None:
            return function(*args)
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            # Not the loop's own: name servers that do not answer would hold up everybody else's work.
            self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, "dns")
        return await self._pool.loop.run_in_executor(self._threads, function, *args)

    async def keep(self, key: tuple[object, ...], talk: Dialogue) -> None:
        """The session is between messages: keep it for the next one, or end it."""
        if not self.kept.keep(key, talk):
            await talk.quit()
        elif self._pool is not None and self._tidier is None:
            self._tidier = self._pool.loop.call_later(_TIDY_S, self._tidy)

    def _tidy(self) -> None:
        assert self._pool is not None
        self._tidying = self._pool.loop.create_task(self.tidy())  # kept here: the loop holds tasks weakly
        self._tidier = self._pool.loop.call_later(_TIDY_S, self._tidy) if len(self.kept) else None

    async def tidy(self) -> None:
        """End connections that were kept long enough and forget old failures."""
        await self.kept.expire()
        now = clock.monotonic()
        if self._lately and min(self._lately.values())[0] <= now:
            self._lately = {key: known for key, known in self._lately.items() if known[0] > now}

    async def close(self) -> None:
        """End what is kept; look-ups under way are not waited for."""
        if self._tidier is not None:
            self._tidier.cancel()
        if self._tidying is not None:
            await self._tidying
        await self.kept.close()
        if self._pool is not None:
            self._pool.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def _source(self, route: Route, ip: str) -> str:
        sources = route.sources or tuple(self.home.control.lines("sourceaddresses"))
        if ip.startswith("/"):
            return ""
        return next((source for source in sources if (":" in source) == (":" in ip)), "")

    async def _connect(self, ip: str, port: int, timeout_s: float, source: str) -> ClientConn:
        from mailkit.net import connect

        return await connect.dial(ip, port, timeout_s=timeout_s, source=source, pool=self._pool)


def _ms(started: float) -> int:
    return int((clock.monotonic() - started) * 1000)
