"""runit and s6 keep mailkit-up running, with the run scripts of contrib as they stand."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.harness import servers
from tests.harness.homes import make_home, set_control
from tests.harness.programs import need

pytestmark = [
    pytest.mark.neighbour,
    pytest.mark.skipif(os.geteuid() != 0, reason="the run scripts change the user, which only root may"),
]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def home(tmp_path: Path, port: int) -> Home:
    home = make_home(tmp_path / "home")
    set_control(home, "clearauth", "yes")
    set_control(home, "listen", f"pop3 127.0.0.1:{port}")
    return home


def service(home: Home, contrib: str, directory: Path) -> Path:
    """The service directory of contrib, for this home, this tree, and this user in the place of mailkit."""
    copy = directory / "mailkit"
    shutil.copytree(servers.ROOT / "contrib" / contrib / "mailkit", copy)
    (directory / "log").mkdir()
    user = pwd.getpwuid(os.geteuid()).pw_name
    up = " ".join(servers.program("up", "--home", home.path))
    for path in (copy / "run", copy / "log" / "run"):
        text = path.read_text()
        for old, new in (
            ("mailkit-up --home /var/lib/mailkit", up),
            ("-u mailkit", f"-u {user}"),
            ("setuidgid mailkit", f"setuidgid {user}"),
        ):
            text = text.replace(old, new)
        path.write_text(text.replace("/var/log/mailkit", str(directory / "log")))
    return copy


@contextlib.contextmanager
def running(*command: str) -> Iterator[None]:
    """A supervisor until the end of the block; SIGTERM makes it end its service first (runsv(8), s6-supervise)."""
    path = {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        command, env={**servers.environment(), **path}, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(40)


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Does a user get in?"""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"USER alice@example.test\r\nPASS secret\r\nQUIT\r\n")
        with client.makefile("rb") as file:
            return [line[:3] for line in file] == [b"+OK"] * 4
    return False


def refused(port: int) -> bool:
    """Does nobody listen?"""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=20):
        return False
    return True


def logged(directory: Path, text: str) -> Callable[[], bool]:
    return lambda: text in (directory / "log" / "current").read_text()


def test_runit(home: Home, port: int, tmp_path: Path) -> None:
    copy = service(home, "supervise", tmp_path)
    sv = [need("sv"), "-w", "30"]
    with running(need("runsv"), str(copy)):
        until(lambda: answers(port), "nobody answers")
        pid = int((copy / "supervise" / "pid").read_text())
        os.kill(pid, signal.SIGKILL)  # whose servers must end, or the next one would not get the ports
        until(lambda: (copy / "supervise" / "pid").read_text().strip() not in ("", str(pid)), "not started again")
        until(lambda: answers(port), "nobody answers after mailkit-up was killed")
        subprocess.run([*sv, "down", str(copy)], check=True, stdout=subprocess.DEVNULL)
        assert refused(port)
        until(logged(tmp_path, "login c="), "nothing in the log")


def test_s6(home: Home, port: int, tmp_path: Path) -> None:
    copy = service(home, "s6", tmp_path)
    scan = tmp_path / "scan"
    scan.mkdir()
    copy.rename(scan / "mailkit")
    live = str(scan / "mailkit")
    with running(need("s6-svscan"), str(scan)):
        until(lambda: os.path.exists(f"{live}/supervise/control"), "not supervised")
        subprocess.run([need("s6-svwait"), "-U", "-t", "40000", live], check=True)
        assert answers(port)  # ready is ready
        subprocess.run([need("s6-svc"), "-wR", "-T", "40000", "-r", live], check=True)
        assert answers(port)
        subprocess.run([need("s6-svc"), "-wD", "-T", "40000", "-d", live], check=True)
        assert refused(port)
        until(logged(tmp_path, "login c="), "nothing in the log")
