"""mailkit-up: opens the sockets and runs the servers where there is no systemd.

Each server is started as systemd would start it: its listening sockets from descriptor 3 on, LISTEN_FDS, LISTEN_FDNAMES
and LISTEN_PID in the environment. What dies is started again, with a growing pause. All write to our standard error
and stamp their lines themselves (mailkit.log): to read and write each of them once more costs 30 to 150 us of CPU for
each message.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import ssl
import sys

import click

from mailkit import clock, log
from mailkit.control import Home
from mailkit.exits import OK, PERM, TEMP, Perm, Temp, Trouble
from mailkit.net import sockets
from mailkit.programs import options
from mailkit.users import identity
from mailkit.users.passwd import User

_FIRST_FD = 3
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_MANAGERS = ("LISTEN_", "NOTIFY_", "WATCHDOG_")  # what a service manager told us is not for our programs
_PATIENT_S = 60.0  # the longest pause before a program that keeps dying is tried again
_HEALTHY_S = 60.0  # a program that ran this long had a good start: the pause is short again
_READY_S = 30.0
_EXAMPLE = """
Example:

    mailkit-setup --home ./demo --domain example.test --ports 10000 --yes
    mailkit-up --home ./demo
"""


class Child:
    """One program that is kept running."""

    def __init__(self, program: str, ends: list[tuple[str, socket.socket]]) -> None:
        self.program = program
        self.ends = ends
        self.pid = 0
        self.started = 0.0
        self.pause_s = 0.0
        self.again = 0.0  # when to start it next


class Up:
    """The servers of one home. The ports are opened as root; nothing else is done as root that need not be."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.children = [Child(program, ends) for program, ends in _opened(home).items()]
        self.children.append(Child("runq", []))
        if os.geteuid() == 0 and (owner := _owner(home)) is not None:
            identity.become(owner)
        self.stopping = False
        self.wake_r, self.wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> int:
        """Keep everything running until SIGTERM or SIGINT; the exit status."""
        signal.set_wakeup_fd(self.wake_w)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        for child in self.children:
            self._start(child)
        announced = False
        until = clock.monotonic() + _READY_S
        while not self.stopping or any(child.pid for child in self.children):
            self._turn()
            if not announced and not self.stopping:
                announced = self._announced(until)
        return OK

    def _turn(self) -> None:
        if select.select([self.wake_r], [], [], 0.2)[0]:
            os.read(self.wake_r, 4096)
        self._reap()
        for child in self.children:
            if not child.pid and not self.stopping and clock.monotonic() >= child.again:
                self._start(child)

    def _announced(self, until: float) -> bool:
        """Say `ready` once every socket answers."""
        if all(_answers(name, end) for child in self.children for name, end in child.ends):
            print("ready", flush=True)
            return True
        if clock.monotonic() > until:
            raise Temp("the servers do not answer; see the log above", detail=f"waited {_READY_S:g} s")
        return False

    def _on_signal(self, number: int, frame: object) -> None:
        if number == signal.SIGCHLD:
            return
        self.stopping = True
        for child in self.children:
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)

    def _start(self, child: Child) -> None:
        pid = os.fork()
        if not pid:
            _become(child, self.home)
        child.pid, child.started = pid, clock.monotonic()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = next((child for child in self.children if child.pid == pid), None)
            if child is None:
                continue
            child.pid = 0
            if self.stopping:
                continue
            healthy = clock.monotonic() - child.started > _HEALTHY_S
            child.pause_s = 1.0 if healthy or not child.pause_s else min(2 * child.pause_s, _PATIENT_S)
            child.again = clock.monotonic() + child.pause_s
            code = os.waitstatus_to_exitcode(status)
            log.event("died", program=child.program, status=code, again_s=child.pause_s)


def _owner(home: Home) -> User | None:
    """To whom the home belongs, and as whom everything runs. None where it has to be root; the log says why."""
    owner, why = identity.needless(home)
    if why:
        log.event("root", home=home.path, by=why)
    return owner


def _opened(home: Home) -> dict[str, list[tuple[str, socket.socket]]]:
    """The listening sockets of control/listen, by program. Perm when one cannot be had."""
    programs: dict[str, list[tuple[str, socket.socket]]] = {}
    for line in home.control.lines("listen"):
        try:
            name, address, port = sockets.parse(line)
        except ValueError as error:
            raise Perm(f"control/listen: {error}", code="5.3.5")
        programs.setdefault(sockets.program(name), []).append((name, _listening(address, port)))
    if not programs:
        raise Perm("control/listen names no socket; mailkit-setup writes one", code="5.3.5", detail=home.path)
    return programs


def _listening(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    end = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        end.bind((address, port))
        end.listen(1024)
    except OSError as error:
        end.close()
        raise Perm(f"cannot listen on {address} port {port}: {error.strerror}", code="5.3.5")
    return end


def _become(child: Child, home: Home) -> None:
    """In the forked process: turn into the program, with its sockets where systemd would put them."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        _end_with_parent()
        os.setpgid(0, 0)  # Ctrl-C at the terminal is for mailkit-up, which ends the others in order
        high = [os.dup(end.fileno()) for _, end in child.ends]
        high = [_above(fd, _FIRST_FD + len(high)) for fd in high]
        for i, fd in enumerate(high):
            os.dup2(fd, _FIRST_FD + i)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(_MANAGERS)}
        environment["MAILKIT_STAMP"] = child.program
        if high:
            environment["LISTEN_FDS"] = str(len(high))
            environment["LISTEN_FDNAMES"] = ":".join(name for name, _ in child.ends)
            environment["LISTEN_PID"] = str(os.getpid())
        path = program_path(child.program)
        os.execve(path, [path, "--home", home.path], environment)
    except BaseException as error:
        log.event("fatal", program=child.program, error=f"cannot be started: {error}")
    os._exit(TEMP)


def _end_with_parent() -> None:
    """SIGTERM when mailkit-up dies, however it dies: the next one must find the ports free."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _above(fd: int, least: int) -> int:
    """The same open file at a descriptor that is not below `least`."""
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD, least) if fd < least else fd


def program_path(name: str) -> str:
    """Where mailkit-NAME is: beside the program that runs now."""
    return os.path.join(os.path.dirname(os.path.realpath(sys.argv[0])), f"mailkit-{name}")


def _answers(name: str, end: socket.socket) -> bool:
    """Does a server greet on this socket (or shake hands, where TLS comes first)?"""
    try:
        with socket.create_connection(end.getsockname()[:2], timeout=5) as probe:
            if name in sockets.IMPLICIT_TLS:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                with context.wrap_socket(probe) as tls:
                    return bool(tls.recv(1))
            return name == "lmtp" or bool(probe.recv(1))
    except OSError:
        return False


@click.command(epilog=_EXAMPLE)
@options.common
def command(home: Home) -> None:
    """Open the sockets of control/listen and keep smtpd, imapd, pop3d and runq running on them.

    Prints `ready` on standard output when every socket answers. SIGTERM and Ctrl-C let sessions finish their command.
    """
    log.stamp_as("up")
    try:
        sys.exit(Up(home).run())
    except Trouble as trouble:
        log.event("fatal", error=str(trouble))
        sys.exit(TEMP if isinstance(trouble, Temp) else PERM)


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
