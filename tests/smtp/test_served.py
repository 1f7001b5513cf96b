"""The server as it runs, under both drivers."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from mailkit.control import Home
from tests.harness import servers
from tests.harness.homes import make_home, set_control
from tests.smtp.worlds import left_over, queued

STRANGER = b"PROXY TCP4 198.51.100.7 192.0.2.25 4242 25\r\n"
MESSAGE = (
    b"EHLO client.example.net\r\nMAIL FROM:<carol@example.net>\r\nRCPT TO:<bob@example.test>\r\n"
    b"BDAT 18 LAST\r\nSubject: x\r\n\r\nhi\r\nQUIT\r\n"
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home")
    set_control(home, "policy", "relay", "early")
    return home


@contextmanager
def connected(port: int) -> Iterator[tuple[socket.socket, BinaryIO]]:
    with socket.create_connection(("127.0.0.1", port), 20) as end, end.makefile("rb") as reader:
        yield end, reader


def test_listening(home: Home) -> None:
    with servers.serve(home, "smtpd", "mx", "lmtp") as server:
        with connected(server.ports["mx"]) as (end, reader):
            assert reader.readline() == b"220 mail.example.test ESMTP\r\n"
            end.sendall(MESSAGE)
            assert reader.read().count(b"\r\n250 2.0.0 queued as ") == 1
        with connected(server.ports["lmtp"]) as (end, reader):
            assert reader.readline() == b"220 mail.example.test LMTP\r\n"
    assert len(queued(home)) == 1


def test_one_connection(home: Home) -> None:
    answer, _, status = servers.converse(home, "smtpd", MESSAGE)
    assert answer.startswith(b"220 ") and answer.endswith(b"221 2.0.0 goodbye\r\n")
    assert (len(queued(home)), status) == (1, 0)
    answer, _, _ = servers.converse(home, "smtpd", b"LHLO x\r\nQUIT\r\n", "--service", "lmtp")
    assert answer.startswith(b"220 mail.example.test LMTP\r\n250-")


def test_early_talker_is_refused_and_a_patient_client_is_not(home: Home) -> None:
    set_control(home, "proxyfrom", "loopback")
    set_control(home, "earlywait", "20000")
    with servers.serve(home, "smtpd", "mx") as server, connected(server.ports["mx"]) as (end, reader):
        end.sendall(STRANGER)
        end.sendall(b"EHLO bot.example\r\n")
        assert reader.read().startswith(b"554 5.5.1 ")
    set_control(home, "earlywait", "20")
    with servers.serve(home, "smtpd", "mx") as server, connected(server.ports["mx"]) as (end, reader):
        end.sendall(STRANGER)
        assert reader.readline().startswith(b"220 ")
        end.sendall(b"NOOP\r\n")
        assert reader.readline() == b"250 2.0.0 ok\r\n"


def test_early_talker_on_one_connection(home: Home) -> None:
    set_control(home, "proxyfrom", "loopback")
    answer, _, _ = servers.converse(home, "smtpd", STRANGER + b"EHLO bot.example\r\n", tcp=True)
    assert answer.startswith(b"554 5.5.1 ")


def test_silent_client_is_told_so(home: Home) -> None:
    set_control(home, "smtptimeout", "1")
    with servers.serve(home, "smtpd", "mx") as server, connected(server.ports["mx"]) as (_, reader):
        assert reader.readline().startswith(b"220 ")
        assert reader.readline().startswith(b"421 4.4.2 ")
        assert reader.read() == b""


def test_stopping_server_says_421_and_leaves_nothing(home: Home) -> None:
    with servers.serve(home, "smtpd", "mx") as server:
        with connected(server.ports["mx"]) as (end, reader):
            reader.readline()
            end.sendall(MESSAGE.partition(b"BDAT")[0] + b"DATA\r\n")
            while not reader.readline().startswith(b"354 "):
                pass
            end.sendall(b"Subject: half\r\n\r\n" + b"x" * 70 + b"\r\n")
            server.process.terminate()
            assert reader.read().startswith(b"421 4.3.2 ")
        assert server.process.wait(20) == 0
    assert queued(home) == [] and left_over(home) == []


def test_many_sessions_at_once(home: Home) -> None:
    with servers.serve(home, "smtpd", "mx", workers=2) as server:
        ends = [socket.create_connection(("127.0.0.1", server.ports["mx"]), 20) for _ in range(40)]
        for end in ends:
            end.sendall(MESSAGE[:70])
        for end in ends:
            end.sendall(MESSAGE[70:])
        for end in ends:
            with end, end.makefile("rb") as reader:
                assert b"\r\n250 2.0.0 queued as " in reader.read()
    assert len(queued(home)) == 40


def test_what_came_with_starttls_is_not_obeyed(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", tls=True)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with servers.serve(home, "smtpd", "submission") as server, connected(server.ports["submission"]) as (end, _):
        end.sendall(b"STARTTLS\r\nNOOP injected\r\nMAIL FROM:<evil@example.net>\r\n")
        said = b""
        while not said.endswith(b"go ahead\r\n"):
            said += end.recv(1)
        with context.wrap_socket(end) as secured, secured.makefile("rb") as reader:
            secured.sendall(b"EHLO client.example.net\r\nQUIT\r\n")
            lines = reader.read().splitlines()
    assert lines[0] == b"250-mail.example.test" and lines[-1] == b"221 2.0.0 goodbye"
    assert [line for line in lines if line.startswith(b"250 ")] == [lines[-2]]
    assert any(line.startswith(b"250-AUTH ") for line in lines)
