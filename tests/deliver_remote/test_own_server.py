"""From our client to our server, over sockets: the two agree on every extension that both know."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailkit.control import Home
from mailkit.deliver import remote
from mailkit.deliver.outcome import HANDED, Outcome
from mailkit.net import blocking, loop
from mailkit.queue import entry, listing
from mailkit.queue.entry import Recipient
from mailkit.users import edit, verify
from mailkit.users.passwd import User
from tests.harness import servers
from tests.harness.homes import make_home, set_control

DRIVERS: dict[str, Callable[..., Any]] = {"blocking": lambda work: blocking.run(work()), "loop": loop.run}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, servers.Server]]:
    """A home that others run, with our smtpd for mx, submission, submissions and lmtp."""
    home = make_home(tmp_path_factory.mktemp("theirs"), tls=True)
    account = User("carol@example.test")
    verify.set_password(account, "sécret", 4096)
    edit.add(home, account)
    set_control(home, "policy", "relay")
    set_control(home, "authdelay", "0")
    with servers.serve(home, "smtpd", "mx", "submission", "submissions", "lmtp") as running:
        yield home, running


@pytest.fixture(params=list(DRIVERS))
def driver(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return DRIVERS[request.param]


def _send(
    driver: Callable[..., Any],
    path: Path,
    route: str,
    *to: Recipient,
    text: bytes = b"Subject: x\n\n.dot\n",
    **params: str,
) -> list[Outcome]:
    home = make_home(path, users=())
    set_control(home, "routes", f"* {route}")
    set_control(home, "routelogins", "us carol@example.test sécret", "wrong carol@example.test guess")
    fd = os.memfd_create("message")
    os.write(fd, text)

    async def work() -> list[Outcome]:
        try:
            return await remote.attempt(home, "example.test", "carol@example.test", to, fd, 0, params)
        finally:
            await remote.close()

    try:
        return list(driver(work))
    finally:
        os.close(fd)


def _queued(home: Home) -> list[tuple[entry.Envelope, bytes]]:
    """What waits in their queue; it is emptied."""
    found = []
    for name in list(listing.entries(home, "new")):
        path = Path(home.queue, "new", str(name))
        envelope, offset = entry.decode(data := path.read_bytes())
        found.append((envelope, data[offset:]))
        path.unlink()
    return found


def test_mx(
    theirs: tuple[Home, servers.Server], driver: Callable[..., Any], tmp_path: Path, lines: list[str]
) -> None:
    home, server = theirs
    to = Recipient("bob@example.test", params={"notify": "SUCCESS", "orcpt": "rfc822;robert@example.net"})
    found = _send(
        driver,
        tmp_path,
        f"[127.0.0.1]:{server.ports['mx']}",
        to,
        Recipient("nobody@example.test"),
        ret="HDRS",
        envid="QQ 1+2",
    )
    assert [one.status for one in found] == ["ok", "perm"], server.log
    assert found[0].action == HANDED
    assert found[1].code == "5.1.1"
    ((envelope, message),) = _queued(home)
    assert envelope.sender == "carol@example.test"
    assert (envelope.params["ret"], envelope.params["envid"]) == ("HDRS", "QQ 1+2")
    (recipient,) = envelope.recipients
    assert (
        recipient.params["notify"] == "SUCCESS" and recipient.params["orcpt"] == "rfc822;robert@example.net"
    )
    assert message.endswith(b"Subject: x\n\n.dot\n")
    assert any("tls=TLSv1.3" in line for line in lines if line.startswith("session "))


def test_utf8_and_eight_bit(
    theirs: tuple[Home, servers.Server], driver: Callable[..., Any], tmp_path: Path
) -> None:
    home, server = theirs
    text = "Subject: Grüße\n\nhällo\n".encode()
    (found,) = _send(
        driver,
        tmp_path,
        f"[127.0.0.1]:{server.ports['mx']}",
        Recipient("bob@example.test"),
        text=text,
        smtputf8="yes",
    )
    assert found.ok, found
    ((envelope, message),) = _queued(home)
    assert envelope.params["smtputf8"] == "yes"
    assert message.endswith(text)


def test_a_large_message_by_chunks(
    theirs: tuple[Home, servers.Server], driver: Callable[..., Any], tmp_path: Path
) -> None:
    home, server = theirs
    text = b"Subject: large\n\n" + b".a line that starts with a dot\n" * 50_000
    (found,) = _send(
        driver, tmp_path, f"[127.0.0.1]:{server.ports['mx']}", Recipient("bob@example.test"), text=text
    )
    assert found.ok, found
    ((_, message),) = _queued(home)
    assert message.endswith(text)


@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_logging_in(
    theirs: tuple[Home, servers.Server], driver: Callable[..., Any], tmp_path: Path, service: str
) -> None:
    home, server = theirs
    (tmp_path / "tls").mkdir()
    shutil.copy(home.join("tls", "mail.example.test", "cert.pem"), tmp_path / "tls" / "authorities.pem")
    scheme = "smtps:" if service == "submissions" else ""
    route = f"{scheme}[127.0.0.1]:{server.ports[service]} tls=require"
    to = Recipient("dave@elsewhere.example")
    (found,) = _send(driver, tmp_path, route, to)
    assert found.status == "perm"  # no login, no relay
    (found,) = _send(driver, tmp_path, route + " login=wrong", to)
    assert (found.status, found.code) == ("temp", "4.7.8")
    (found,) = _send(driver, tmp_path, route + " login=us", to)
    assert found.ok, (found, server.log)
    ((envelope, _),) = _queued(home)
    assert envelope.params["auth"] == "carol@example.test"


def test_requiretls(theirs: tuple[Home, servers.Server], driver: Callable[..., Any], tmp_path: Path) -> None:
    home, server = theirs
    route = f"[127.0.0.1]:{server.ports['mx']}"
    (found,) = _send(driver, tmp_path / "strict", route, Recipient("bob@example.test"), requiretls="yes")
    assert found.status == "temp"  # the certificate is nobody's
    assert _queued(home) == []


def test_lmtp(theirs: tuple[Home, servers.Server], driver: Callable[..., Any], tmp_path: Path) -> None:
    home, server = theirs
    found = _send(
        driver, tmp_path, f"lmtp:[127.0.0.1]:{server.ports['lmtp']}",
        Recipient("alice@example.test"), Recipient("nobody@example.test"), Recipient("bob@example.test"),
    )  # fmt: skip
    assert [one.status for one in found] == ["ok", "perm", "ok"], server.log
    accepted = [recipient.address for envelope, _ in _queued(home) for recipient in envelope.recipients]
    assert accepted == ["alice@example.test", "bob@example.test"]
