"""mailkit-pop3d: the POP3 server."""

from __future__ import annotations

from mailkit.net.serve import Service, run
from mailkit.pop3 import verbs
from mailkit.pop3.session import resume, session
from mailkit.programs import lean
from mailkit.users import standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from mailkit.net.conn import Conn
    from mailkit.users.standing import Standing

_ABOUT = "Serve POP3 on listening sockets (systemd, mailkit-up) or on one connection (inetd)."
_EXAMPLE = "tcpserver 0 pop3 mailkit-pop3d --home /var/lib/mailkit"
_BUSY = b"-ERR [SYS/TEMP] too many connections, try again later\r\n"

SERVICES = ("pop3", "pop3s")
OPTIONS = (
    lean.HOME,
    lean.Option("service", "NAME", "what a socket without a name is for: pop3 (default) or pop3s", choices=SERVICES),
)


def main(argv: list[str] | None = None) -> int:
    """Serve; the exit status."""
    options = lean.parse("mailkit-pop3d", _ABOUT, OPTIONS, _EXAMPLE, argv)
    home = options.home()

    def serve(conn: Conn) -> Coroutine[Any, Any, None]:
        return session(conn, home)

    async def go_on(conn: Conn, words: dict[str, str]) -> None:
        await resume(conn, home, words)

    def fact(address: str) -> Standing | None:
        return standing.of(home, address)

    services = {
        name: Service(name, serve, implicit_tls=name == "pop3s", busy=_BUSY, resume=go_on, standing=fact)
        for name in SERVICES
    }
    return run("pop3d", home, services, options.one("service", SERVICES[0]), verbs.preload)
