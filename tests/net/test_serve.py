"""Which driver, which service, how many: what the kernel and the limits say."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.exits import Perm
from mailkit.net import serve, sockets
from tests.harness.homes import make_home
from tests.harness.servers import ROOT, environment

# A program that greets, answers one line at a time in upper case, and says goodbye when it is told to stop.
PROGRAM = """
import sys
from mailkit.control import Home
from mailkit.net.conn import Stopping
from mailkit.net.serve import Service, run

async def session(conn):
    conn.write(b"hello " + conn.service.encode() + b"\\r\\n")
    try:
        while data := await conn.more():
            if data == b"die\\r\\n":
                import os
                os._exit(3)
            if data == b"who\\r\\n":
                data = f"{conn.peer} {conn.peer_port} {conn.local} {conn.local_port}\\r\\n".encode()
            conn.write(data.upper())
    except Stopping:
        conn.write(b"bye\\r\\n")
        await conn.flush()

services = {"one": Service("one", session, busy=b"busy\\r\\n"), "two": Service("two", session, busy=b"busy\\r\\n")}
services["tls"] = Service("tls", session, implicit_tls=True)
sys.exit(run("echo", Home(sys.argv[1]), services, "one"))
"""


class Running:
    def __init__(self, home: Path, names: list[str], **values: str) -> None:
        (home / "control").mkdir(exist_ok=True)
        for name, value in values.items():
            (home / "control" / name).write_text(value + "\n")
        self.ends = [socket.create_server(("127.0.0.1", 0)) for _ in names]
        self.log = home / "log"

        def place() -> None:
            high = [fcntl.fcntl(end.fileno(), fcntl.F_DUPFD, 500) for end in self.ends]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i)

        command = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", sys.executable, "-c", PROGRAM, str(home)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stderr=log,
                env={**environment(), "LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)},
                preexec_fn=place,
                close_fds=False,
                cwd=ROOT,
            )

    def connect(self, i: int = 0) -> socket.socket:
        return socket.create_connection(self.ends[i].getsockname(), timeout=10)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for end in self.ends:
            end.close()


def line(end: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\r\n") and (octet := end.recv(1)):
        data += octet
    return data


def test_the_name_of_a_socket_chooses_the_service(tmp_path: Path) -> None:
    with (
        Running(tmp_path, ["two", "unknown", "one.v6"], workers="1") as running,
        running.connect(0) as a,
        running.connect(1) as b,
        running.connect(2) as c,
    ):
        assert line(a) == b"hello two\r\n"
        assert line(b) == b"hello one\r\n"
        assert line(c) == b"hello one\r\n"


def test_a_socket_for_nobody_is_refused(tmp_path: Path) -> None:
    with Running(tmp_path, ["three"]) as running:
        assert running.process.wait(10) == 100
    assert "three" in running.log.read_text()


def test_connections_over_the_limit_are_told(tmp_path: Path) -> None:
    with (
        Running(tmp_path, ["one"], workers="1", maxconn="2") as running,
        running.connect() as a,
        running.connect() as b,
    ):
        assert line(a) and line(b)
        with running.connect() as c:
            assert line(c) == b"busy\r\n" and c.recv(1) == b""
        a.close()
        b.sendall(b"still there\r\n")
        assert line(b) == b"STILL THERE\r\n"
    assert "limit=maxconn" in running.log.read_text()


def test_one_address_may_not_take_everything(tmp_path: Path) -> None:
    with Running(tmp_path, ["one"], workers="1", maxperip="1") as running, running.connect() as a:
        assert line(a)
        with running.connect() as b:
            assert line(b) == b"busy\r\n"
    assert "limit=maxperip" in running.log.read_text()


def secured(end: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(end)


@pytest.fixture
def certified(tmp_path: Path) -> Path:
    make_home(tmp_path, users=(), tls=True)
    return tmp_path


@pytest.mark.parametrize("workers", ["1", "2"])
def test_tls_from_the_first_octet(certified: Path, workers: str) -> None:
    with Running(certified, ["tls"], workers=workers) as running:
        for _ in range(3):
            with secured(running.connect()) as a:
                assert line(a) == b"hello tls\r\n"
                a.sendall(b"yes\r\n")
                assert line(a) == b"YES\r\n"


def test_limits_come_before_the_handshake(certified: Path) -> None:
    with Running(certified, ["tls"], workers="1", maxconn="1") as running, secured(running.connect()) as a:
        assert line(a)
        with running.connect() as b:
            assert b.recv(1) == b""
    assert "limit=maxconn" in running.log.read_text()


def test_rubbish_instead_of_a_handshake_harms_nobody(certified: Path) -> None:
    with Running(certified, ["tls"], workers="1") as running:
        with running.connect() as rubbish:
            rubbish.sendall(b"EHLO there\r\n")
            while rubbish.recv(100):
                pass
        with running.connect():  # and one who leaves at once
            pass
        with secured(running.connect()) as a:
            assert line(a) == b"hello tls\r\n"
    assert running.log.read_text().count("tls c=") >= 1


@pytest.mark.parametrize("front", ["", "192.0.2.1\n"])
def test_who_resets_before_we_look_is_nobody_without_an_address(tmp_path: Path, front: str) -> None:
    with Running(tmp_path, ["one"], workers="1", proxyfrom=front) as running:
        with running.connect() as a:
            assert line(a)
        running.process.send_signal(signal.SIGSTOP)
        with running.connect() as gone:
            gone.sendall(b"who\r\n")
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        running.process.send_signal(signal.SIGCONT)
        with running.connect() as b:
            assert line(b)
    for said in running.log.read_text().splitlines():
        assert not said.startswith("connect ") or said.endswith(" peer=127.0.0.1")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_lets_sessions_say_goodbye(tmp_path: Path, workers: str) -> None:
    with Running(tmp_path, ["one"], workers=workers) as running, running.connect() as a:
        assert line(a)
        running.process.send_signal(signal.SIGTERM)
        assert line(a) == b"bye\r\n"
        assert running.process.wait(10) == 0


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    with Running(tmp_path, ["one"], workers="2") as running:
        for _ in range(2):
            with running.connect() as a:
                line(a)
                a.sendall(b"die\r\n")
                a.recv(1)
        with running.connect() as b:
            assert line(b) == b"hello one\r\n"
    assert "died=3" in running.log.read_text()


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    with Running(tmp_path, ["one"], workers="2") as running, running.connect() as a:
        assert line(a)
        running.process.kill()
        assert line(a) == b"bye\r\n"


def test_readiness_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(path)
        end.settimeout(10)
        whole = {**environment(), "NOTIFY_SOCKET": path}
        monkeypatch.setattr("tests.net.test_serve.environment", lambda: whole)
        with Running(tmp_path, ["one"], workers="2"):
            assert end.recv(100) == b"READY=1"


def test_an_accepted_connection_is_one_session(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path)], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
            env=environment(), cwd=ROOT, check=False, input=None, timeout=10, preexec_fn=lambda: ours.shutdown(1),
        )  # fmt: skip
        assert process.returncode == 0
        assert ours.recv(100) == b"hello one\r\n"


def test_names_of_control_listen(tmp_path: Path) -> None:
    assert sockets.parse("mx 127.0.0.1 25") == ("mx", "127.0.0.1", 25)
    assert sockets.parse("imap [::]:143") == ("imap", "::", 143)
    for bad in ("", "mx", "ftp 127.0.0.1 21", "mx 127.0.0.1 x", "mx 127.0.0.1 0"):
        with pytest.raises(ValueError):
            sockets.parse(bad)


def test_without_sockets_descriptor_0_is_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    one = serve.Service("one", None)  # type: ignore[arg-type]
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")
    assert serve.inherited({"one": one}, "one") == [(0, one)]


def test_a_name_that_is_no_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr(serve, "_FIRST_FD", reader)
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDNAMES", "nonsense")
    try:
        with pytest.raises(Perm):
            serve.inherited({"one": serve.Service("one", None)}, "one")  # type: ignore[arg-type]
    finally:
        os.close(reader)
        os.close(writer)
    assert Home(str(tmp_path)).path == str(tmp_path)
