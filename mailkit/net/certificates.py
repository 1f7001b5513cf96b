"""Which certificates there are. Asked before the TLS library is imported, which costs more than all the rest.

    HOME/tls/NAME/cert.pem  key.pem          a certificate with its chain, and its key
    HOME/tls/NAME/fullchain.pem privkey.pem  the same as certbot names them (NAME may be a link into its live/)
    HOME/tls/clients.pem                     CAs whose client certificates are asked for (SASL EXTERNAL)

The name `control/me` is the default certificate; where it is missing, the first name there is.
"""

from __future__ import annotations

import os

from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

    from mailkit.control import Home
    from mailkit.net.tls import Contexts

_PAIRS = (("cert.pem", "key.pem"), ("fullchain.pem", "privkey.pem"))
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")


class Certificates:
    """The certificates of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._contexts: Contexts | None = None
        self.directory = home.tls
        self.clients = home.join("tls", "clients.pem")

    @property
    def is_binding(self) -> bool:
        """Are logins to be bound to the TLS connection by tls-exporter?"""
        return self._home.control.flag("channelbinding")

    def default(self) -> str | None:
        """The name of the certificate for clients that name none; None when there is no certificate at all."""
        me = self._home.control.text("me")
        if self.pair(me) is not None:
            return me
        try:
            names = sorted(os.listdir(self.directory))
        except OSError:
            return None
        return next((name for name in names if self.pair(name) is not None), None)

    def pair(self, name: str) -> tuple[str, str] | None:
        """The files (certificate, key) of a name."""
        for cert, key in _PAIRS:
            paths = os.path.join(self.directory, name, cert), os.path.join(self.directory, name, key)
            if os.path.exists(paths[0]) and os.path.exists(paths[1]):
                return paths
        return None

    def asked(self, name: str | None) -> str | None:
        """The certificate for the name a client asks for (RFC 6066 3), checked before it becomes a path; None when
        there is none of this name."""
        name = (name or "").lower().rstrip(".")
        if not name or name[0] == "." or not set(name) <= _NAME or self.pair(name) is None:
            return None
        return name

    def server(self) -> ssl.SSLContext:
        """A context to start any handshake with; SNI puts the right one in its place. Temp without a certificate."""
        from mailkit.net.tls import Contexts

        name = self.default()
        if name is None:
            raise Temp("TLS is not available", code="4.7.0", detail=f"no certificate in {self.directory}")
        if self._contexts is None:
            self._contexts = Contexts(self)
        return self._contexts.front(name)
