"""Routes: where mail goes next when it does not simply go to the MX of its domain. The file is mailkit-routes(5).

    example.com                 [mail.internal]:2525            tls=verify
    .example.com                mx
    from:alice@example.test     [smtp.example.net]:587          login=alice tls=require
    archive.example.test        lmtp:/run/archive/lmtp.sock
    *                           [smarthost.example.net]         login=us source=192.0.2.7

The most special line wins: the recipient's domain, its parent domains (nearest first), the sender's
address, the sender's domain, "*". Lines are kept parsed until the file changes.
"""

from __future__ import annotations

from mailkit.control import Control, Home
from mailkit.exits import Temp
from mailkit.smtp.client.login import Login

LEVELS = ("off", "may", "require", "verify")
_SCHEMES = {"smtp": 25, "smtps": 465, "lmtp": 24}


class Route:
    """Where to, and how.

    host: a domain whose MX records count, or with `direct` a host name, an IP address or the path of a
    socket; "" stands for the recipient's domain. port; lmtp; implicit_tls: TLS before the greeting. tls:
    a level, "" for control/remotetls. login: a name in control/routelogins, "" for none. sources:
    addresses to connect from. helo: our name there.
    """

    __slots__ = ("direct", "helo", "host", "implicit_tls", "lmtp", "login", "port", "sources", "tls")

    def __init__(
        self,
        host: str = "",
        port: int = 25,
        *,
        direct: bool = False,
        lmtp: bool = False,
        implicit_tls: bool = False,
        tls: str = "",
        login: str = "",
        sources: tuple[str, ...] = (),
        helo: str = "",
    ) -> None:
        self.host = host
        self.port = port
        self.direct = direct
        self.lmtp = lmtp
        self.implicit_tls = implicit_tls
        self.tls = tls
        self.login = login
        self.sources = sources
        self.helo = helo

    @property
    def manner(self) -> tuple[object, ...]:
        """How a session is held, whichever server it is with."""
        return self.lmtp, self.implicit_tls, self.login, self.helo, self.sources

    def key(self, domain: str) -> str:
        """What deliveries for `domain` by this route have in common: the same key, the same servers; they may share
        connections, limits and back-off."""
        if not self.host:
            return domain
        host = f"[{self.host}]" if self.direct else self.host
        return f"{host}:{self.port}" + (f" as {self.login}" if self.login else "")


Table = dict[str, Route]

STRAIGHT = Route()
_kept: dict[str, tuple[list[str], Table]] = {}


def choose(home: Home, sender: str, domain: str) -> Route:
    """The route of a message from `sender` ("" for the null sender) to `domain`. Temp when control/routes has a line
    that is no route: mail then waits, which is better than going the wrong way."""
    table = _table(home.control)
    if not table:
        return STRAIGHT
    for name in _names(sender.lower(), domain.lower()):
        if name in table:
            return table[name]
    return STRAIGHT


def login(control: Control, name: str) -> Login:
    """User and password of a name in control/routelogins. Temp when it is not there."""
    for line in control.lines("routelogins"):
        words = line.split(None, 2)
        if len(words) == 3 and words[0] == name:
            return Login(words[1], words[2])
    raise Temp("the way out is wrongly configured", code="4.3.5", detail=f"control/routelogins has no line {name}")


def parse(line: str) -> tuple[str, Route]:
    """(what it is for, Route) of a line of control/routes. ValueError says what is wrong with it."""
    pattern, *words = line.split()
    if not words:
        raise ValueError("no next hop")
    hop, *options = words
    if hop == "mx" and not options:
        return pattern.lower(), STRAIGHT
    route = Route() if hop == "mx" else _hop(hop)
    for option in options:
        name, _, value = option.partition("=")
        _option(route, name, value)
    return pattern.lower(), route


def _names(sender: str, domain: str) -> list[str]:
    labels = domain.split(".")
    parents = ["." + ".".join(labels[at:]) for at in range(1, len(labels))] if not domain.startswith("[") else []
    return [domain, *parents, f"from:{sender}", f"from:{sender.rpartition('@')[2]}", "*"]


def _table(control: Control) -> Table:
    lines = control.lines("routes")
    kept = _kept.get(control.directory)
    if kept is not None and kept[0] is lines:
        return kept[1]
    table: Table = {}
    for line in lines:
        try:
            pattern, route = parse(line)
        except ValueError as error:
            raise Temp(
                "the way out is wrongly configured", code="4.3.5", detail=f"control/routes: {line!r}: {error}"
            )
        table.setdefault(pattern, route)
    _kept[control.directory] = (lines, table)
    return table


def _hop(hop: str) -> Route:
    """"[scheme:]host[:port]", the host in brackets to skip its MX records; "lmtp:/path"."""
    scheme, colon, rest = hop.partition(":")
    if scheme not in _SCHEMES or not colon or rest.isdigit():
        scheme, rest = "smtp", hop
    port, host, direct = _SCHEMES[scheme], rest, scheme == "lmtp"
    if rest.startswith("/"):
        if scheme == "smtps":
            raise ValueError("a socket has no TLS")
        return Route(rest, 0, direct=True, lmtp=scheme == "lmtp", tls="off")
    if rest.startswith("["):
        host, bracket, rest = rest[1:].partition("]")
        if not bracket or not (rest == "" or rest.startswith(":")):
            raise ValueError(f"{hop!r} is no next hop")
        direct = True
        host = host.removeprefix("IPv6:")
    else:
        host, _, rest = rest.partition(":")
    if rest.strip(":"):
        port = _port(rest.strip(":"))
    if not host:
        raise ValueError(f"{hop!r} names no host")
    return Route(host.lower(), port, direct=direct, lmtp=scheme == "lmtp", implicit_tls=scheme == "smtps")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ValueError(f"{text!r} is no port")
    return int(text)


def _option(route: Route, name: str, value: str) -> None:
    if name == "tls" and value in LEVELS:
        route.tls = value
    elif name == "login" and value:
        route.login = value
    elif name == "source" and value:
        route.sources = tuple(value.split(","))
    elif name == "helo" and value:
        route.helo = value
    else:
        raise ValueError(f"{name}={value} is no option")
