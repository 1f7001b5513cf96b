"""What both drivers do with connections of front ends, before any session sees them."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import servers
from tests.harness.homes import make_home, set_control
from tests.net import test_serve
from tests.net.test_proxy import LINE, V4, V6, v2
from tests.net.test_serve import Running, line, secured

WHO = b"198.51.100.7 4242 192.0.2.25 25\r\n"
HASTY = test_serve.PROGRAM.replace("import sys\n", "import sys\nfrom mailkit.net import proxy\nproxy.WITHIN_S = 0.3\n")


@pytest.fixture
def certified(tmp_path: Path) -> Path:
    set_control(make_home(tmp_path, users=(), tls=True), "proxyfrom", "loopback")
    return tmp_path


class Inetd:
    """The echo program on one connection, as inetd starts it."""

    def __init__(self, home: Path) -> None:
        self.end, theirs = servers.tcp_pair()
        self.end.settimeout(20)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", test_serve.PROGRAM, str(home)],
                stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=servers.environment(), cwd=servers.ROOT,
            )  # fmt: skip

    def log(self) -> str:
        """What it said until its end."""
        _, said = self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        self.end.close()
        return said.decode()


def heard(end: socket.socket) -> bytes:
    """What came, to the end: a reset where something we sent was not read."""
    try:
        return end.recv(100)
    except ConnectionResetError:
        return b""


def ask(end: socket.socket) -> bytes:
    end.sendall(b"who\r\n")
    return line(end)


@pytest.mark.parametrize("header", [LINE, V4, V6])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_listening_in_the_clear(certified: Path, header: bytes, workers: str) -> None:
    with Running(certified, ["one"], workers=workers) as running, running.connect() as end:
        end.sendall(header)
        assert line(end) == b"hello one\r\n"
        assert ask(end) == (WHO if header != V6 else b"2001:DB8::7 4242 2001:DB8::25 25\r\n")


@pytest.mark.parametrize("header", [LINE, V4])
def test_listening_with_tls(certified: Path, header: bytes) -> None:
    with Running(certified, ["tls"], workers="1") as running, running.connect() as plain:
        plain.sendall(header)
        with secured(plain) as end:
            assert line(end) == b"hello tls\r\n"
            assert ask(end) == WHO
    assert "service=tls peer=198.51.100.7" in running.log.read_text()


@pytest.mark.parametrize("header", [LINE, V4])
def test_one_connection_in_the_clear(certified: Path, header: bytes) -> None:
    inetd = Inetd(certified)
    inetd.end.sendall(header)
    assert line(inetd.end) == b"hello one\r\n"
    assert ask(inetd.end) == WHO
    inetd.end.shutdown(socket.SHUT_WR)
    assert "service=one peer=198.51.100.7" in inetd.log()


def test_one_connection_with_tls(certified: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_serve, "PROGRAM", test_serve.PROGRAM.replace('services, "one"', 'services, "tls"'))
    inetd = Inetd(certified)
    inetd.end.sendall(V4)
    with secured(inetd.end) as end:
        assert line(end) == b"hello tls\r\n"
        assert ask(end) == WHO
    inetd.log()


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2(1, b"", command=0)])
def test_a_front_end_may_speak_for_itself(certified: Path, header: bytes) -> None:
    with Running(certified, ["one"], workers="1") as running, running.connect() as end:
        end.sendall(header)
        assert line(end) == b"hello one\r\n"
        host, port = end.getsockname()
        assert ask(end) == f"{host} {port} {host} {running.ends[0].getsockname()[1]}\r\n".encode()
    inetd = Inetd(certified)
    inetd.end.sendall(header)
    assert line(inetd.end) == b"hello one\r\n"
    assert ask(inetd.end).startswith(b"127.0.0.1 ")
    inetd.end.shutdown(socket.SHUT_WR)
    inetd.log()


BAD = [b"EHLO client.example\r\n", LINE[:20], b"PROXY TCP4 nonsense\r\n", b""]


@pytest.mark.parametrize("sent", BAD)
@pytest.mark.parametrize("service", ["one", "tls"])
def test_without_its_header_a_front_end_hears_nothing(certified: Path, sent: bytes, service: str) -> None:
    with Running(certified, [service], workers="1") as running:
        with running.connect() as end:
            end.sendall(sent)
            end.shutdown(socket.SHUT_WR)
            assert heard(end) == b""
        said = running.log.read_text()
        assert said.count("proxy c=") == 1 and f"service={service} peer=127.0.0.1 error=" in said
        assert "connect " not in said


@pytest.mark.parametrize("sent", BAD)
def test_without_its_header_one_connection_hears_nothing(certified: Path, sent: bytes) -> None:
    inetd = Inetd(certified)
    inetd.end.sendall(sent)
    inetd.end.shutdown(socket.SHUT_WR)
    assert heard(inetd.end) == b""
    said = inetd.log()
    assert said.count("proxy c=") == 1 and "connect " not in said


def test_a_slow_header_is_not_waited_for(certified: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_serve, "PROGRAM", HASTY)
    with Running(certified, ["one", "tls"], workers="1") as running:
        for i in (0, 1):
            with running.connect(i) as end:
                end.sendall(LINE[:10])
                assert heard(end) == b""
        assert running.log.read_text().count('error="no PROXY header within 0.3 s"') == 2
    inetd = Inetd(certified)
    inetd.end.sendall(V4[:14])
    assert heard(inetd.end) == b""
    assert "no PROXY header within 0.3 s" in inetd.log()


def test_others_are_never_asked_for_a_header(certified: Path) -> None:
    (certified / "control" / "proxyfrom").write_text("192.0.2.1\n")
    with Running(certified, ["one", "tls"], workers="1") as running:
        with running.connect() as end:
            assert line(end) == b"hello one\r\n"
            end.sendall(LINE)
            assert line(end) == LINE.upper()
            assert ask(end).startswith(b"127.0.0.1 ")
        with running.connect(1) as plain:
            plain.sendall(LINE)
            with pytest.raises((ssl.SSLError, ConnectionError)), secured(plain) as end:
                end.recv(1)
    assert "proxy c=" not in running.log.read_text()


def test_limits_count_the_client_not_the_front_end(certified: Path) -> None:
    with (
        Running(certified, ["one"], workers="1", maxperip="1") as running,
        running.connect() as a,
        running.connect() as b,
        running.connect() as c,
    ):
        a.sendall(LINE)
        assert line(a) == b"hello one\r\n"
        b.sendall(V6)
        assert line(b) == b"hello one\r\n"
        c.sendall(LINE)
        assert line(c) == b"busy\r\n" and c.recv(1) == b""
        a.close()
        b.sendall(b"still there\r\n")
        assert line(b) == b"STILL THERE\r\n"
        with running.connect() as d:
            d.sendall(LINE)
            assert line(d) in (b"hello one\r\n", b"busy\r\n")
    said = running.log.read_text()
    assert "peer=198.51.100.7 limit=maxperip" in said and "peer=127.0.0.1" not in said


def test_front_ends_without_a_header_yet_count_for_the_worker(certified: Path) -> None:
    with (
        Running(certified, ["one"], workers="1", maxconn="1") as running,
        running.connect(),
        running.connect() as b,
    ):
        assert line(b) == b"busy\r\n" and b.recv(1) == b""
    assert "limit=maxconn" in running.log.read_text()


def test_a_bad_list_is_no_open_door(certified: Path) -> None:
    (certified / "control" / "proxyfrom").write_text("nonsense\n")
    with Running(certified, ["one"]) as running:
        assert running.process.wait(20) == 100
    assert "proxyfrom" in running.log.read_text()
    (certified / "control" / "proxyfrom").write_text("loopback\n")
    with Running(certified, ["one"], workers="1") as running:
        with running.connect() as end:
            end.sendall(LINE)
            assert line(end) == b"hello one\r\n"
        (certified / "control" / "proxyfrom").write_text("nonsense\n")
        with running.connect() as end:
            end.sendall(LINE)
            assert heard(end) == b""
    assert "trouble c=" in running.log.read_text()


@pytest.mark.parametrize(
    ("program", "service", "greeting"),
    [("imapd", "imaps", b"* OK"), ("pop3d", "pop3s", b"+OK"), ("smtpd", "submissions", b"220 ")],
)
def test_services_that_begin_with_tls(tmp_path: Path, program: str, service: str, greeting: bytes) -> None:
    home = make_home(tmp_path / "home", tls=True)
    set_control(home, "proxyfrom", "loopback")
    with servers.serve(home, program, service) as server:
        with socket.create_connection(("127.0.0.1", server.ports[service]), 20) as plain:
            plain.sendall(V4)
            with secured(plain) as end:
                assert line(end).startswith(greeting)
        assert f"service={service} peer=198.51.100.7" in server.log


@pytest.mark.parametrize(
    ("program", "service", "greeting"),
    [("imapd", "imap", b"* OK"), ("pop3d", "pop3", b"+OK"), ("smtpd", "mx", b"220 ")],
)
def test_services_in_the_clear(tmp_path: Path, program: str, service: str, greeting: bytes) -> None:
    home = make_home(tmp_path / "home", tls=True)
    set_control(home, "proxyfrom", "loopback")
    with servers.serve(home, program, service) as server:
        with socket.create_connection(("127.0.0.1", server.ports[service]), 20) as end:
            end.sendall(LINE)
            assert line(end).startswith(greeting)
        assert f"service={service} peer=198.51.100.7" in server.log
