"""Exim and OpenSMTPD pass mail on to us, by SMTP and by LMTP. (Postfix as a relay: test_smtp_clients.py.)"""

from __future__ import annotations

import contextlib
import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.harness.homes import make_home
from tests.harness.servers import Server, serve
from tests.neighbours import receivers
from tests.neighbours.receivers import Receiver
from tests.smtp.worlds import queued

pytestmark = pytest.mark.neighbour

MESSAGE = "From: carol@example.net\nTo: bob@example.net\nSubject: hello\n\n.dots\n..\n.\nGrüße\n".encode()

Relay = Callable[[Path, Server, str], contextlib.AbstractContextManager[Receiver]]


@contextlib.contextmanager
def exim(directory: Path, ours: Server, service: str) -> Iterator[Receiver]:
    transport = f"  driver = smtp\n  hosts = 127.0.0.1\n  port = {ours.ports[service]}\n  allow_localhost"
    if service == "lmtp":
        transport += "\n  protocol = lmtp"
    with receivers._exim(directory, transport, "deliver_drop_privilege = true") as relay:
        yield relay


@contextlib.contextmanager
def opensmtpd(directory: Path, ours: Server, service: str) -> Iterator[Receiver]:
    port = ours.ports[service]
    action = f'lmtp "127.0.0.1:{port}" rcpt-to virtual <users>' if service == "lmtp" else f"relay host 127.0.0.1:{port}"
    with receivers._opensmtpd(directory, action) as relay:
        yield relay


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home", domains=("example.net",), tls=True)


@pytest.mark.parametrize("service", ["mx", "lmtp"])
@pytest.mark.parametrize("relay", [exim, opensmtpd])
def test_a_message_comes_whole(relay: Relay, service: str, home: Home) -> None:
    with (
        serve(home, "smtpd", "mx", "lmtp") as ours,
        receivers.open_directory() as directory,
        relay(directory, ours, service) as theirs,
        smtplib.SMTP("127.0.0.1", theirs.port, timeout=20) as client,
    ):
        client.sendmail("carol@example.net", ["bob@example.net"], MESSAGE.replace(b"\n", b"\r\n"))
        receivers.until(lambda: [message for _, message in queued(home)], directory)
    ((envelope, message),) = queued(home)
    assert envelope.sender == "carol@example.net"
    assert [one.address for one in envelope.recipients] == ["bob@example.net"]
    assert b"\nDelivered-To:" not in message.partition(b"\n\n")[0]  # our own delivery would take it for a loop
    assert message.endswith("\n\n.dots\n..\n.\nGrüße\n".encode()), message
