"""mailkit-fulltext: indexes by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.fulltext import store
from mailkit.fulltext.store import Store
from mailkit.maildir.tree import Tree
from mailkit.programs import fulltext
from mailkit.users import edit
from tests.harness.homes import make_home

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Alice has three messages in INBOX and one in Archive."""
    home = make_home(tmp_path)
    for folder, count in (("INBOX", 3), ("Archive", 1)):
        tree = Tree(home.join("domains", "example.test", "alice", "Maildir"))
        if folder != "INBOX":
            tree.create(folder)
        for number in range(count):
            path = Path(tree.path(folder), "cur", f"17000000{number:02d}.M{number}P1.host:2,S")
            path.write_bytes(b"Subject: nr %d\n\nhello %d\n" % (number, number))
    return home


@pytest.fixture
def run(home: Home, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, list[str]]:
        status = fulltext.main([words[0], "--home", home.path, *words[1:]])
        return status, capsys.readouterr().out.splitlines()

    return run


def test_fill_show_delete(run: Run, home: Home) -> None:
    assert run("fill", "--all") == (0, ["alice@example.test\tINBOX\t3", "alice@example.test\tArchive\t1"])
    assert run("fill", "--all") == (0, [])
    _, lines = run("show", "--json", "Alice@example.test")
    inbox, archive = map(json.loads, lines)
    assert (inbox["messages"], inbox["indexed"]) == (3, 3)
    assert inbox["text"] == 3 * (len("subject: nr 0") + len("hello 0\r\n"))
    assert inbox["index"] > 0
    assert archive["folder"] == "Archive"
    deleted = "alice@example.test\tINBOX\tdeleted"
    assert run("delete", "-n", "--all")[1][0] == "alice@example.test\tINBOX\twould be deleted"
    assert run("delete", "--folder", "INBOX", "alice@example.test") == (0, [deleted])
    assert [line.split("\t")[3] for line in run("show", "--all")[1]] == ["0", "1", "0"]


def test_a_folder_that_is_being_filled_is_left_alone(run: Run, home: Home) -> None:
    held = Store(home.join("domains", "example.test", "alice", "Maildir"), 1)
    assert held.lock()
    assert run("fill", "alice@example.test") == (111, ["alice@example.test\tArchive\t1"])
    held.unlock()
    assert run("fill", "alice@example.test") == (0, ["alice@example.test\tINBOX\t3"])


def test_wrong_use(run: Run) -> None:
    assert run("show")[0] == 100
    assert run("show", "--all", "alice@example.test")[0] == 100
    assert run("fill", "nobody@example.test")[0] == 100


def test_the_directory_is_the_folders(run: Run, home: Home) -> None:
    run("fill", "--all")
    maildir = Path(home.join("domains", "example.test", "alice", "Maildir"))
    for directory in (maildir, maildir / ".Archive"):
        assert (directory / store.NAME).stat().st_uid == directory.stat().st_uid
        assert (directory / store.NAME).stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be misled")
def test_nobody_leads_root_astray(run: Run, home: Home, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir(mode=0o700)
    (secret / "file").write_bytes(b"x")
    maildir = Path(home.join("domains", "example.test", "alice", "Maildir"))
    (maildir / store.NAME).symlink_to(secret)
    edit.change(home, "alice@example.test", lambda user: setattr(user, "uid_text", "2345"))
    assert run("delete", "--folder", "INBOX", "alice@example.test")[0] in (0, 111)
    assert (secret / "file").exists()
