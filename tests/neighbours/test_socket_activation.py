"""Sockets from systemd: every server, in both shapes, with a real client; and the units we ship."""

from __future__ import annotations

import configparser
import contextlib
import ctypes
import itertools
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.net.sockets import SOCKETS
from tests.harness import programs, servers
from tests.harness.homes import make_home, set_control

UNITS = servers.ROOT / "contrib" / "systemd"
SERVICES = sorted([*UNITS.glob("*.service"), *UNITS.glob("accept/*.service")])
SHAPES = {"listening": [], "accept": ["-a"], "inetd": ["--inetd", "-a"]}

_names = itertools.count()
_PR_SET_MDWE, _PR_GET_MDWE = 65, 66  # prctl(2)

pytestmark = pytest.mark.neighbour


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("activation") / "home", tls=True)
    set_control(home, "clearauth", "yes")
    set_control(home, "workers", "1")
    return home


@contextlib.contextmanager
def activated(home: Home, service: str, shape: str, *around: str) -> Iterator[int]:
    """systemd-socket-activate with one of our servers behind it, run by the command `around`; the port."""
    activate = programs.need("systemd-socket-activate")
    program = next(program for name, _, program in SOCKETS if name == service)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = [*SHAPES[shape], "--fdname", service] if shape == "listening" else SHAPES[shape]
    own = ["--service", service] if shape != "listening" else []
    variables = [word for name in servers.environment() for word in ("-E", name)]
    command = [*around, *servers.program(program, "--home", home.path, *own)]
    process = subprocess.Popen(
        [activate, "-l", f"127.0.0.1:{port}", *words, *variables, *command],
        env=servers.environment(),
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        assert b"Listening" in process.stderr.readline()
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=20)


def curl(*words: str) -> str:
    """What curl prints; its error is the test's."""
    done = subprocess.run(
        [programs.need("curl"), "-sS", "-k", "--max-time", "20", "-u", "alice@example.test:secret", *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("service", ["pop3", "pop3s"])
def test_pop3(home: Home, service: str, shape: str) -> None:
    _put(home, "pop3")
    with activated(home, service, shape) as port:
        assert "Subject: pop3" in curl("--url", f"{service}://127.0.0.1:{port}/1")
        if service == "pop3":
            assert "Subject: pop3" in curl("--ssl-reqd", "--url", f"pop3://127.0.0.1:{port}/1")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("service", ["imap", "imaps"])
def test_imap(home: Home, service: str, shape: str) -> None:
    _put(home, "imap")
    with activated(home, service, shape) as port:
        assert "Subject: imap" in curl("--url", f"{service}://127.0.0.1:{port}/INBOX;MAILINDEX=1")
        if service == "imap":
            assert "Subject: imap" in curl("--ssl-reqd", "--url", f"imap://127.0.0.1:{port}/INBOX;MAILINDEX=1")


@pytest.mark.parametrize("shape", SHAPES)
def test_mx(home: Home, shape: str) -> None:
    with activated(home, "mx", shape) as port:
        _swaks(port, "--from", "carol@example.net", "--to", "bob@example.test")
    assert _queued(home, "carol@example.net")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("service", "tls"), [("submission", "--tls"), ("submissions", "--tls-on-connect")])
def test_submission(home: Home, service: str, tls: str, shape: str) -> None:
    sender = "alice@example.test"
    with activated(home, service, shape) as port:
        words = ["--auth", "PLAIN", "--auth-user", sender, "--auth-password", "secret", tls]
        _swaks(port, "--from", sender, "--to", "bob@example.test", *words)
    assert _queued(home, sender)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("service", ["imaps", "pop3s"])
@pytest.mark.parametrize("flag", ["no", "yes"])  # pyOpenSSL would write code for its callbacks, if we had any
def test_no_network_and_no_writable_code(home: Home, service: str, shape: str, flag: str) -> None:
    """What PrivateNetwork= and MemoryDenyWriteExecute= of the units take away is not missed."""
    set_control(home, "channelbinding", flag)
    if os.geteuid() or _prctl(_PR_GET_MDWE) < 0:
        programs.absent("namespaces need root, PR_SET_MDWE needs Linux 6.3")
    _put(home, "confined")
    deny = (
        f"import ctypes, os, sys; ctypes.CDLL(None).prctl({_PR_SET_MDWE}, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
    )
    with activated(home, service, shape, programs.need("unshare"), "--net", sys.executable, "-c", deny) as port:
        path = "1" if service == "pop3s" else "INBOX;MAILINDEX=1"
        assert "Subject: confined" in curl("--url", f"{service}://127.0.0.1:{port}/{path}")


def _prctl(option: int) -> int:
    return int(ctypes.CDLL(None).prctl(option, 0, 0, 0, 0))


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_unit_is_confined(unit: Path, installed: Path) -> None:
    """Exposure 2.0 or less; `systemd-analyze` counts in tenths."""
    done = subprocess.run(
        [programs.need("systemd-analyze"), "security", "--offline=yes", "--threshold=20", installed / unit.name],
        env={"SYSTEMD_UNIT_PATH": f"{installed}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """All units in one directory, as an admin copies them, with programs that are there."""
    shutil.copytree(UNITS, tmp_path / "units")
    for unit in (tmp_path / "units" / "accept").iterdir():
        unit.rename(tmp_path / "units" / unit.name)
    for unit in (tmp_path / "units").glob("*.service"):
        unit.write_text(unit.read_text().replace("/usr/local/bin/", f"{servers.ROOT}/bin/"))
    return tmp_path / "units"


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_unit_says_what_systemd_understands(unit: Path, installed: Path) -> None:
    name = unit.name.replace("@.", "@1.")
    done = subprocess.run(
        [programs.need("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no", installed / name],
        env={"SYSTEMD_UNIT_PATH": f"{installed}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("directory", [UNITS, UNITS / "accept"], ids=["listening", "accept"])
def test_a_socket_unit_for_every_socket(directory: Path) -> None:
    for name, port, program in SOCKETS:
        unit = _unit(directory / f"mailkit-{name}.socket")
        assert unit["Socket"]["FileDescriptorName"] == name
        assert unit["Socket"]["ListenStream"] == ("/run/mailkit/lmtp" if name == "lmtp" else str(port))
        if directory == UNITS:
            service = unit["Socket"]["Service"]
            assert f"mailkit-{name}.socket" in _unit(directory / service)["Service"]["Sockets"].split()
        else:
            service = f"mailkit-{name}@.service"
            assert _unit(directory / service)["Service"]["ExecStart"].endswith(f" --service {name}")
        assert f"/mailkit-{program}" in _unit(directory / service)["Service"]["ExecStart"]


@pytest.mark.parametrize("path", ["inetd/inetd.conf", "xinetd/mailkit", "ucspi/imaps/run"])
def test_lines_for_other_super_servers_name_what_there_is(path: str) -> None:
    text = (servers.ROOT / "contrib" / path).read_text()
    served = re.findall(r"/usr/local/bin/mailkit-(\w+)(?:\s+mailkit-\w+|\s+server_args *=)? --service (\w+)", text)
    assert served
    assert set(served) <= {(program, name) for name, _, program in SOCKETS}
    assert len(served) == text.count("/usr/local/bin/mailkit-") - text.count("/usr/local/bin/mailkit-runq")


def _unit(path: Path) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path)
    return unit


def _put(home: Home, subject: str) -> None:
    """One message for alice, and no other."""
    maildir = Path(home.join("domains", "example.test", "alice", "Maildir"))
    for path in [*(maildir / "cur").iterdir(), *(maildir / "new").iterdir()]:
        path.unlink()
    (maildir / "new" / f"1700000000.M{next(_names)}P1.{subject}").write_text(
        f"From: c@example.net\nSubject: {subject}\n\nhello\n"
    )


def _swaks(port: int, *words: str) -> None:
    done = subprocess.run(
        [programs.need("swaks"), "--server", f"127.0.0.1:{port}", "--timeout", "20", *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _queued(home: Home, sender: str) -> bool:
    """Is there a message from `sender` in the queue, or with bob already?"""
    places = [*Path(home.queue).rglob("*"), *Path(home.join("domains", "example.test", "bob")).rglob("*")]
    return any(sender.encode() in path.read_bytes() for path in places if path.is_file())
