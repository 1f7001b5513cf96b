"""mailkit-up: the whole chain from one command, through deaths and restarts to a clean end."""

from __future__ import annotations

import contextlib
import imaplib
import os
import poplib
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailkit import log
from mailkit.control import Home
from mailkit.programs.up import Up
from mailkit.users import edit
from mailkit.users.passwd import User
from tests.harness.homes import make_home, set_control
from tests.harness.servers import environment, program
from tests.harness.waits import readable

WAIT_S = 30


@pytest.fixture
def base() -> Iterator[int]:
    """A base for which all eight ports are free, and which no other test that asks for one gets meanwhile."""
    for base in range(20000, 57000, 1009):
        with contextlib.ExitStack() as stack:
            try:
                mark = socket.socket(socket.AF_UNIX)
                stack.enter_context(mark).bind(f"\0mailkit tests: ports from {base}")
                for port in (24, 25, 110, 143, 465, 587, 993, 995):
                    socket.create_server(("127.0.0.1", base + port)).close()
            except OSError:
                continue
            yield base
            return
    raise AssertionError("no free ports")


def run(home: Path, name: str, *words: str, text: str = "") -> str:
    command = program(name, "--home", str(home), *words)
    done = subprocess.run(command, capture_output=True, text=True, input=text, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Running:
    def __init__(self, home: Path, base: int) -> None:
        self.home = home
        self.base = base
        self.log = home / "log"
        path = {"PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                program("up", "--home", str(home)), stdout=subprocess.PIPE, stderr=log, env={**environment(), **path}
            )
        assert self.process.stdout is not None
        if self.process.stdout.readline() != b"ready\n":
            self.stop()
            raise AssertionError(self.log.read_text())

    def children(self) -> dict[str, int]:
        """The pids of the programs by name."""
        found = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it died between the two looks
            found.update({os.path.basename(word).decode(): int(pid) for word in words if b"/mailkit-" in word})
        return found

    def context(self) -> ssl.SSLContext:
        (certificate,) = (self.home / "tls").glob("*/cert.pem")
        return ssl.create_default_context(cafile=str(certificate))

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(WAIT_S)


@pytest.fixture
def up(tmp_path: Path, base: int) -> Iterator[Running]:
    run(tmp_path, "setup", "--domain", "example.test", "--ports", str(base), "--yes")
    for name in ("alice", "bob"):
        run(tmp_path, "adduser", "--password-stdin", f"{name}@example.test", text="secret\n")
    running = Running(tmp_path, base)
    try:
        yield running
    finally:
        running.stop()


def submit(up: Running, subject: str) -> None:
    with smtplib.SMTP("localhost", up.base + 587, timeout=WAIT_S) as server:
        server.starttls(context=up.context())
        server.login("alice@example.test", "secret")
        text = f"From: alice@example.test\r\nTo: bob@example.test\r\nSubject: {subject}\r\n\r\nhello\r\n"
        server.sendmail("alice@example.test", ["bob@example.test"], text)


def subjects(up: Running, wanted: set[bytes]) -> list[bytes]:
    """The subjects in bob's INBOX once those wanted are there."""
    found: list[bytes] = []
    with imaplib.IMAP4_SSL("localhost", up.base + 993, ssl_context=up.context(), timeout=WAIT_S) as server:
        server.login("bob@example.test", "secret")
        for _ in range(10_000):
            if int(server.select("INBOX")[1][0] or b"0") < len(wanted):
                continue
            parts: list[Any] = server.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
            found = sorted(part[1].split(b":", 1)[1].strip() for part in parts if isinstance(part, tuple))
            if wanted <= set(found):
                break
    return found


def test_a_message_travels_and_everything_ends(up: Running) -> None:
    assert set(up.children()) == {"mailkit-smtpd", "mailkit-imapd", "mailkit-pop3d", "mailkit-runq"}
    submit(up, "first")
    assert subjects(up, {b"first"}) == [b"first"]
    server = poplib.POP3("localhost", up.base + 110, timeout=WAIT_S)
    server.stls(up.context())
    server.user("bob@example.test")
    server.pass_("secret")
    assert server.stat()[0] == 1
    server.quit()
    pids = up.children().values()
    assert up.stop() == 0
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    assert list((up.home / "queue/new").iterdir()) == list((up.home / "queue/tmp").iterdir()) == []
    lines = up.log.read_text().splitlines()
    assert all(line[:4].isdigit() and "Z " in line[:26] for line in lines), lines


def ids_after_opening(home: Home) -> list[int]:
    """Of a process that has opened the sockets: its real, effective and saved uid and gid, and its groups."""
    ours, theirs = os.pipe()
    if not (child := os.fork()):
        status = 1
        try:
            log.sink = lambda line: print(line, file=sys.stderr, flush=True)
            Up(home)
            os.write(theirs, b" ".join(b"%d" % one for one in (*os.getresuid(), *os.getresgid(), *os.getgroups())))
            status = 0
        finally:
            os._exit(status)
    os.close(theirs)
    with open(ours, "rb") as said:
        ids = [int(word) for word in said.read().split()]
    assert os.waitpid(child, 0)[1] == 0
    return ids


@pytest.mark.skipif(os.geteuid() != 0, reason="only root opens ports for somebody else")
def test_root_is_for_the_ports(tmp_path: Path, base: int, capfd: pytest.CaptureFixture[str]) -> None:
    home = make_home(tmp_path)
    set_control(home, "listen", f"mx 127.0.0.1 {base + 25}")
    assert ids_after_opening(home)[:6] == [0] * 6
    assert f'root home={home.path} by="the home belongs to root"' in capfd.readouterr().err
    os.chown(home.path, 4711, 4712)
    assert ids_after_opening(home) == [4711] * 3 + [4712] * 4
    assert capfd.readouterr().err == ""
    edit.add(home, User("carol@example.test", uid="4711", gid="4712"))
    assert ids_after_opening(home) == [4711] * 3 + [4712] * 4
    edit.add(home, User("dave@example.test", uid="4713", gid="4712"))
    assert ids_after_opening(home)[:6] == [0] * 6
    assert "users with a uid of their own" in capfd.readouterr().err


@pytest.mark.parametrize("victim", ["mailkit-smtpd", "mailkit-runq", "mailkit-imapd"])
def test_what_dies_is_started_again_and_no_mail_is_lost(up: Running, victim: str) -> None:
    submit(up, "before")
    first = up.children()[victim]
    os.kill(first, signal.SIGKILL)
    for _ in range(1_000_000):
        if up.children().get(victim, first) != first:
            break
    else:
        raise AssertionError(f"{victim} did not come back:\n{up.log.read_text()}")
    submit(up, "after")
    found = subjects(up, {b"after", b"before"})
    # What was in flight when the runner was killed may come twice; nothing is lost (mailkit-queue(5)).
    assert found in ([b"after", b"before"], [b"after", b"before", b"before"])
    assert "died program=" in up.log.read_text()


def test_nothing_outlives_mailkit_up(up: Running) -> None:
    ends = [os.pidfd_open(pid) for pid in up.children().values()]
    with imaplib.IMAP4("localhost", up.base + 143, timeout=WAIT_S):
        os.kill(up.process.pid, signal.SIGKILL)
        up.process.wait()
    for end in ends:
        assert readable(end, WAIT_S)
        os.close(end)
    again = Running(up.home, up.base)
    assert again.stop() == 0


def test_a_taken_port_is_told(tmp_path: Path, base: int) -> None:
    run(tmp_path, "setup", "--domain", "example.test", "--ports", str(base), "--yes")
    with socket.create_server(("127.0.0.1", base + 25)):
        command = program("up", "--home", str(tmp_path))
        up = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False, timeout=WAIT_S)
    assert up.returncode == 100
    assert f"port {base + 25}" in up.stderr
