"""How much TLS a delivery needs.

    off       none, though the server offers it
    may       where the server offers it, with any certificate; in the clear where that fails (RFC 7435)
    require   or the mail waits; any certificate
    verify    or the mail waits; the certificate must name the server and come from an authority we know

The level comes from the route, else from control/remotetls. A message with REQUIRETLS needs `verify` (RFC
8689 4.2.1), but a report does not (5); one that says "TLS-Required: no" (3, 4.2.2) is content with `may`. DANE and
MTA-STS come in as another `Choice` function that puts a stricter Security in the place of this one.

HOME/tls/authorities.pem, where it is there, holds further authorities (a smarthost's own).
"""

from __future__ import annotations

import os
import ssl

from mailkit.control import Home
from mailkit.deliver.remote.hosts import Place
from mailkit.deliver.remote.routes import LEVELS, Route
from mailkit.exits import Perm, Temp
from mailkit.smtp.client.transaction import Mail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailkit.deliver.remote.outside import Outside

    # What Outside.choice is; the str is the recipient's domain. It may look things up with outside.offload.
    Choice = Callable[[Outside, str, Place, Route, Mail], Awaitable["Security"]]


class Security:
    """level: one of the four. server_name: for SNI, and the name a certificate must have. context: of the handshake."""

    __slots__ = ("context", "level", "server_name")

    def __init__(self, level: str, server_name: str, context: ssl.SSLContext) -> None:
        self.level = level
        self.server_name = server_name
        self.context = context

    @property
    def needed(self) -> bool:
        """Does nothing go without TLS?"""
        return self.level in ("require", "verify")


async def choose(outside: Outside, domain: str, place: Place, route: Route, mail: Mail) -> Security:
    """The Security for sending `mail` to `place`. Temp when control/remotetls is no level; Perm when the message
    requires more than there can be."""
    home = outside.home
    level = route.tls or home.control.text("remotetls")
    if level not in LEVELS:
        raise Temp("the way out is wrongly configured", code="4.3.5", detail=f"control/remotetls: {level!r}")
    if mail.params.get("requiretls") and mail.sender:
        if not place.secure:
            # RFC 8689 4.2.1: a certificate for a name that anybody could have put into the DNS proves
            # nothing.
            raise Perm("the sender requires TLS, and nothing vouches for the names of the servers", code="5.7.30")
        level = "verify"
    elif mail.body.tls_optional and level in ("require", "verify") and not route.tls:
        level = "may"
    return Security(level, place.name, context(home, level == "verify"))


_contexts: dict[tuple[str, bool], ssl.SSLContext] = {}


def context(home: Home, verify: bool) -> ssl.SSLContext:
    """A client's SSLContext, made once; made anew for nobody, since authorities change with a restart."""
    key = (home.path, verify)
    if key not in _contexts:
        _contexts[key] = _verifying(home) if verify else _trusting()
    return _contexts[key]


def _verifying(home: Home) -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    authorities = home.join("tls", "authorities.pem")
    if os.path.exists(authorities):
        made.load_verify_locations(authorities)
    return made


def _trusting() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    # RFC 7435 3: whatever the server can do is better than the clear text it would get instead.
    made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return made


def fingerprint(certificate: bytes | None) -> str | None:
    """The certificate's SHA-256 in hexadecimal, for the log; None when none was shown."""
    import hashlib

    return hashlib.sha256(certificate).hexdigest() if certificate else None
