"""mailkit-imapd: the IMAP server."""

from __future__ import annotations

import sys

from mailkit.exits import PERM
from mailkit.imap.session import resume, session
from mailkit.net.serve import Service, run
from mailkit.programs import lean
from mailkit.users import standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home
    from mailkit.net.conn import Conn
    from mailkit.users.passwd import User
    from mailkit.users.standing import Standing

_ABOUT = "Serve IMAP on listening sockets (systemd, mailkit-up) or on one connection (inetd, ssh)."
_EXAMPLE = "systemd-socket-activate -l 143 --fdname=imap mailkit-imapd --home /var/lib/mailkit"
_BUSY = b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n"
_NOT_HERE = b"* BYE --user is for a pipe, not for connections of a network\r\n"

SERVICES = ("imap", "imaps")
MATE = "mate"
"""What the steward runs for workers, see imap.messages.mate; no service for anybody else."""
OPTIONS = (
    lean.HOME,
    lean.Option("service", "NAME", "what a socket without a name is for: imap (default) or imaps", choices=SERVICES),
    lean.Option("user", "ADDRESS", "whoever is at the other end of the pipe is this user (PREAUTH)"),
)


def main(argv: list[str] | None = None) -> int:
    """Serve; the exit status."""
    options = lean.parse("mailkit-imapd", _ABOUT, OPTIONS, _EXAMPLE, argv)
    home = options.home()
    user = None
    if options.flag("user"):
        user = known(home, options.one("user"))
        if user is None:
            print(f"mailkit-imapd: there is no user {options.one('user')}", file=sys.stderr)
            return PERM

    async def serve(conn: Conn) -> None:
        # Who came over the network is not known, whatever the command line says.
        if user is not None and conn.peer:
            conn.write(_NOT_HERE)
            await conn.flush()
        else:
            await session(conn, home, user)

    async def go_on(conn: Conn, words: dict[str, str]) -> None:
        await resume(conn, home, words)

    async def help_out(conn: Conn, words: dict[str, str]) -> None:
        from mailkit.imap.messages import mate

        await mate.serve(conn, home)

    def fact(address: str) -> Standing | None:
        return standing.of(home, address)

    services = {
        name: Service(name, serve, implicit_tls=name == "imaps", busy=_BUSY, resume=go_on, standing=fact)
        for name in SERVICES
    }
    services[MATE] = Service(MATE, refuse, resume=help_out)
    return run("imapd", home, services, options.one("service", SERVICES[0]), preload)


def known(home: Home, address: str) -> User | None:
    """The user with this address who may read mail."""
    from mailkit.users.passwd import Passwd

    user = Passwd(home).lookup(address)
    return user if user is not None and user.may_log_in else None


def preload() -> None:
    """Load what sessions will need, once, before the workers are forked."""
    from mailkit.imap import commands
    from mailkit.imap.messages import mate

    commands.preload()
    mate.offer()


async def refuse(conn: Conn) -> None:
    """No socket is for that."""
