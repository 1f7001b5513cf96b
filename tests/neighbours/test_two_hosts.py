"""Two machines with one home on a shared file system: mail comes in and is read on both, and one of them dies."""

from __future__ import annotations

import contextlib
import imaplib
import os
import re
import smtplib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import servers
from tests.harness.homes import make_home, set_control
from tests.harness.hosts import Host, two
from tests.harness.programs import only_with_everything

pytestmark = pytest.mark.neighbour

SMTP, IMAP = 10025, 10143
LOCK_STALE_S = 120  # a host that dies with a lock keeps the others waiting that long


class Smtp(smtplib.SMTP):
    """A client on a host."""

    def __init__(self, host: Host) -> None:
        self._where = host
        super().__init__("127.0.0.1", SMTP, "client.example.net")

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._where.connect(port)


class Imap(imaplib.IMAP4):
    """A client on a host, logged in as alice."""

    def __init__(self, host: Host, password: str = "secret") -> None:
        self._where = host
        super().__init__("127.0.0.1", IMAP)
        try:
            self.login("alice@example.test", password)
        except (OSError, imaplib.IMAP4.error):  # a host may die meanwhile
            self.shutdown()
            raise

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._where.connect(self.port)

    def __exit__(self, *error: object) -> None:
        self.shutdown()

    def subjects(self) -> dict[int, str]:
        """UID to Subject of all that is in the folder."""
        self.noop()
        _, found = self.uid("fetch", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        told = {}
        for part in found:
            if isinstance(part, tuple):
                uid = re.search(rb"UID (\d+)", part[0])
                assert uid, part
                told[int(uid[1])] = part[1].decode().strip().removeprefix("Subject: ")
        return told


class Truth:
    """What clients were told. A UID has one message for ever, whoever tells."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.accepted: set[str] = set()
        self.subject_of: dict[int, str] = {}
        self.twice: list[str] = []

    def accept(self, subject: str) -> None:
        with self._lock:
            self.accepted.add(subject)

    def see(self, host: Host, told: dict[int, str]) -> None:
        with self._lock:
            for uid, subject in told.items():
                if self.subject_of.setdefault(uid, subject) != subject:
                    self.twice.append(f"UID {uid} was {self.subject_of[uid]!r}, on {host.name} it is {subject!r}")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    only_with_everything("a cluster file system")
    return tmp_path_factory.mktemp("hosts")


@pytest.fixture(scope="module")
def hosts(directory: Path) -> Iterator[tuple[Host, Host]]:
    with two(directory) as (alpha, beta):
        home = make_home(alpha.seen(alpha.mount) / "home")
        set_control(home, "clearauth", "yes")
        set_control(home, "pollseconds", "1")  # no inotify tells what the other host did
        set_control(home, "listen", f"mx 127.0.0.1:{SMTP}", f"imap 127.0.0.1:{IMAP}")
        for host in (alpha, beta):
            host.start("up", "--home", str(alpha.mount / "home"), log=directory / f"{host.name}.log")
        for host in (alpha, beta):
            until(lambda host=host: "ready" in (directory / f"{host.name}.log").read_text().split(), directory)
        yield alpha, beta


def until(condition: Callable[[], object], directory: Path, most_s: float = 60) -> None:
    """What others do can only be looked for."""
    end = time.monotonic() + most_s
    while not condition():
        assert time.monotonic() < end, "".join(path.read_text()[-3000:] for path in directory.glob("*.log"))
        time.sleep(0.1)


def keep_sending(host: Host, truth: Truth, stop: threading.Event) -> None:
    with contextlib.suppress(OSError, smtplib.SMTPException), Smtp(host) as client:
        for number in range(1000):
            subject = f"sent {number} to {host.name}"
            client.sendmail("carol@example.net", ["alice@example.test"], f"Subject: {subject}\n\nhello\n")
            truth.accept(subject)
            if stop.is_set():
                return


def keep_appending(host: Host, truth: Truth, stop: threading.Event) -> None:
    with contextlib.suppress(OSError, imaplib.IMAP4.abort), Imap(host) as client:
        client.select()
        for number in range(1000):
            subject = f"appended {number} on {host.name}"
            answer, _ = client.append("INBOX", "", "", f"Subject: {subject}\r\n\r\nhello\r\n".encode())
            if answer == "OK":
                truth.accept(subject)
            truth.see(host, client.subjects())
            if stop.is_set():
                return


def test_each_host_sees_what_the_other_does(hosts: tuple[Host, Host], directory: Path) -> None:
    alpha, beta = hosts
    with Imap(alpha) as here, Imap(beta) as there:
        here.select()
        there.select()
        assert here.untagged_responses["UIDVALIDITY"] == there.untagged_responses["UIDVALIDITY"]
        with Smtp(beta) as client:
            client.sendmail("carol@example.net", ["alice@example.test"], "Subject: told to all\n\nhello\n")
        until(lambda: here.subjects() and here.subjects() == there.subjects(), directory)
        here.store("1", "+FLAGS", "\\Flagged")
        until(lambda: b"\\Flagged" in there.fetch("1", "(FLAGS)")[1][0], directory)
        there.store("1", "+FLAGS", "\\Deleted")
        there.expunge()
        until(lambda: not here.subjects(), directory)


def test_each_host_counts_for_itself(hosts: tuple[Host, Host], directory: Path) -> None:
    alpha, beta = hosts
    with pytest.raises(imaplib.IMAP4.error):
        Imap(beta, "wrong")
    failure = 'mailkit_login_failures_total{reason="failed"} 1\n'
    until(lambda: failure in beta.run(*counters(beta.mount / "home")), directory)
    assert failure not in alpha.run(*counters(alpha.mount / "home"))


def counters(home: Path) -> list[str]:
    return ["env", f"PYTHONPATH={servers.ROOT}", *servers.program("counters", "--home", str(home))]


def test_one_of_two_hosts_dies_in_the_middle_and_nothing_is_lost(hosts: tuple[Host, Host], directory: Path) -> None:
    alpha, beta = hosts
    truth, stop = Truth(), threading.Event()
    threads = [
        threading.Thread(target=work, args=(host, truth, stop)) for host in hosts for work in (keep_sending, keep_appending)
    ]
    for thread in threads:
        thread.start()
    try:
        until(lambda: all(sum(host.name in one for one in truth.accepted) >= 20 for host in hosts), directory)
        beta.pull_the_plug()
        until(lambda: not threads[2].is_alive() and not threads[3].is_alive(), directory)
        since = len(truth.accepted)
        until(lambda: len(truth.accepted) >= since + 10, directory, LOCK_STALE_S + 60)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    client = Imap(alpha)
    client.sock.settimeout(60)  # beta may have died with the folder's lock, and imapd waits half a minute for that
    until(lambda: client.select()[0] == "OK", directory, LOCK_STALE_S + 60)
    until(lambda: truth.accepted <= set(client.subjects().values()), directory, LOCK_STALE_S + 60)
    truth.see(alpha, client.subjects())
    client.logout()
    assert not os.listdir(alpha.seen(alpha.mount) / "home/queue/free")  # a client may give what a file held before
    assert not truth.twice
    assert sum(beta.name in one for one in truth.accepted) >= 20
