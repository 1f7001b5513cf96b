"""SASL mechanisms (RFC 4422), server side: one file each, one row each in the table below.

A mechanism is an object with one method, `step(response) -> Step`. It sees octets and answers with what to do next;
base64, "*", initial responses, waiting and logging are `users.login`'s business. Mechanisms that carry a password end
with `Password`, which the caller checks where that may take its time; the others prove it themselves and end with
`Success`.

OAUTHBEARER (RFC 7628) will be such a file and row.
"""

from __future__ import annotations

from mailkit.users.names import canonical

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from mailkit.net.conn import Tls
    from mailkit.users.keys import Keys
    from mailkit.users.passwd import User

    class Mechanism(Protocol):
        """One exchange."""

        def step(self, response: bytes | None) -> Step:
            """What the client's response leads to; None at the start, when it sent no initial response."""


class Row:
    """One mechanism: "package.module:class"; whether it binds to the TLS connection, or wants a client certificate."""

    __slots__ = ("is_external", "is_plus", "place")

    def __init__(self, place: str, is_plus: bool = False, is_external: bool = False) -> None:
        self.place = place
        self.is_plus = is_plus
        self.is_external = is_external


# In the order they are advertised: the first that a client knows is usually the one it takes.
MECHANISMS = {
    "EXTERNAL": Row("mailkit.users.sasl.external:External", is_external=True),
    "SCRAM-SHA-256-PLUS": Row("mailkit.users.sasl.scram:Sha256Plus", is_plus=True),
    "SCRAM-SHA-256": Row("mailkit.users.sasl.scram:Sha256"),
    "SCRAM-SHA-1-PLUS": Row("mailkit.users.sasl.scram:Sha1Plus", is_plus=True),
    "SCRAM-SHA-1": Row("mailkit.users.sasl.scram:Sha1"),
    "PLAIN": Row("mailkit.users.sasl.plain:Plain"),
    "LOGIN": Row("mailkit.users.sasl.login:Login"),
}


class Context:
    """What a mechanism may know: the connection's TLS facts, which mechanisms this client was offered, and two
    functions: lookup(name) -> User | None, and pretended(name, digest) -> Keys for those who have none."""

    __slots__ = ("lookup", "offered", "pretended", "tls")

    def __init__(
        self,
        tls: Tls | None,
        offered: list[str],
        lookup: Callable[[str], User | None],
        pretended: Callable[[str, str], Keys],
    ) -> None:
        self.tls = tls
        self.offered = offered
        self.lookup = lookup
        self.pretended = pretended


def offered(tls: Tls | None, wanted: list[str]) -> list[str]:
    """The mechanisms for a connection, best first; `wanted` (upper case) limits them unless it is empty."""
    named = wanted or list(MECHANISMS)
    return [name for name, row in MECHANISMS.items() if name in named and _holds(row, tls, bool(wanted))]


def _holds(row: Row, tls: Tls | None, is_named: bool) -> bool:
    if row.is_external:
        return tls is not None and tls.client_cert is not None
    if row.is_plus:
        # A client that sees -PLUS takes it and binds by tls-exporter (RFC 9266 3): where the TLS library does not give
        # that, the client would fail, and most try nothing else. Who names -PLUS in control/mechanisms knows clients
        # that bind by tls-server-end-point.
        return tls is not None and (is_named or tls.binding("tls-exporter") is not None)
    return True


def start(name: str, context: Context) -> Mechanism:
    """A new exchange of an offered mechanism."""
    import importlib

    module, _, attribute = MECHANISMS[name].place.partition(":")
    mechanism: Mechanism = getattr(importlib.import_module(module), attribute)(context)
    return mechanism


def same_name(one: str, other: str) -> bool:
    """Do these name the same account? For an authorization identity, which may only repeat who logs in."""
    try:
        return canonical(one) == canonical(other)
    except ValueError:
        return one == other


class Step:
    """What follows from a response."""

    __slots__ = ()


class Challenge(Step):
    """Send these octets and come back with the answer."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Password(Step):
    """The client says it is `name` and gives this password: check it."""

    __slots__ = ("name", "password")

    def __init__(self, name: str, password: str) -> None:
        self.name = name
        self.password = password


class Success(Step):
    """It is this user. `data`: the server's last word, which the client answers with nothing."""

    __slots__ = ("data", "user")

    def __init__(self, user: User, data: bytes = b"") -> None:
        self.user = user
        self.data = data


class Failure(Step):
    """No. `reason` is for the log ("password", "user" ...), `name` who it was said to be.

    is_syntax: the client broke the grammar, which is no guess at a password.
    """

    __slots__ = ("is_syntax", "name", "reason")

    def __init__(self, reason: str, name: str = "", is_syntax: bool = False) -> None:
        self.reason = reason
        self.name = name
        self.is_syntax = is_syntax
