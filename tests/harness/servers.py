"""Real servers on free loopback ports, started as systemd would, ended by pid."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from mailkit.control import Home

ROOT = Path(__file__).resolve().parents[2]
_FIRST_FD = 3


class Server:
    """A running program; `ports` by socket name, `log` its standard error so far."""

    def __init__(self, process: subprocess.Popen[bytes], ports: dict[str, int], log_path: Path) -> None:
        self.process = process
        self.ports = ports
        self.log_path = log_path

    @property
    def log(self) -> str:
        return self.log_path.read_text("utf-8", "backslashreplace")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end:\n{self.log[-4000:]}") from None


def environment() -> dict[str, str]:
    """What our programs need to run from the tree."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "HOME", "TMPDIR") if key in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def program(name: str, *words: str) -> list[str]:
    """The command line of one of our programs, run from the tree."""
    return [sys.executable, str(ROOT / "bin" / f"mailkit-{name}"), *words]


@contextlib.contextmanager
def serve(home: Home, name: str, *services: str, workers: int = 1) -> Iterator[Server]:
    """Run `mailkit-NAME` on listening sockets for these services; stopped at the end, however the test ends."""
    (Path(home.path) / "control" / "workers").write_text(f"{workers}\n")
    with listening(*services) as ends:
        server = start(home, name, ends)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def listening(*services: str) -> Iterator[dict[str, socket.socket]]:
    """A listening socket for each service: servers may die and start again on them, as under systemd."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100)) for name in services}


def start(home: Home, name: str, ends: dict[str, socket.socket], limits: dict[int, int] | None = None) -> Server:
    """Start `mailkit-NAME` on listening sockets; whoever calls this stops it. limits: see setrlimit(2)."""
    ports = {service: end.getsockname()[1] for service, end in ends.items()}
    log_path = Path(home.path) / f"{name}.log"

    def place() -> None:
        high = [fcntl.fcntl(end.fileno(), fcntl.F_DUPFD, 500) for end in ends.values()]  # out of the way of each other
        for i, fd in enumerate(high):
            os.dup2(fd, _FIRST_FD + i)
        for which, most in (limits or {}).items():
            resource.setrlimit(which, (most, most))

    fds = {"LISTEN_FDS": str(len(ends)), "LISTEN_FDNAMES": ":".join(ends)} if ends else {}
    # The shell sets LISTEN_PID to its own number, which exec keeps.
    command = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *program(name, "--home", home.path)]
    with log_path.open("ab") as log_file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            env={**environment(), **fds},
            preexec_fn=place,
            close_fds=False,
            start_new_session=True,
        )
    return Server(process, ports, log_path)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        return ours, server.accept()[0]


def converse(
    home: Home, name: str, data: bytes, *words: str, timeout_s: float = 20, tcp: bool = False
) -> tuple[bytes, str, int]:
    """Run one of our servers on one connection, as inetd would, and send `data` at once, then end of file.

    The octets it answered, its log, its exit status.
    """
    ours, theirs = tcp_pair() if tcp else socket.socketpair()
    with ours:
        process = subprocess.Popen(
            program(name, "--home", home.path, *words),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            env=environment(),
        )
        theirs.close()
        ours.settimeout(timeout_s)
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        answer = bytearray()
        while chunk := ours.recv(65536):
            answer += chunk
        _, log = process.communicate(timeout=timeout_s)
        return bytes(answer), log.decode("utf-8", "backslashreplace"), process.returncode
