"""What root does by hand in a home that belongs to another: the servers go on being able to read all of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.queue import listing
from tests.deliver.homes import MESSAGE, mailbox, make, queue, waiting
from tests.harness.servers import environment, program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="this is about root")

UID, GID = 60125, 60126


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make(tmp_path)
    os.makedirs(home.domains, exist_ok=True)
    hand_over(home)
    for directory in (tmp_path, *tmp_path.parents):
        if directory.is_relative_to("/tmp") and str(directory) != "/tmp":
            os.chmod(directory, 0o711)
    return home


def hand_over(home: Home) -> None:
    """All of it belongs to the mail system's user."""
    for path in (Path(home.path), *Path(home.path).rglob("*")):
        os.chown(path, UID, GID)


def of_others(home: Home) -> list[str]:
    """What does not belong to the mail system's user."""
    paths = (Path(home.path), *Path(home.path).rglob("*"))
    return [str(path) for path in paths if (path.stat().st_uid, path.stat().st_gid) != (UID, GID)]


def by_root(name: str, home: Home, *words: str, message: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        program(name, "--home", home.path, *words), input=message, capture_output=True, env=environment(), timeout=30
    )


def test_mail_of_root_is_the_runners(home: Home) -> None:
    done = by_root("sendmail", home, "-f", "alice@example.net", "bob@example.test", message=MESSAGE)
    assert (done.returncode, done.stderr) == (0, b"")
    (entry,) = listing.entries(home, "new")
    assert b"from uid 0)" in Path(home.queue, "new", str(entry)).read_bytes()
    assert of_others(home) == []


def test_mail_of_root_by_smtp_is_the_runners(home: Home) -> None:
    said = (
        b"EHLO here\r\nMAIL FROM:<alice@example.net>\r\nRCPT TO:<carol@example.net>\r\n"
        b"BDAT 17 LAST\r\nSubject: x\r\n\r\ny\r\nQUIT\r\n"
    )
    done = by_root("sendmail", home, "-bs", message=said)
    assert done.returncode == 0
    assert len(waiting(home)) == 1, done.stdout
    assert of_others(home) == []


def test_what_root_delivers_is_its_owners(home: Home) -> None:
    queue(home, "bob@example.test")
    queue(home, "nobody@example.test")
    hand_over(home)
    done = by_root("runq", home, "--once")
    assert done.returncode == 0
    assert len(mailbox(home, "bob")) == 1, done.stderr
    assert of_others(home) == []


def test_reports_that_root_orders_are_the_runners(home: Home) -> None:
    id = queue(home, "carol@example.net")
    hand_over(home)
    done = by_root("mailq", home, "bounce", id)
    assert (done.returncode, done.stdout) == (0, f"{id} bounced\n".encode())
    assert len(waiting(home)) == 1
    assert of_others(home) == []


def test_root_stays_root_where_users_have_their_own_uid(home: Home) -> None:
    with open(home.passwd, "a") as file:
        file.write(f"carol@example.test:{{PLAIN}}x:{UID + 5}:{GID}::{home.path}/carol::\n")
    own = Path(home.path, "carol")
    own.mkdir(mode=0o700)
    os.chown(own, UID + 5, GID)
    queue(home, "carol@example.test")
    assert by_root("runq", home, "--once").returncode == 0
    assert len(list((own / "Maildir" / "new").iterdir())) == 1


def test_an_index_that_root_fills_is_the_users(home: Home) -> None:
    assert by_root("local", home, "bob@example.test", message=MESSAGE).returncode == 0
    done = by_root("fulltext", home, "fill", "--all")
    assert (done.returncode, done.stderr) == (0, b"")
    assert any(Path(home.domains).rglob("mailkit-fulltext*"))
    assert of_others(home) == []
