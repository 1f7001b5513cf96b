"""mailkit-pop3d: the POP3 server."""

from __future__ import annotations

import os
import sys

from mailkit import VERSION
from mailkit.control import DEFAULT_HOME, Home
from mailkit.net.serve import Service, run
from mailkit.pop3.session import session

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from mailkit.net.conn import Conn

_BUSY = b"-ERR [SYS/TEMP] too many connections, try again later\r\n"
_SERVICES = ("pop3", "pop3s")


def parser() -> argparse.ArgumentParser:
    """The command line. argparse is as dear as half an interpreter: it comes only when there are arguments."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="mailkit-pop3d",
        description="Serve POP3 on listening sockets (LISTEN_FDS) or on one connection (inetd).",
        epilog="example: systemd-socket-activate -l 110 --fdname=pop3 mailkit-pop3d --home /var/lib/mailkit",
    )
    parser.add_argument("--home", metavar="DIR", default=os.environ.get("MAILKIT_HOME", DEFAULT_HOME))
    parser.add_argument(
        "--service", choices=_SERVICES, default=_SERVICES[0], help="what a socket without a name is for (pop3)"
    )
    parser.add_argument("--version", action="version", version=f"mailkit-pop3d {VERSION}")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Serve; the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    where, service = os.environ.get("MAILKIT_HOME", DEFAULT_HOME), _SERVICES[0]
    if argv:
        options = parser().parse_args(argv)
        where, service = options.home, options.service
    home = Home(where)

    async def serve(conn: Conn) -> None:
        await session(conn, home)

    services = {name: Service(name, serve, implicit_tls=name == "pop3s", busy=_BUSY) for name in _SERVICES}
    return run("pop3d", home, services, service, preload)


def preload() -> None:
    """Load what sessions will need, once, before the workers are forked."""
    from mailkit.pop3 import verbs

    for verb in verbs.TABLE.values():
        verb.function()
