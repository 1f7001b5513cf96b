"""mailkit-smtpd: the SMTP, submission and LMTP server."""

from __future__ import annotations

from mailkit.deliver import errands
from mailkit.net.serve import Service, run
from mailkit.programs import lean
from mailkit.smtp.session import preload, session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from mailkit.net.conn import Conn

_ABOUT = "Serve SMTP, submission and LMTP on listening sockets (systemd, mailkit-up) or on one connection (inetd)."
_EXAMPLE = "tcpserver 0 25 mailkit-smtpd --home /var/lib/mailkit --service mx"
_BUSY = b"421 4.3.2 too many connections, try again later\r\n"
_GLANCE_S = 0.2  # workers do not look into control/ more often: each message asks for the same few values
# RFC 5321 4.5.3.2 lets a client take ten minutes for the end of one message alone; nobody needs a day.
_TOTAL_S = 6 * 3600

SERVICES = ("mx", "submission", "submissions", "lmtp")
OPTIONS = (
    lean.HOME,
    lean.Option("service", "NAME", f"what a socket without a name is for: {', '.join(SERVICES)}", choices=SERVICES),
    lean.Option("explain", "", "do not serve: tell what would be answered to a message, and why"),
    lean.Option("peer", "IP", "explain: the address of the client"),
    lean.Option("helo", "NAME", "explain: the client's name"),
    lean.Option("from", "ADDRESS", "explain: the sender, empty for the null sender"),
    lean.Option("to", "ADDRESS", "explain: a recipient; may be repeated"),
    lean.Option("user", "ADDRESS", "explain: the user who logged in"),
)


def main(argv: list[str] | None = None) -> int:
    """Serve, or explain; the exit status."""
    options = lean.parse("mailkit-smtpd", _ABOUT, OPTIONS, _EXAMPLE, argv)
    home = options.home()
    default = options.one("service", SERVICES[0])
    if options.flag("explain"):
        from mailkit.smtp import explain

        peer, helo, user, sender = (options.one(name) for name in ("peer", "helo", "user", "from"))
        return explain.run(home, default, peer, helo, user, sender, options.all("to"))

    def serve(conn: Conn) -> Coroutine[Any, Any, None]:
        return session(conn, home)

    def prepare() -> None:
        preload()
        home.control.look(_GLANCE_S)

    services = {
        name: Service(name, serve, implicit_tls=name == "submissions", total_s=_TOTAL_S, busy=_BUSY)
        for name in SERVICES
    }
    return run("smtpd", home, services, default, prepare, errands.ERRANDS)
