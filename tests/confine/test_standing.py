"""Sessions of IMAP and POP3 end with the account, whichever process serves them."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.users import edit, standing, verify
from mailkit.users.passwd import Passwd, User
from tests.harness import servers
from tests.harness.homes import make_home, set_control

ALICE = "alice@example.test"
BOB = "bob@example.test"

IMAP = f"a LOGIN {ALICE} secret\r\n"
POP3 = f"USER {ALICE}\r\nPASS secret\r\n"
GOODBYE = {
    "imap": b"* BYE Your account was changed, please log in again\r\n",
    "pop3": b"-ERR [AUTH] your account was changed, please log in again\r\n",
}


def lock(user: User) -> None:
    user.fields["nologin"] = ""


def renew(user: User) -> None:
    verify.set_password(user, "another", 0)


CHANGES: dict[str, Callable[[Home], object]] = {
    "removed": lambda home: edit.remove(home, ALICE),
    "locked": lambda home: edit.change(home, ALICE, lock),
    "new password": lambda home: edit.change(home, ALICE, renew),
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path)
    set_control(home, "clearauth", "yes")
    return home


class Client:
    """A client's end of a connection."""

    def __init__(self, end: socket.socket) -> None:
        end.settimeout(30)
        self.end = end
        self.stream = end.makefile("rwb")

    def say(self, line: str) -> None:
        self.stream.write(line.encode())
        self.stream.flush()

    def until(self, start: bytes) -> bytes:
        while line := self.stream.readline():
            if line.startswith(start):
                return line
        raise AssertionError(f"the connection ended before {start!r}")

    def close(self) -> None:
        self.stream.close()
        self.end.close()


@contextlib.contextmanager
def connected(port: int, service: str, user: str = ALICE) -> Iterator[Client]:
    """A client who has logged in."""
    client = Client(socket.create_connection(("127.0.0.1", port), 20))
    try:
        client.say((IMAP if service == "imap" else POP3).replace(ALICE, user))
        client.until(b"a OK" if service == "imap" else b"+OK 0 messages")
        yield client
    finally:
        client.close()


@pytest.mark.parametrize(
    ("change", "service", "separate"),
    [
        ("removed", "imap", "own"),
        ("removed", "pop3", "all"),
        ("locked", "imap", "all"),
        ("new password", "pop3", "own"),
    ],
)
def test_a_server_ends_sessions_with_the_account(change: str, service: str, separate: str, home: Home) -> None:
    set_control(home, "separate", separate)
    with (
        servers.serve(home, f"{service}d", service, workers=2) as server,
        connected(server.ports[service], service) as alice,
        connected(server.ports[service], service, BOB) as bob,
    ):
        CHANGES[change](home)
        assert alice.stream.readline() == GOODBYE[service]
        assert alice.stream.read() == b""
        bob.say("b NOOP\r\n" if service == "imap" else "NOOP\r\n")
        bob.until(b"b OK" if service == "imap" else b"+OK")
        bob.close()
        server.stop()
        (told,) = [line for line in server.log.splitlines() if f"user={ALICE}" in line and "ended=user" in line]
        assert "close c=" in told  # one line, whoever serves


def test_a_client_who_waits_in_idle_is_told(home: Home) -> None:
    with servers.serve(home, "imapd", "imap") as server, connected(server.ports["imap"], "imap") as alice:
        alice.say("b SELECT INBOX\r\nc IDLE\r\n")
        alice.until(b"+ idling")
        CHANGES["removed"](home)
        alice.until(GOODBYE["imap"])
        assert alice.stream.read() == b""


@contextlib.contextmanager
def alone(home: Home, service: str, *words: str) -> Iterator[Client]:
    """A server for one connection, as inetd or ssh start it."""
    ours, theirs = socket.socketpair()
    command = servers.program(f"{service}d", "--home", home.path, *words)
    with subprocess.Popen(
        command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL, env=servers.environment()
    ) as process:
        theirs.close()
        client = Client(ours)
        try:
            yield client
            assert client.stream.read() == b""
            assert process.wait(20) == 0
        finally:
            client.close()


@pytest.mark.parametrize("service", ["imap", "pop3"])
def test_a_server_for_one_connection_too(service: str, home: Home) -> None:
    with alone(home, service) as alice:
        alice.say(IMAP if service == "imap" else POP3)
        alice.until(b"a OK" if service == "imap" else b"+OK 0 messages")
        CHANGES["locked"](home)
        assert alice.stream.readline() == GOODBYE[service]


def test_preauth_too(home: Home) -> None:
    with alone(home, "imap", "--user", ALICE) as alice:
        alice.until(b"* PREAUTH")
        CHANGES["removed"](home)
        assert alice.stream.readline() == GOODBYE["imap"]


def test_a_file_that_cannot_tell_throws_nobody_out(home: Home) -> None:
    alice = Passwd(home).lookup(ALICE)
    assert alice is not None
    fact = standing.Standing(home, alice)
    assert fact()
    text = Path(home.passwd).read_text()
    Path(home.passwd).unlink()
    assert fact()
    Path(home.passwd).write_text(text.replace(f"{ALICE}:{{PLAIN}}secret:", f"{ALICE}:{{PLAIN}}secret:nobody-at-all"))
    assert fact()
    Path(home.passwd).write_text(text.replace(ALICE, "carol@example.test"))
    assert not fact()
