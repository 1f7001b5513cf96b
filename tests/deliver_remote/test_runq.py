"""From a queue entry to another server and back: mailkit-runq, our client, our smtpd, and the report to the sender."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.queue import entry, listing
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.inject import Spool
from tests.harness import servers
from tests.harness.homes import make_home, set_control
from tests.harness.transcript import run


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[tuple[Home, servers.Server]]:
    """Another site, example.net, with users carol and dave."""
    home = make_home(tmp_path / "theirs", domains=("example.net",), users=("carol", "dave"), tls=True)
    set_control(home, "policy", "relay")
    with servers.serve(home, "smtpd", "mx") as running:
        yield home, running


@pytest.fixture
def ours(tmp_path: Path, theirs: tuple[Home, servers.Server]) -> Home:
    home = make_home(tmp_path / "ours")
    set_control(home, "routes", f"example.net [127.0.0.1]:{theirs[1].ports['mx']}")
    return home


def _queue(home: Home, *recipients: Recipient) -> None:
    spool = Spool(home)
    spool.begin(Envelope("alice@example.test", recipients))
    spool.write(b"Subject: over there\n\nhello\n")
    run(spool.commit())


def _run(home: Home) -> str:
    done = subprocess.run(
        servers.program("runq", "--home", home.path, "--once"),
        capture_output=True, text=True, timeout=60, check=True, env=servers.environment(),
    )  # fmt: skip
    return done.stderr


def _waiting(home: Home) -> list[tuple[Envelope, bytes]]:
    found = []
    for directory in ("new", "cur"):
        for name in listing.entries(home, directory):
            envelope, offset = entry.decode(data := Path(home.queue, directory, str(name)).read_bytes())
            found.append((envelope, data[offset:]))
    return found


def _mailbox(home: Home, user: str) -> list[bytes]:
    new = Path(home.join("domains", "example.test", user, "Maildir", "new"))
    return [path.read_bytes() for path in new.iterdir()]


def test_it_goes_there_and_what_fails_comes_back(ours: Home, theirs: tuple[Home, servers.Server]) -> None:
    _queue(ours, Recipient("carol@example.net"), Recipient("nobody@example.net"), Recipient("dave@example.net"))
    log = _run(ours)
    assert _waiting(ours) == [], log
    ((envelope, message),) = _waiting(theirs[0])
    assert [recipient.address for recipient in envelope.recipients] == ["carol@example.net", "dave@example.net"]
    assert message.endswith(b"Subject: over there\n\nhello\n")
    (report,) = _mailbox(ours, "alice")
    assert b"Subject: Undelivered mail: over there" in report
    assert b"Final-Recipient: rfc822; nobody@example.net" in report
    assert b"Status: 5.1.1" in report and b"Diagnostic-Code: smtp; 550 5.1.1" in report


def test_success_is_told_by_the_server_that_has_it(ours: Home, theirs: tuple[Home, servers.Server]) -> None:
    _queue(ours, Recipient("carol@example.net", params={"notify": "SUCCESS"}))
    _run(ours)
    assert _waiting(ours) == [] and _mailbox(ours, "alice") == []
    ((envelope, _),) = _waiting(theirs[0])
    assert envelope.recipients[0].params["notify"] == "SUCCESS"


def test_it_waits_while_nobody_is_there(ours: Home, theirs: tuple[Home, servers.Server]) -> None:
    theirs[1].stop()
    _queue(ours, Recipient("carol@example.net"))
    log = _run(ours)
    ((envelope, _),) = _waiting(ours)
    assert envelope.recipients[0].status == entry.WAITS, log
    assert "verdict=temp code=4.4.1" in log and "connection refused" in log
    assert _mailbox(ours, "alice") == []


def test_a_message_to_a_domain_that_leads_back_here_is_returned(ours: Home) -> None:
    _queue(ours, Recipient("bob@[127.0.0.1]"))
    _run(ours)
    (report,) = _mailbox(ours, "alice")
    assert b"Status: 5.4.6" in report
