"""No room on the disk, or no disk: everybody is told to come back, nothing is left behind, nothing is lost."""

from __future__ import annotations

import os
import poplib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.chain.disks import filled, read_only, small
from tests.chain.imap import Imap
from tests.chain.mail import Client, arrived, message, waiting
from tests.harness.homes import make_home, set_control
from tests.harness.servers import environment, program, serve

BOB = ["bob@example.test"]
BOTH = [*BOB, "alice@example.test"]  # so that it takes an entry


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home")
    set_control(home, "policy", "relay")
    set_control(home, "clearauth", "yes")
    return home


@pytest.fixture
def queue(home: Home) -> Iterator[Path]:
    """The queue, on a disk of 1 MiB."""
    with small(Path(home.queue)) as disk:
        for name in ("tmp", "new", "cur", "hold", "failed"):
            (disk / name).mkdir()
        yield disk


@pytest.fixture
def store(home: Home) -> Iterator[Path]:
    """The Maildirs, on a disk of 1 MiB."""
    with small(Path(home.domains)) as disk:
        for user in ("alice", "bob"):
            for name in ("tmp", "new", "cur"):
                (disk / "example.test" / user / "Maildir" / name).mkdir(parents=True)
        yield disk


def run(home: Home, name: str, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = program(name, "--home", home.path, *words)
    return subprocess.run(
        command, env=environment(), input=text, capture_output=True, text=True, timeout=30, check=False
    )


def left(home: Home) -> list[str]:
    return [*os.listdir(f"{home.queue}/tmp"), *waiting(home)]


def test_full_queue_is_452_and_leaves_nothing(home: Home, queue: Path) -> None:
    with serve(home, "smtpd", "mx") as server, Client(server.ports["mx"]) as client:
        with filled(queue):
            assert client.send(BOB, message("small", 100))[0].startswith(b"452 4.3.1 ")
            assert client.send(BOB, message("large", 3 << 20))[0].startswith(b"452 4.3.1 ")
            assert left(home) == []
        assert client.send(BOB, message("large", 3 << 20))[0].startswith(b"452 4.3.1 ")
        assert left(home) == []
        assert client.send(BOB, message("last", 100))[0].startswith(b"250 ")
    refused = [line for line in server.log.splitlines() if line.startswith("refuse ")]
    assert len(refused) == 3
    assert all("No space left on device" in line and f"{home.queue}/tmp" in line for line in refused), refused
    assert "trace=" not in server.log


@pytest.mark.parametrize("missing", ["", "tmp", "new"])
def test_missing_queue_is_a_temporary_refusal(home: Home, missing: str) -> None:
    set_control(home, "landlock", "no")  # which is about what a directory is; tests/confine has the other case
    shutil.rmtree(os.path.join(home.queue, missing))
    with serve(home, "smtpd", "mx") as server, Client(server.ports["mx"]) as client:
        assert client.send(BOTH, message("lost", 100))[0][:2] == b"45"
        assert client.send(BOB, message("lost", 300_000))[0][:2] == b"45"
        assert "No such file or directory" in server.log and "trace=" not in server.log
        os.makedirs(os.path.join(home.queue, missing), exist_ok=True)
        os.makedirs(os.path.join(home.queue, "tmp"), exist_ok=True)
        os.makedirs(os.path.join(home.queue, "new"), exist_ok=True)
        assert client.send(BOB, message("found", 100))[0].startswith(b"250 ")


def test_full_store_defers_and_recovers(home: Home, store: Path) -> None:
    with serve(home, "smtpd", "mx") as server, Client(server.ports["mx"]) as client:
        for token, octets in (("one", 100), ("two", 100_000)):
            assert client.send(BOB, message(token, octets))[0].startswith(b"250 ")
    with filled(store):
        done = run(home, "runq", "--once")
        assert done.returncode == 0 and "trace=" not in done.stderr, done.stderr
        assert "No space left on device" in done.stderr
    assert not arrived(home, "bob") and len(waiting(home)) == 2
    assert os.listdir(store / "example.test/bob/Maildir/tmp") == []
    assert run(home, "mailq", "retry", "--domain", "example.test").returncode == 0
    done = run(home, "runq", "--once")
    assert set(arrived(home, "bob")) == {"one", "two"} and waiting(home) == [], done.stderr


def test_full_home_edits_no_user(home: Home) -> None:
    before = Path(home.passwd).read_bytes()
    with small(Path(home.path, "users")) as disk:
        Path(home.passwd).write_bytes(before)
        with filled(disk):
            for command, words in (
                ("adduser", ["--password-stdin", "carol@example.test"]),
                ("passwd", ["--password-stdin", "bob@example.test"]),
                ("deluser", ["bob@example.test"]),
                ("alias", ["add", "team@example.test", "bob@example.test"]),
            ):
                done = run(home, command, *words, text="secret\n")
                assert done.returncode == 111, (command, done.stderr)
                assert "Traceback" not in done.stderr and "No space left" in done.stderr, (command, done.stderr)
        assert Path(home.passwd).read_bytes() == before
        assert {name for name in os.listdir(disk) if not name.endswith(".lock")} == {"passwd"}


def test_imap_on_a_full_disk(home: Home, store: Path) -> None:
    inbox = store / "example.test/alice/Maildir"
    for number in range(3):
        (inbox / "new" / f"{number}.m.host").write_bytes(b"Subject: hello\n\nhi\n")
    with serve(home, "imapd", "imap") as server, Imap(server.ports["imap"]) as client:
        client.login("alice")
        with filled(store):
            assert client.upload("INBOX", b"Subject: x\r\n\r\n" + b"y" * 100_000)[-1].startswith(b"NO ")
            # New messages have no UIDs yet, and there is no room to write them down.
            assert client.do("SELECT INBOX")[-1].startswith(b"NO [UNAVAILABLE] ")
            assert sorted(os.listdir(inbox)) == ["cur", "new", "tmp"]
            assert os.listdir(inbox / "tmp") == []
        assert client.do("SELECT INBOX")[-1].startswith(b"OK ")
        with filled(store):
            for line in ("FETCH 1:3 (UID FLAGS ENVELOPE BODY)", "SEARCH BODY hi", "STATUS INBOX (MESSAGES UIDNEXT)",
                         "STORE 1 +FLAGS (\\Deleted \\Seen)", "EXPUNGE", "UNSELECT", "SELECT INBOX", "NOOP"):  # fmt: skip
                assert client.do(line)[-1].startswith(b"OK "), line
            for line in ("STORE 1 +FLAGS (Keyword)", "COPY 1 INBOX", "CREATE More", "SUBSCRIBE INBOX", "RENAME INBOX Old"):
                assert client.do(line)[-1][:3] in (b"OK ", b"NO "), line
            assert os.listdir(inbox / "tmp") == []
            kept = [path for path in inbox.rglob("*") if path.parent.name in ("cur", "new") and path.is_file()]
            assert len(kept) == 3  # COPY needed no room
        assert client.do("SELECT INBOX")[-1].startswith(b"OK ")
        assert client.upload("INBOX", b"Subject: x\r\n\r\ny\r\n")[-1].startswith(b"OK ")
        assert client.do("FETCH 1:* ENVELOPE")[-1].startswith(b"OK ")
    troubles = [line for line in server.log.splitlines() if line.startswith("trouble ")]
    assert all("No space left on device" in line and str(inbox) in line for line in troubles), troubles
    assert "trace=" not in server.log, server.log


def test_crowds_of_recipients_need_few_descriptors(tmp_path: Path) -> None:
    """30 messages to 50 users each: 1,500 deliveries that could be begun at once, and 1,024 descriptors."""
    users = [f"u{number}" for number in range(50)]
    home = make_home(tmp_path / "home", users=users)
    set_control(home, "policy", "relay")
    with serve(home, "smtpd", "mx") as server, Client(server.ports["mx"]) as client:
        for number in range(30):
            answer = client.send([f"{user}@example.test" for user in users], message(f"m{number}", 100))
            assert answer[0].startswith(b"250 ")
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 1024 && exec "$@"', "sh", *program("runq", "--home", home.path, "--once")],
        env=environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "Too many open files" not in done.stderr, done.stderr[:3000]
    assert waiting(home) == []
    assert all(len(arrived(home, user)) == 30 for user in users)


def test_read_only_queue_takes_nothing_and_loses_nothing(home: Home, queue: Path) -> None:
    with serve(home, "smtpd", "mx") as server, Client(server.ports["mx"]) as client:
        assert client.send(BOB, message("before", 100))[0].startswith(b"250 ")
        with read_only(queue):
            assert client.send(BOB, message("during", 100))[0][:2] == b"45"
            done = run(home, "runq", "--once")
            assert "Read-only file system" in done.stderr and "Traceback" not in done.stderr, done.stderr
            assert not arrived(home, "bob")
    done = run(home, "runq", "--once")
    assert arrived(home, "bob") == {"before": 1} and waiting(home) == [], done.stderr


def test_read_only_store_can_be_read(home: Home, store: Path) -> None:
    inbox = store / "example.test/alice/Maildir"
    (inbox / "new" / "1.m.host").write_bytes(b"Subject: hello\n\nhi\n")
    with serve(home, "imapd", "imap") as server, read_only(store), Imap(server.ports["imap"]) as client:
        client.login("alice")
        assert client.do("SELECT INBOX")[-1].startswith(b"OK [READ-ONLY]")
        assert client.do("FETCH 1 (FLAGS BODY[])")[-1].startswith(b"OK ")
        for line in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "COPY 1 INBOX", "CREATE x", "APPEND INBOX {14+}\r\nSubject: x\r\n\r\n"):
            assert client.do(line)[-1].startswith(b"NO "), line
    assert "trace=" not in server.log, server.log


def test_pop3_makes_room_on_a_full_disk(home: Home, store: Path) -> None:
    inbox = store / "example.test/alice/Maildir"
    for number in range(3):
        (inbox / "new" / f"{number}.m.host").write_bytes(b"Subject: hello\n\nhi\n")
    with serve(home, "pop3d", "pop3") as server:
        with filled(store), pytest.raises(poplib.error_proto, match="SYS/TEMP"):
            _maildrop(server.ports["pop3"])
        _maildrop(server.ports["pop3"]).quit()
        with filled(store):
            drop = _maildrop(server.ports["pop3"])
            drop.dele(1)
            assert drop.quit().startswith(b"+OK ")
        drop = _maildrop(server.ports["pop3"])
        assert drop.stat()[0] == 2
        drop.quit()
    assert "No space left on device" in server.log and "trace=" not in server.log, server.log


def _maildrop(port: int) -> poplib.POP3:
    """Alice's, open. error_proto."""
    drop = poplib.POP3("127.0.0.1", port, timeout=20)
    try:
        drop.user("alice@example.test")
        drop.pass_("secret")
    except poplib.error_proto:
        drop.close()
        raise
    return drop
