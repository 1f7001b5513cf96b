"""A process that makes pieces for a worker: confined, killed at work, and had from a real server's steward."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.confine import landlock
from mailkit.control import Home
from mailkit.imap.messages import mate, pieces
from mailkit.maildir import mates
from mailkit.maildir.folder import Folder
from mailkit.net import blocking
from mailkit.net.blocking import BlockingConn
from tests.confine.sites import children, until
from tests.harness import servers
from tests.harness.homes import make_home, set_control
from tests.imap.test_workers import Line
from tests.maildir import boxes

MANY = 700
ALL = (pieces.RECEIVED, pieces.SIZE, pieces.ENVELOPE, pieces.STRUCTURE, pieces.WORDS)


def fill(maildir: Path) -> None:
    box = boxes.make(maildir)
    for number in range(MANY):
        text = f"From: Ann <ann{number}@example.test>\nSubject: message {number}\n\n" + "text\n" * (number % 9)
        path = Path(box, f"cur/{number:04d}.a.b:2,S")
        path.write_text(text)
        os.utime(path, (1e9 + number, 1e9 + number))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """One whose alice has MANY messages."""
    home = make_home(tmp_path / "home")
    set_control(home, "clearauth", "yes")
    fill(Path(home.domains, "example.test", "alice", "Maildir"))
    return home


@pytest.fixture
def folder(home: Home) -> Iterator[Folder]:
    opened = boxes.alone(str(Path(home.domains, "example.test", "alice", "Maildir")))
    opened.sync()
    yield opened
    opened.close()


def without_index(folder: Folder) -> Folder:
    """The same folder, of which nothing is known."""
    for path in Path(folder.directory).glob("mailkit-*"):
        path.unlink()
    cold = boxes.alone(folder.directory)
    cold.sync()
    return cold


class Mortal(mate.Mate):
    """A mate in a process of this test, which is killed after it was asked so many times."""

    def __init__(self, home: Home, asked_most: int) -> None:
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            ours.close()
            theirs.sendall(b"+")
            theirs.setblocking(False)
            try:
                blocking.run(mate.serve(BlockingConn(theirs.fileno(), theirs.fileno(), service="mate"), home))
            finally:
                os._exit(0)
        theirs.close()
        super().__init__(ours)
        self.left = asked_most
        self.asked = 0

    def ask(self, order: bytes) -> None:
        if self.asked == self.left:
            os.kill(self.pid, signal.SIGKILL)
        self.asked += 1
        super().ask(order)


@pytest.mark.parametrize("asked_most", [0, 1, 5, 1000])
def test_killed_at_work(home: Home, folder: Folder, monkeypatch: pytest.MonkeyPatch, asked_most: int) -> None:
    alone = [folder.parts(folder.table, [row], ALL, pieces.build)[0] for row in range(MANY)]
    cold = without_index(folder)
    monkeypatch.setattr(mates, "crew", mates.Crew())
    fellow = Mortal(home, asked_most)
    until(fellow.ready)
    mates.crew.offer(lambda: None, pieces.build)
    mates.crew._mates.append(fellow)
    assert cold.parts(cold.table, range(MANY), ALL, pieces.build) == alone
    killed = fellow.asked > asked_most  # where the machine is busy with others it gets less to do than that
    assert killed or asked_most
    assert mates.crew._mates == ([] if killed else [fellow])
    if not killed:
        fellow.close()
    os.waitpid(fellow.pid, 0)
    again = boxes.alone(folder.directory)
    assert again.parts(again.table, range(MANY), ALL, pieces.build) == alone


def test_an_order_for_a_directory_that_went_is_answered(home: Home) -> None:
    fellow = Mortal(home, 1000)
    until(fellow.ready)
    fellow.ask(mates.packed(f"{home.domains}/gone", [0], [1], [0], [b"a"]))
    assert fellow.answer(wait=True) == (0, [])
    fellow.close()
    os.waitpid(fellow.pid, 0)


def fetched(port: int) -> list[str]:
    """What a session that selects alice's INBOX is told."""
    client = Line(port)
    lines = client.do("FETCH 1:* (UID ENVELOPE INTERNALDATE RFC822.SIZE)")
    client.close()
    return lines


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor has no use for a second process")
@pytest.mark.skipif(os.geteuid() != 0 and landlock.abi() < landlock.LEAST, reason="there is no steward here")
def test_workers_have_one_from_the_steward(home: Home, folder: Folder) -> None:
    parts = folder.parts(folder.table, range(MANY), ALL[:3], pieces.build)
    wanted = [f"* {uid} FETCH (UID {uid}{(part or b'').decode()})" for uid, part in enumerate(parts, 1)]
    without_index(folder)
    with servers.serve(home, "imapd", "imap") as server:
        lines = fetched(server.ports["imap"])
        assert lines[:-1] == wanted
        _, steward, _ = sorted(children(server.process.pid))  # what syncs, the steward, a worker
        fellows = children(steward)
        assert len(fellows) == min(len(os.sched_getaffinity(0)) - 1, 3)
        for fellow in fellows:
            os.kill(fellow, signal.SIGKILL)
        until(lambda: not children(steward))
        without_index(folder)
        assert fetched(server.ports["imap"]) == lines
        assert server.stop() == 0
    assert "broken" not in server.log
