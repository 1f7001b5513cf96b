"""We send; Postfix, Exim, OpenSMTPD and smtp-sink receive: the message arrives as it was, and each says what it thinks."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailkit.control import Home
from mailkit.deliver import remote
from mailkit.deliver.outcome import HANDED, Outcome
from mailkit.net import blocking, loop
from mailkit.queue.entry import Recipient
from tests.harness import servers
from tests.neighbours import receivers
from tests.neighbours.receivers import Receiver

pytestmark = pytest.mark.neighbour

TEXT = b"From: <alice@example.test>\nTo: <bob@example.net>\nSubject: dots\nMessage-ID: <dots@x>\nDate: Fri, 21 Nov 2025 09:55:06 +0000\n\n.one\n..two\n.\nlast\n"
EIGHT = (
    b"From: <alice@example.test>\nSubject: umlauts\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
    b"Content-Transfer-Encoding: 8bit\n\ngr\xc3\xbc\xc3\x9fe\n"
)
LARGE = b"Subject: large\n\n" + b".this line starts with a dot and there are many like it\n" * 60_000
SERVERS = {"postfix": receivers.postfix, "exim": receivers.exim, "opensmtpd": receivers.opensmtpd}


@pytest.fixture(scope="module", params=list(SERVERS))
def server(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    with SERVERS[request.param]() as running:
        yield running


def _blocking(work: Callable[[], Any]) -> Any:
    return blocking.run(work())


def _loop(work: Callable[[], Any]) -> Any:
    return loop.run(work)


DRIVERS = {"blocking": _blocking, "loop": _loop}


@pytest.fixture(params=list(DRIVERS))
def driver(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return DRIVERS[request.param]


def _home(path: Path, port: int, options: str = "") -> Home:
    (path / "control").mkdir(exist_ok=True)
    (path / "control" / "me").write_text("client.example.test\n")
    (path / "control" / "routes").write_text(f"* [127.0.0.1]:{port} {options}\n")
    return Home(str(path))


def _send(
    driver: Callable[..., Any],
    home: Home,
    text: bytes,
    *to: str | Recipient,
    sender: str = "alice@example.test",
    **params: str,
) -> list[Outcome]:
    recipients = [one if isinstance(one, Recipient) else Recipient(one) for one in to or ("bob@example.net",)]
    fd = os.memfd_create("message")
    os.write(fd, text)

    async def work() -> list[Outcome]:
        try:
            return await remote.attempt(home, "example.net", sender, recipients, fd, 0, params)
        finally:
            await remote.close()

    try:
        return list(driver(work))
    finally:
        os.close(fd)


def _body(message: bytes) -> bytes:
    return message.partition(b"\n\n")[2]


def _arrived(server: Receiver, text: bytes) -> bytes:
    """The message whose body is that of `text`."""
    found = receivers.until(
        lambda: [one for one in server.messages() if _body(one) == _body(text)],
        f"{server.directory}: {text[:60]!r}",
    )
    return found[-1]


@pytest.mark.parametrize("text", [TEXT, EIGHT, LARGE], ids=["dots", "8bit", "large"])
def test_it_arrives_as_it_was(
    server: Receiver, driver: Callable[..., Any], tmp_path: Path, text: bytes, lines: list[str]
) -> None:
    marked = text.replace(b"Subject: ", f"Subject: {driver.__name__} ".encode()) + driver.__name__.encode() + b"\n"
    (found,) = _send(driver, _home(tmp_path, server.port), marked)
    assert found.ok and found.text.startswith("250 ")
    assert b"Subject: " + driver.__name__.encode() in _arrived(server, marked)
    (line,) = [line for line in lines if line.startswith("session ")]
    if server.tls:
        assert "tls=TLSv1.3" in line and "certificate=" in line


def test_who_is_refused_is_told_so(server: Receiver, driver: Callable[..., Any], tmp_path: Path) -> None:
    refused = "nobody@example.net"
    home = _home(tmp_path, server.port)
    found = _send(driver, home, TEXT, "bob@example.net", refused, "carol@elsewhere.example")
    assert [one.status for one in found] == ["ok", "perm", "perm"]
    assert all(one.remote == "127.0.0.1" and one.code.startswith("5.") for one in found[1:])


def test_a_certificate_is_checked_when_it_matters(server: Receiver, driver: Callable[..., Any], tmp_path: Path) -> None:
    home = _home(tmp_path, server.port, "tls=verify")
    (found,) = _send(driver, home, TEXT)
    assert (found.status, found.code) == ("temp", "4.7.5" if server.tls else "4.7.4")
    if not server.tls:
        return
    assert "certificate verify failed" in found.text
    other = tmp_path / "trusting"
    (other / "tls").mkdir(parents=True)
    shutil.copy(server.directory / "cert.pem", other / "tls" / "authorities.pem")
    (found,) = _send(driver, _home(other, server.port, "tls=verify"), TEXT)
    assert found.ok


def test_reports_that_the_sender_wants_are_theirs_where_they_can(
    server: Receiver, driver: Callable[..., Any], tmp_path: Path
) -> None:
    to = Recipient("bob@example.net", params={"notify": "SUCCESS,FAILURE", "orcpt": "rfc822;bob@example.net"})
    (found,) = _send(driver, _home(tmp_path, server.port), TEXT, to, ret="HDRS", envid="QQ 1+2")
    assert found.ok and found.action == HANDED


def test_many_messages_on_one_connection(server: Receiver, tmp_path: Path, lines: list[str]) -> None:
    home = _home(tmp_path, server.port)
    fd = os.memfd_create("message")
    os.write(fd, TEXT)

    async def work() -> list[Outcome]:
        found = []
        for _ in range(5):
            found += await remote.attempt(
                home, "example.net", "a@example.test", [Recipient("b@example.net")], fd, 0, {}
            )
        await remote.close()
        return found

    assert all(one.ok for one in loop.run(work))
    os.close(fd)
    assert len([line for line in lines if line.startswith("session ")]) == 1


def test_utf8_addresses_and_header(tmp_path: Path) -> None:
    text = "From: <jürgen@example.test>\nSubject: Grüße\n\nhällo\n".encode()
    with receivers.postfix() as server:
        home = _home(tmp_path, server.port)
        (found,) = _send(_blocking, home, text, "jörg@example.net", sender="jürgen@example.test", smtputf8="yes")
        assert found.ok
        message = _arrived(server, text)
        assert "Return-Path: <jürgen@example.test>".encode() in message and "Subject: Grüße".encode() in message


@pytest.mark.parametrize(("options", "converted"), [((), False), (("-8",), True)])
def test_eight_bit_is_converted_only_where_it_must_be(
    tmp_path: Path, options: tuple[str, ...], converted: bool
) -> None:
    with receivers.sink(*options) as server:
        assert _send(_blocking, _home(tmp_path, server.port), EIGHT)[0].ok
        (message,) = server.messages()
        assert (b"gr=C3=BC=C3=9Fe" in message) is converted
        assert ("grüße".encode() in message) is not converted


@pytest.mark.parametrize("options", [("-e",), ("-p",)], ids=["HELO only", "no pipelining"])
def test_old_servers(tmp_path: Path, driver: Callable[..., Any], options: tuple[str, ...]) -> None:
    with receivers.sink(*options) as server:
        assert _send(driver, _home(tmp_path, server.port), TEXT)[0].ok
        assert _body(server.messages()[0]).rstrip() == _body(TEXT).rstrip()


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (("-r", "rcpt"), "temp"),
        (("-f", "rcpt"), "perm"),
        (("-f", "."), "perm"),
        (("-q", "."), "temp"),
        (("-q", "data"), "temp"),
        (("-Q", "mail"), "temp"),
    ],
)
def test_unkind_servers(tmp_path: Path, driver: Callable[..., Any], options: tuple[str, ...], status: str) -> None:
    with receivers.sink(*options) as server:
        (found,) = _send(driver, _home(tmp_path, server.port), TEXT)
        assert found.status == status and found.text


def test_lmtp(tmp_path: Path, driver: Callable[..., Any]) -> None:
    with receivers.sink("-L") as server:
        home = _home(tmp_path, server.port)
        (tmp_path / "control" / "routes").write_text(f"* lmtp:[127.0.0.1]:{server.port}\n")
        found = _send(driver, home, TEXT, "bob@example.net", "carol@example.net")
        assert [one.status for one in found] == ["ok", "ok"]


def test_many_at_once(tmp_path: Path) -> None:
    with receivers.sink() as server:
        home = _home(tmp_path, server.port)
        fd = os.memfd_create("message")
        os.write(fd, TEXT)

        async def work() -> list[Outcome]:
            jobs = [
                remote.attempt(home, "example.net", "a@example.test", [Recipient(f"u{number}@example.net")], fd, 0, {})
                for number in range(100)
            ]
            found = [one for batch in await asyncio.gather(*jobs) for one in batch]
            await remote.close()
            return found

        assert all(one.ok for one in loop.run(work))
        os.close(fd)
        assert len(server.messages(100)) == 100


def test_the_program_shows_the_dialogue(tmp_path: Path) -> None:
    with receivers.sink() as server:
        command = servers.program("remote", "--home", str(tmp_path), "-v", "--from", "a@example.test")
        command += [
            "--to",
            "b@example.net",
            "--to",
            "c@example.net",
            "--host",
            "127.0.0.1",
            "--port",
            str(server.port),
        ]
        done = subprocess.run(
            command, input=TEXT, capture_output=True, timeout=60, check=False, env=servers.environment()
        )
        assert done.returncode == 0, done.stderr
        said = done.stdout.decode().splitlines()
        assert [line.split()[:3] for line in said] == [
            ["ok", "b@example.net", "127.0.0.1"],
            ["ok", "c@example.net", "127.0.0.1"],
        ]
        shown = done.stderr.decode()
        assert "C: MAIL FROM:<a@example.test>" in shown and "S: 354" in shown and "C: QUIT" in shown
        assert len(server.messages()) == 1
