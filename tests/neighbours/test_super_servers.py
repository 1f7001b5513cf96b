"""inetd, xinetd and tcpserver start our servers, one process per connection, with the options of contrib's examples."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.harness import programs, servers
from tests.harness.homes import make_home, set_control
from tests.harness.waits import readable

pytestmark = pytest.mark.neighbour


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home", tls=True)
    set_control(home, "clearauth", "yes")
    maildir = Path(home.join("domains", "example.test", "alice", "Maildir"))
    (maildir / "new" / "1700000000.M1P1.host").write_text("From: c@example.net\nSubject: started\n\nhello\n")
    return home


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(port: int, *command: str) -> Iterator[None]:
    """A super-server, from when it answers on its port until the end."""
    process = subprocess.Popen(command, env=servers.environment(), stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        until = time.monotonic() + 20
        while True:
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            assert time.monotonic() < until, f"{command[0]} does not listen"
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=10):
                break
        yield
    finally:
        process.terminate()
        process.wait(20)


def script(home: Home, directory: Path, name: str, service: str) -> str:
    """Our program as one word: these super-servers pass no environment on, and the tree is not installed."""
    path = directory / f"mailkit-{name}"
    command = " ".join(servers.program(name, "--home", home.path, "--service", service))
    exports = "".join(f"export {key}='{value}'\n" for key, value in servers.environment().items())
    path.write_text(f"#!/bin/sh\n{exports}exec {command} 2>>{directory}/log\n")
    path.chmod(0o755)
    return str(path)


def fetched(port: int, service: str) -> str:
    """What curl gets."""
    path = "1" if service.startswith("pop3") else "INBOX;MAILINDEX=1"
    done = subprocess.run(
        [programs.need("curl"), "-sSk", "--max-time", "20", "-u", "alice@example.test:secret",
         "--url", f"{service}://127.0.0.1:{port}/{path}"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


CASES = pytest.mark.parametrize(("name", "service"), [("imapd", "imap"), ("imapd", "imaps"), ("pop3d", "pop3s")])


def await_end(pid: int) -> None:
    """Wait for a process that is not our child."""
    with contextlib.suppress(ProcessLookupError):
        ended = os.pidfd_open(pid)
        try:
            assert readable(ended, 30), f"{pid} does not end"
        finally:
            os.close(ended)


@CASES
def test_tcpserver(home: Home, port: int, tmp_path: Path, name: str, service: str) -> None:
    command = [programs.need("tcpserver"), "-RHl0", "127.0.0.1", str(port), script(home, tmp_path, name, service)]
    with running(port, *command):
        assert "Subject: started" in fetched(port, service)


@CASES
def test_inetd(home: Home, port: int, tmp_path: Path, name: str, service: str) -> None:
    conf = tmp_path / "inetd.conf"
    program = script(home, tmp_path, name, service)
    conf.write_text(f"127.0.0.1:{port} stream tcp nowait {getpass.getuser()} {program} mailkit-{name}\n")
    with running(port, programs.need("inetd"), "-i", str(conf)):
        assert "Subject: started" in fetched(port, service)


def test_inetd_hands_over_the_port(home: Home, port: int, tmp_path: Path) -> None:
    """With "wait" the first connection starts one server, which serves all that follow until it is idle."""
    set_control(home, "idlestop", "2")
    program = Path(script(home, tmp_path, "imapd", "imap"))
    program.write_text(program.read_text().replace("exec ", f"echo $$ >>{tmp_path}/pids\nexec "))
    conf = tmp_path / "inetd.conf"
    conf.write_text(f"127.0.0.1:{port} stream tcp wait {getpass.getuser()} {program} mailkit-imapd\n")
    with running(port, programs.need("inetd"), "-i", str(conf)):
        for _ in range(3):
            assert "Subject: started" in fetched(port, "imap")
        (first,) = (tmp_path / "pids").read_text().split()
        await_end(int(first))
        assert "Subject: started" in fetched(port, "imap")
        assert len((tmp_path / "pids").read_text().split()) == 2
        await_end(int((tmp_path / "pids").read_text().split()[1]))


@CASES
def test_xinetd(home: Home, port: int, tmp_path: Path, name: str, service: str) -> None:
    conf = tmp_path / "xinetd.conf"
    conf.write_text(
        f"service mail\n{{\n type = UNLISTED\n port = {port}\n bind = 127.0.0.1\n protocol = tcp\n socket_type = stream\n"
        f" wait = no\n user = {getpass.getuser()}\n server = {script(home, tmp_path, name, service)}\n}}\n"
    )
    words = ["-dontfork", "-stayalive", "-f", str(conf), "-filelog", str(tmp_path / "xinetd.log"), "-pidfile"]
    with running(port, programs.need("xinetd"), *words, str(tmp_path / "xinetd.pid")):
        assert "Subject: started" in fetched(port, service)


def test_tcpserver_gives_the_peer_address(home: Home, port: int, tmp_path: Path) -> None:
    with running(port, programs.need("tcpserver"), "-RHl0", "127.0.0.1", str(port), script(home, tmp_path, "pop3d", "pop3")):
        fetched(port, "pop3")
    assert "peer=127.0.0.1" in (tmp_path / "log").read_text()
