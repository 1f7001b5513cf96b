"""Users with a uid of their own: delivered as that user, in the runner and in mailkit-local."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.deliver.runner import Runner
from mailkit.net.blocking import run
from mailkit.queue import drop
from tests.deliver.homes import MESSAGE, make, queue, waiting
from tests.harness.servers import environment, program

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")

UID, GID = 60123, 60124


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make(tmp_path)
    own = tmp_path / "carol"
    own.mkdir(mode=0o700)
    os.chown(own, UID, GID)
    Path(home.passwd).write_text(
        f"bob@example.test:{{PLAIN}}x::::::\ncarol@example.test:{{PLAIN}}x:{UID}:{GID}::{own}::\n"
    )
    for directory in (tmp_path, *tmp_path.parents):
        if directory.is_relative_to("/tmp") and str(directory) != "/tmp":
            os.chmod(directory, 0o711)
    return home


def owners(directory: Path) -> set[tuple[int, int, int]]:
    return {(one.stat().st_uid, one.stat().st_gid, one.stat().st_mode & 0o077) for one in directory.rglob("*")}


def received(home: Home) -> list[bytes]:
    return [path.read_bytes() for path in Path(home.path, "carol", "Maildir", "new").glob("*")]


def test_mailkit_local_delivers_as_the_user(home: Home) -> None:
    done = subprocess.run(
        program("local", "--home", home.path, "-f", "alice@example.net", "-d", "carol"),
        input=MESSAGE,
        env=environment(),
        timeout=30,
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert received(home) == [b"Return-Path: <alice@example.net>\nDelivered-To: carol@example.test\n" + MESSAGE]
    assert owners(Path(home.path, "carol")) == {(UID, GID, 0)}


def test_root_delivers_to_others_as_the_owner_of_their_mail(home: Home) -> None:
    """By hand, say: what root left in a mailbox the servers could not read."""
    os.makedirs(home.domains, exist_ok=True)
    for path in (Path(home.domains), *Path(home.domains).rglob("*")):
        os.chown(path, UID, GID)
    done = subprocess.run(
        program("local", "--home", home.path, "bob"), input=MESSAGE, env=environment(), timeout=30, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert owners(Path(home.domains, "example.test", "bob")) == {(UID, GID, 0)}


def test_the_runner_delivers_as_the_user_and_stays_root(home: Home) -> None:
    queue(home, "carol@example.test", "bob@example.test", sender="")
    asyncio.run(Runner(home, once=True).run())
    assert received(home) == [b"Return-Path: <>\nDelivered-To: carol@example.test\n" + MESSAGE]
    assert owners(Path(home.path, "carol")) == {(UID, GID, 0)}
    assert waiting(home) == []
    assert os.geteuid() == 0


def test_a_program_has_no_root_left(home: Home) -> None:
    own = Path(home.path, "carol")
    (own / ".qmail").write_text("|cat /proc/self/status >status; id -G >groups; umask >umask\n")
    (own / ".qmail").chmod(0o600)
    os.chown(own / ".qmail", UID, GID)
    queue(home, "carol@example.test")
    asyncio.run(Runner(home, once=True).run())
    status = dict(line.split(":\t", 1) for line in (own / "status").read_text().splitlines() if ":\t" in line)
    assert status["Uid"].split() == [str(UID)] * 4
    assert status["Gid"].split() == [str(GID)] * 4
    assert status["CapEff"] == "0" * 16
    assert (own / "groups").read_text().split() == [str(GID)]
    assert (own / "umask").read_text().strip() == "0077"


def test_what_the_user_sends_on_goes_through_the_drop_directory(home: Home) -> None:
    own = Path(home.path, "carol")
    (own / ".qmail").write_text("&bob@example.test\n")
    (own / ".qmail").chmod(0o600)
    os.chown(own / ".qmail", UID, GID)
    queue(home, "carol@example.test")
    asyncio.run(Runner(home, once=True).run())
    assert waiting(home) == []
    assert run(drop.collect(home)) == 1
    asyncio.run(Runner(home, once=True).run())
    (message,) = Path(home.domains, "example.test", "bob", "Maildir", "new").glob("*")
    assert f"from uid {UID}".encode() in message.read_bytes()
    assert b"\nDelivered-To: carol@example.test\n" in message.read_bytes()


def test_trouble_in_the_users_home_defers(home: Home, lines: list[str]) -> None:
    os.chown(Path(home.path, "carol"), 0, 0)
    queue(home, "carol@example.test")
    asyncio.run(Runner(home, once=True).run())
    ((directory, found),) = waiting(home)
    assert (directory, found.attempts) == ("cur", 1)
    assert any("code=4.3.0" in line and line.startswith("deliver ") for line in lines)
