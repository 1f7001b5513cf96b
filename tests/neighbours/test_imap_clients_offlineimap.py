"""offlineimap against a real mailkit-imapd: a folder is kept alike on both sides."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.harness import programs, servers
from tests.harness.homes import make_home, set_control
from tests.imap import mailboxes

pytestmark = pytest.mark.neighbour

ALICE = "alice@example.test"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = make_home(tmp_path / "home")
    set_control(made, "clearauth", "yes")
    mailboxes.fill(made)
    return made


@pytest.fixture
def server(home: Home) -> Iterator[servers.Server]:
    with servers.serve(home, "imapd", "imap") as running:
        yield running


def messages(maildir: Path) -> dict[bytes, str]:
    """Subject line -> flags of each message of a Maildir."""
    found = {}
    for path in (path for part in ("cur", "new") for path in (maildir / part).iterdir()):
        subject = next(line for line in path.read_bytes().splitlines() if line.startswith(b"Subject:"))
        found[subject] = path.name.partition(":2,")[2]
    return found


def message(maildir: Path, subject: bytes) -> Path:
    """The message of that subject."""
    paths = [path for part in ("cur", "new") for path in (maildir / part).iterdir()]
    (found,) = [path for path in paths if subject in path.read_bytes()]
    return found


def test_offlineimap_keeps_both_sides_alike(server: servers.Server, home: Home, tmp_path: Path) -> None:
    offlineimap = programs.need("offlineimap")
    near, far = tmp_path / "mail" / "INBOX", Path(mailboxes.inbox(home))
    rc = tmp_path / "offlineimaprc"
    rc.write_text(f"""\
[general]
accounts = one
metadata = {tmp_path}/state
ui = Basic

[Account one]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {tmp_path}/mail

[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {server.ports["imap"]}
remoteuser = {ALICE}
remotepass = secret
ssl = no
starttls = no
auth_mechanisms = LOGIN
""")

    def sync() -> None:
        done = subprocess.run(
            [offlineimap, "-o", "-c", rc],
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode() + server.log
        assert b"ERROR" not in done.stderr + done.stdout, (done.stderr + done.stdout).decode()

    sync()
    assert messages(near).keys() == messages(far).keys()
    assert len(messages(near)) == 3
    # Here: a flag is set, a message removed, one added, a folder made. There: a flag, a message that arrives.
    first = message(near, b"Subject: first")
    first.rename(first.with_name(first.name + "F"))
    message(near, b"Subject: =?utf-8").unlink()
    (near / "new" / "1700000000.1.near").write_bytes(b"Subject: written here\n\nnear\n")
    (third,) = (far / "cur").glob("*M5P1*")
    third.rename(third.with_name(third.name.replace(":2,", ":2,R")))
    (far / "new" / "1700000000.M1P1.far").write_bytes(b"Subject: arrived there\n\nfar\n")
    for part in ("cur", "new", "tmp"):
        (tmp_path / "mail" / "Made here" / part).mkdir(parents=True)
    sync()
    sync()
    here, there = messages(near), messages(far)
    assert here.keys() == there.keys()
    assert sorted(here) == [
        b"Subject: arrived there", b"Subject: first", b"Subject: third", b"Subject: written here",
    ]  # fmt: skip
    assert set("FS") <= set(there[b"Subject: first"])
    assert "R" in here[b"Subject: third"]
    assert (far / ".Made here").is_dir()
    sync()
    assert messages(far) == there
