"""mailkit-local from a shell: what it delivers, what it says, how it ends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.maildir import tree
from tests.deliver.homes import MESSAGE, mailbox, make
from tests.harness.servers import environment, program


def started(home: Home, *words: str, message: bytes = MESSAGE) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        program("local", *words),
        input=message,
        capture_output=True,
        env={**environment(), "MAILKIT_HOME": home.path},
        timeout=30,
    )


@pytest.mark.parametrize(
    "words",
    [("bob@example.test",), ("-d", "bob@example.test"), ("--user", "BOB"), ("-d", "bob"), ("-d", "bob+x")],
)
def test_the_ways_to_name_a_user(tmp_path: Path, words: tuple[str, ...]) -> None:
    home = make(tmp_path)
    done = started(home, "-f", "alice@example.net", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (found,) = mailbox(home, "bob")
    assert found.startswith(b"Return-Path: <alice@example.net>\nDelivered-To: bob")
    assert found.endswith(MESSAGE)


def test_a_bare_name_is_looked_for_in_every_domain(tmp_path: Path) -> None:
    home = make(tmp_path, users="alice carol@second.test")
    assert started(home, "-d", "carol").returncode == 0
    assert len(mailbox(home, "carol@second.test")) == 1


def test_the_sender_may_come_in_front_of_the_message(tmp_path: Path) -> None:
    home = make(tmp_path)
    assert started(home, "bob", message=b"From eve@example.net Mon\n" + MESSAGE).returncode == 0
    assert started(home, "-f", "<>", "bob", message=b"From eve@example.net Mon\n" + MESSAGE).returncode == 0
    heads = sorted(message.splitlines()[0] for message in mailbox(home, "bob"))
    assert heads == [b"Return-Path: <>", b"Return-Path: <eve@example.net>"]


@pytest.mark.parametrize("sender", ["", "<>", "MAILER-DAEMON", "<MAILER-DAEMON>"])
def test_the_null_sender_as_postfix_and_others_write_it(tmp_path: Path, sender: str) -> None:
    """pipe(8) of Postfix has null_sender=MAILER-DAEMON unless told otherwise."""
    home = make(tmp_path)
    assert started(home, "-f", sender, "bob").returncode == 0
    assert mailbox(home, "bob")[0].startswith(b"Return-Path: <>\n")


def test_into_a_folder_that_is_there_or_the_inbox(tmp_path: Path) -> None:
    home = make(tmp_path)
    tree.create(os.path.join(home.domains, "example.test", "bob", "Maildir"))
    assert started(home, "-m", "junk", "bob").returncode == 0
    assert started(home, "-m", "nowhere", "bob").returncode == 0
    assert len(mailbox(home, "bob", "Junk")) == len(mailbox(home, "bob")) == 1


def test_the_extension_chooses_a_folder_for_who_allows_it(tmp_path: Path) -> None:
    home = make(tmp_path)
    Path(home.passwd).write_text("bob@example.test:{PLAIN}x::::::extfolder\n")
    tree.create(os.path.join(home.domains, "example.test", "bob", "Maildir"))
    assert started(home, "bob+Junk@example.test").returncode == 0
    assert started(home, "bob+other@example.test").returncode == 0
    assert len(mailbox(home, "bob", "Junk")) == len(mailbox(home, "bob")) == 1
    assert started(home, "--explain", "bob+junk").stdout.endswith(b"/bob/Maildir, folder Junk\n")
    assert started(home, "--explain", "-m", "Junk", "bob").stdout.endswith(b"/bob/Maildir, folder Junk\n")
    assert started(home, "--explain", "bob+other").stdout.endswith(b"/bob/Maildir\n")


@pytest.mark.parametrize(
    ("words", "message", "status", "said"),
    [
        ((), MESSAGE, 64, "name one user"),
        (("a", "b"), MESSAGE, 64, "name one user"),
        (("--no-such", "a"), MESSAGE, 64, "no-such"),
        (("nobody",), MESSAGE, 67, "no such user"),
        (("carol@example.net",), MESSAGE, 67, "not an address of this system"),
        (("bob",), b"", 69, "no message"),
        (("bob",), b"Delivered-To: bob@example.test\n\n", 69, "5.4.6 "),
    ],
)
def test_refusals(tmp_path: Path, words: tuple[str, ...], message: bytes, status: int, said: str) -> None:
    home = make(tmp_path)
    done = started(home, *words, message=message)
    assert done.returncode == status
    assert said in done.stderr.decode().splitlines()[-1]
    assert mailbox(home, "bob") == []


def test_what_may_pass_is_temporary(tmp_path: Path) -> None:
    home = make(tmp_path)
    Path(home.domains).write_text("not a directory")
    done = started(home, "bob")
    assert done.returncode == 75
    assert done.stderr.decode().splitlines()[-1].startswith("4.")
    os.rename(tmp_path / "users", tmp_path / "users.gone")
    assert started(home, "bob").returncode == 75


def test_nobody_is_refused_where_the_home_is_gone(tmp_path: Path) -> None:
    """A disk that is not mounted must not send mail back."""
    for home in (make(tmp_path), Home(str(tmp_path / "not-there"))):
        Path(home.control.directory, "domains").unlink(missing_ok=True)
        done = started(home, "bob@example.test")
        assert done.returncode == 75
        assert done.stderr.decode().splitlines()[-1].startswith("4.3.5 ")


def test_settings_that_cannot_be_read_are_temporary(tmp_path: Path) -> None:
    home = make(tmp_path)
    domains = Path(home.control.directory, "domains")
    domains.unlink()
    domains.mkdir()
    done = started(home, "bob@example.test")
    assert (done.returncode, b"configuration cannot be read" in done.stderr) == (75, True)


def test_explain_tells_the_way_and_delivers_nothing(tmp_path: Path) -> None:
    home = make(tmp_path, aliases="sales@example.test: bob, carol@example.net\n")
    done = started(home, "--explain", "sales@example.test", message=b"")
    assert (done.returncode, done.stdout.decode().splitlines()) == (
        0,
        [
            "sales@example.test stands for bob@example.test, carol@example.net (users/aliases)",
            "send on to bob@example.test",
            "send on to carol@example.net",
        ],
    )
    assert b"deliver to " in started(home, "--explain", "bob").stdout
    assert b"by SMTP to example.net" in started(home, "--explain", "x@example.net").stdout
    unknown = started(home, "--explain", "nobody@example.test")
    assert (unknown.returncode, b"refuse nobody@example.test: 5.1.1" in unknown.stdout) == (67, True)
    assert mailbox(home, "bob") == []


def test_explain_names_the_dot_file_that_is_obeyed(tmp_path: Path) -> None:
    home = make(tmp_path)
    directory = Path(home.domains, "example.test", "bob")
    directory.mkdir(parents=True, mode=0o700)
    (directory / ".qmail-x").write_text("#\n")
    (directory / ".qmail-x").chmod(0o600)
    assert f"obey {directory}/.qmail-x".encode() in started(home, "--explain", "bob+x").stdout
    assert b"obey" not in started(home, "--explain", "bob+y").stdout


def test_explain_tells_what_a_dot_file_says(tmp_path: Path) -> None:
    home = make(tmp_path)
    directory = Path(home.domains, "example.test", "bob")
    directory.mkdir(parents=True, mode=0o700)
    for name, text, told in (
        (".qmail", "./Box/\n./mbox\n|spam check\n&a@example.net\nalice\n", [
            "deliver to ./Box/", "append to ./mbox", "run spam check", "send on to a@example.net", "send on to alice",
        ]),
        (".qmail", "+list\n&a@example.net\n", ["as a mailing list", "send on to a@example.net"]),
        (".qmail", "# nothing\n", ["throw it away"]),
        (".forward", "\\bob, a@example.net", ["deliver to the user's Maildir", "send on to a@example.net"]),
    ):  # fmt: skip
        (directory / name).write_text(text)
        (directory / name).chmod(0o600)
        done = started(home, "--explain", "bob").stdout.decode().splitlines()
        assert done[1:] == [f"obey {directory}/{name}", *(f"    {line}" for line in told)]
        (directory / name).unlink()
