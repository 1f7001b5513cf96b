"""Serving: which driver runs the sessions is for the kernel to say, not for an option.

    LISTEN_FDS with listening sockets    worker processes with uvloop share them (systemd's Accept=no, mailkit-up)
    LISTEN_FDS with a connection         one session on it (systemd's Accept=yes)
    descriptor 0 is a listening socket   the workers, on it (inetd's "wait")
    otherwise                            one session on 0 and 1 (inetd's "nowait", tcpserver, ssh, a terminal)

Each socket's name (FileDescriptorName=, LISTEN_FDNAMES) says which service it is for; nameless ones get `default`.
"""

from __future__ import annotations

import _socket
import os

from mailkit import clock, counters, log
from mailkit.exits import OK, PERM, Trouble
from mailkit.net.conn import Closing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, Protocol

    from mailkit.control import Home
    from mailkit.net.blocking import BlockingConn
    from mailkit.net.conn import Conn, Fact

    class DriverConn(Conn, Protocol):
        """A connection with what only its driver does with it."""

        async def finish(self) -> None: ...


_FIRST_FD = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)
_SO_ACCEPTCONN = 30  # socket(7)
_COUNTERS_S = 1.0  # how long the end of a program waits for the file of its counters
_NAMELESS = ("", "unknown", "connection", "stored")  # sd_listen_fds_with_names(3)


class Service:
    """What is served on a socket.

    session: the coroutine function that serves one connection. implicit_tls: the handshake comes first (RFC 8314).
    total_s: how long a session may last in all, 0 for ever. busy: what to say in the clear to a connection above the
    limits, before it is closed. resume: takes a session on after its login, in a process of its own, from what it is
    told (net.steward); None where there is no such thing. standing: the fact that such a session rests on, by the
    address of its user; None where nobody can tell.
    """

    __slots__ = ("busy", "implicit_tls", "name", "resume", "session", "standing", "total_s")

    def __init__(
        self,
        name: str,
        session: Callable[[Conn], Coroutine[Any, Any, None]],
        implicit_tls: bool = False,
        total_s: float = 0,
        busy: bytes = b"",
        resume: Callable[[Conn, dict[str, str]], Coroutine[Any, Any, None]] | None = None,
        standing: Callable[[str], Fact | None] = lambda user: None,
    ) -> None:
        self.name = name
        self.session = session
        self.implicit_tls = implicit_tls
        self.total_s = total_s
        self.busy = busy
        self.resume = resume
        self.standing = standing


def run(
    program: str,
    home: Home,
    services: dict[str, Service],
    default: str,
    preload: Callable[[], None] | None = None,
    errands: dict[str, str] | None = None,
) -> int:
    """Serve whatever sockets we were started with; the exit status.

    preload: imports what sessions will need, called once before the workers are forked, so that they share it.
    errands: what the steward does for confined processes (net.steward), for a program whose sessions are confined from
    their beginning. The others are confined when they know whose mail they may see.
    """
    errands = errands or {}
    counters.start(home.run, program)
    try:
        sockets = inherited(services, default)
        if len(sockets) == 1 and not is_listening(sockets[0][0]):
            _confine_one(program, home, services, errands)
            return _one(home, sockets[0][0], sockets[0][1])
        from mailkit.net.workers import serve

        if preload is not None:
            preload()
        return serve(program, home, sockets, services, errands)
    except Trouble as trouble:
        log.event("fatal", program=program, error=str(trouble))
        return PERM
    finally:
        counters.flush(_COUNTERS_S)


def inherited(services: dict[str, Service], default: str) -> list[tuple[int, Service]]:
    """The descriptors we were given and the service of each. Perm for a name that is no service."""
    count = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if not count.isdigit() or os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return [(0, services[default])]
    found = []
    for i in range(int(count)):
        name = names[i] if i < len(names) else ""
        fd = _FIRST_FD + i
        os.set_inheritable(fd, False)
        # mx-v6.socket and such: what follows a dot or the end of the name is the admin's.
        service = services.get(default if name in _NAMELESS else name.partition(".")[0].partition("@")[0])
        if service is None:
            from mailkit.exits import Perm

            raise Perm(f"socket {name!r} is for none of the services {', '.join(services)}", code="5.3.5")
        found.append((fd, service))
    return found


def is_listening(fd: int) -> bool:
    """Does the descriptor accept connections?"""
    try:
        end = _socket.socket(fileno=os.dup(fd))
    except OSError:
        return False
    try:
        return bool(end.getsockopt(_socket.SOL_SOCKET, _SO_ACCEPTCONN))
    finally:
        end.close()


def _confine_one(program: str, home: Home, services: dict[str, Service], errands: dict[str, str]) -> None:
    from mailkit import confine

    if not errands:
        confine.process.keep_secrets()
        confine.process.no_new_privileges()
    elif confine.possible(home):
        from mailkit.net import errand

        errand.fork(home, services, errands)
        confine.program(program, home)


def _one(home: Home, fd: int, service: Service) -> int:
    from mailkit.net.blocking import BlockingConn, handle_sigterm
    from mailkit.net.blocking import run as run_blocking
    from mailkit.net.certificates import Certificates

    conn = BlockingConn(
        fd,
        1 if fd == 0 else fd,
        service=service.name,
        certificates=Certificates(home),
        total_s=service.total_s,
        poll_s=home.control.seconds("pollseconds"),
    )
    handle_sigterm(conn)
    run_blocking(_attend_one(conn, home, service))
    return OK


async def _attend_one(conn: BlockingConn, home: Home, service: Service) -> None:
    if not home.control.lines("proxyfrom") or await _is_introduced(conn, home):
        await attend(conn, service)


async def _is_introduced(conn: BlockingConn, home: Home) -> bool:
    """Has the front end, if it is one, said whose connection this is? If not, it is logged."""
    from mailkit.net import proxy

    if conn.peer not in proxy.Fronts(home):
        return True
    due = clock.monotonic() + proxy.WITHIN_S
    try:
        found = await proxy.read(lambda octets: conn.take(octets, due))
    except (Closing, ValueError) as error:
        proxy.refuse(conn, str(error) or f"no PROXY header within {proxy.WITHIN_S:g} s")
        return False
    found.introduce(conn)
    return True


async def attend(conn: DriverConn, service: Service) -> None:
    """One session from its first octet to its end, whatever happens in it; two lines in the log."""
    begun = clock.monotonic()
    log.event("connect", c=conn.id, service=service.name, peer=conn.peer or None)
    try:
        if service.implicit_tls and conn.tls is None:
            await conn.starttls()
        await service.session(conn)
    except Closing:
        pass
    except Trouble as trouble:
        log.event("trouble", c=conn.id, error=str(trouble))
    except Exception as error:
        log.trace("broken", error, c=conn.id, service=service.name)
    finally:
        tell_end(conn, begun)
        await conn.finish()


def tell_end(conn: Conn, begun: float) -> None:
    """Log that a session is over, and what it had to say."""
    tls = conn.tls.version if conn.tls is not None else None
    took_ms = round(1000 * (clock.monotonic() - begun))
    log.event("close", c=conn.id, service=conn.service, tls=tls, **conn.outcome, ms=took_ms)
