"""HAProxy hands connections on to our servers and says whose they are."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.harness import programs, servers
from tests.harness.homes import make_home, set_control

pytestmark = pytest.mark.neighbour

# The client comes from an address of its own, so that it cannot be taken for the front end, 127.0.0.1.
CLIENT = "127.0.0.9"
_CONFIGURATION = """\
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen front
    bind 127.0.0.1:{front}
    server back 127.0.0.1:{back} {header} source 127.0.0.1
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home", tls=True)
    set_control(home, "proxyfrom", "127.0.0.1")
    maildir = Path(home.join("domains", "example.test", "alice", "Maildir"))
    (maildir / "new" / "1700000000.M1P1.host").write_text("From: c@example.net\nSubject: handed on\n\nhello\n")
    return home


@contextlib.contextmanager
def fronted(directory: Path, back: int, header: str) -> Iterator[int]:
    """HAProxy before the port `back`; its own port."""
    haproxy = programs.need("haproxy")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        front = int(probe.getsockname()[1])
    file = directory / "haproxy.cfg"
    file.write_text(_CONFIGURATION.format(front=front, back=back, header=header))
    process = subprocess.Popen([haproxy, "-db", "-q", "-f", str(file)], stdin=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while True:
            assert process.poll() is None, f"haproxy ended with {process.returncode}"
            assert time.monotonic() < until, "haproxy does not listen"
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", front), 10):
                break
        yield front
    finally:
        process.terminate()
        process.wait(20)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Imaps(imaplib.IMAP4_SSL):
    """imaplib gives no way to choose the address to come from."""

    def _create_socket(self, timeout: float | None) -> socket.socket:
        end = socket.create_connection((self.host, self.port), 20, source_address=(CLIENT, 0))
        return self.ssl_context.wrap_socket(end)


class Pop3s(poplib.POP3_SSL):
    """Nor does poplib."""

    def _create_socket(self, timeout: float) -> socket.socket:
        end = socket.create_connection((self.host, self.port), timeout, source_address=(CLIENT, 0))
        return self.context.wrap_socket(end)


HEADERS = pytest.mark.parametrize("header", ["send-proxy", "send-proxy-v2"])


@HEADERS
def test_imaps(home: Home, tmp_path: Path, header: str) -> None:
    with servers.serve(home, "imapd", "imaps") as server:
        with (
            fronted(tmp_path, server.ports["imaps"], header) as port,
            Imaps("127.0.0.1", port, ssl_context=trusting()) as client,
        ):
            client.login("alice@example.test", "secret")
            assert client.select()[1] == [b"1"]
        assert f"service=imaps peer={CLIENT}" in server.log


@HEADERS
def test_pop3s(home: Home, tmp_path: Path, header: str) -> None:
    with servers.serve(home, "pop3d", "pop3s") as server:
        with fronted(tmp_path, server.ports["pop3s"], header) as port:
            client = Pop3s("127.0.0.1", port, context=trusting(), timeout=20)
            client.user("alice@example.test")
            client.pass_("secret")
            assert client.stat()[0] == 1
            client.quit()
        assert f"service=pop3s peer={CLIENT}" in server.log


@HEADERS
@pytest.mark.parametrize("service", ["submissions", "submission"])
def test_submission(home: Home, tmp_path: Path, header: str, service: str) -> None:
    with servers.serve(home, "smtpd", service) as server:
        with fronted(tmp_path, server.ports[service], header) as port:
            source = (CLIENT, 0)
            client: smtplib.SMTP
            if service == "submissions":
                client = smtplib.SMTP_SSL("127.0.0.1", port, context=trusting(), timeout=20, source_address=source)
            else:
                client = smtplib.SMTP("127.0.0.1", port, timeout=20, source_address=source)
                client.starttls(context=trusting())
            with client:
                client.login("alice@example.test", "secret")
                client.sendmail("alice@example.test", ["bob@example.test"], "Subject: x\r\n\r\nhi\r\n")
        assert f"service={service} peer={CLIENT}" in server.log and " q=" in server.log


@HEADERS
def test_mail_from_elsewhere(home: Home, tmp_path: Path, header: str) -> None:
    set_control(home, "policy", "relay")
    with (
        servers.serve(home, "smtpd", "mx") as server,
        fronted(tmp_path, server.ports["mx"], header) as port,
        smtplib.SMTP("127.0.0.1", port, timeout=20, source_address=(CLIENT, 0)) as client,
    ):
        client.sendmail("carol@example.net", ["bob@example.test"], "Subject: x\r\n\r\nhi\r\n")
    (queued,) = Path(home.join("queue", "ready")).iterdir()
    assert f"[{CLIENT}]" in queued.read_text()
