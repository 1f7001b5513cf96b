"""Dot files obeyed: the table of mailkit-dotfiles(5)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.deliver import local, route
from mailkit.deliver.message import Message
from mailkit.deliver.outcome import Outcome
from mailkit.net.blocking import run
from mailkit.queue import claim
from mailkit.queue.entry import Recipient
from tests.deliver.homes import MESSAGE, mailbox, make, waiting


@pytest.fixture(autouse=True)
def mask() -> object:
    old = os.umask(0o022)
    yield
    os.umask(old)


def user_home(home: Home, user: str = "bob") -> Path:
    directory = Path(home.domains, "example.test", user)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


def deliver(
    home: Home,
    address: str = "bob@example.test",
    sender: str = "alice@example.net",
    message: bytes = MESSAGE,
    recipient: Recipient | None = None,
    params: dict[str, str] | None = None,
) -> Outcome:
    fd = os.memfd_create("message")
    try:
        os.write(fd, message)
        verdict = route.judge(home, address)
        return run(local.handle(home, verdict, sender, Message(fd, 0, len(message)), recipient, params or {}))
    finally:
        os.close(fd)


def sent_on(home: Home) -> list[tuple[str, list[str]]]:
    """Sender and recipients of what is in the queue."""
    found = []
    for directory, name in waiting(home):
        got = claim.claim(home, directory, str(name))
        assert got is not None
        found.append((got.envelope.sender, [one.address for one in got.envelope.recipients]))
        got.release()
    return sorted(found)


def test_a_comment_throws_the_message_away(home: Home, lines: list[str]) -> None:
    (user_home(home) / ".qmail").write_text("#\n")
    assert deliver(home).ok
    assert mailbox(home, "bob") == [] and sent_on(home) == []
    assert "thrown away" in lines[-1]


def test_an_empty_file_means_the_maildir(home: Home) -> None:
    (user_home(home) / ".qmail").touch()
    assert deliver(home).ok
    assert len(mailbox(home, "bob")) == 1


def test_maildir_mbox_program_and_addresses_all_in_order(home: Home) -> None:
    directory = user_home(home)
    (directory / ".qmail").write_text(
        "./Maildir/\n./other/\n./Mailbox\n|cat >seen; echo $EXT >ext\n&carol@example.net\ndave\n"
    )
    assert deliver(home).ok
    expected = b"Return-Path: <alice@example.net>\nDelivered-To: bob@example.test\n" + MESSAGE
    assert mailbox(home, "bob") == [expected]
    (other,) = (directory / "other" / "new").iterdir()
    assert other.read_bytes() == expected
    assert (directory / "Mailbox").read_bytes().partition(b"\n")[2] == expected + b"\n"
    assert (directory / "seen").read_bytes() == MESSAGE
    assert sent_on(home) == [("alice@example.net", ["carol@example.net", "dave@example.test"])]


@pytest.mark.parametrize(
    ("status", "expected", "maildir"),
    [
        (0, "ok", 1),
        (99, "ok", 0),
        (100, "perm", 0),
        (111, "temp", 0),
        (64, "perm", 0),
        (65, "perm", 0),
        (67, "perm", 0),
        (70, "perm", 0),
        (75, "temp", 0),
        (76, "perm", 0),
        (77, "perm", 0),
        (78, "perm", 0),
        (112, "perm", 0),
        (1, "temp", 0),
        (127, "temp", 0),
    ],
)
def test_exit_statuses(home: Home, status: int, expected: str, maildir: int) -> None:
    (user_home(home) / ".qmail").write_text(f"|echo no thanks; exit {status}\n./Maildir/\n&carol@example.net\n")
    result = deliver(home)
    assert result.status == expected
    assert len(mailbox(home, "bob")) == maildir
    assert len(sent_on(home)) == maildir
    if expected == "perm":
        assert result.text == "no thanks"


def test_addresses_before_the_program_that_says_stop_still_get_it(home: Home) -> None:
    (user_home(home) / ".qmail").write_text("&carol@example.net\n|exit 99\n&dave@example.net\n")
    assert deliver(home).ok
    assert sent_on(home) == [("alice@example.net", ["carol@example.net"])]


def test_a_program_that_hangs_defers(tmp_path: Path, lines: list[str]) -> None:
    home = make(tmp_path, programtime="0")
    (user_home(home) / ".qmail").write_text("|sleep 60\n")
    result = deliver(home)
    assert (result.status, result.text) == ("temp", "the recipient's program took too long")


def test_programs_may_be_forbidden_and_dot_files_too(tmp_path: Path) -> None:
    home = make(tmp_path, dotprograms="no")
    (user_home(home) / ".qmail").write_text("|exit 0\n")
    assert deliver(home).status == "temp"
    home = make(tmp_path, dotprograms="no", dotfiles="no")
    assert deliver(home).ok
    assert len(mailbox(home, "bob")) == 1


@pytest.mark.parametrize("verp", [False, True])
def test_an_address_that_is_there_twice_gets_it_once(home: Home, verp: bool) -> None:
    directory = user_home(home)
    (directory / ".qmail-team").write_text("+list\nalice\n&carol@example.net\n&alice@example.test\n")
    if verp:
        (directory / ".qmail-team-owner").write_text("&bob\n")
        (directory / ".qmail-team-owner-default").write_text("&bob\n")
    assert "; sent on to 2 as " in deliver(home, "bob+team@example.test").text
    recipients = [address for _, addresses in sent_on(home) for address in addresses]
    assert sorted(recipients) == ["alice@example.test", "carol@example.net"]


def test_programs_find_ours(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a virtual environment: mailkit-sendmail is what mailkit-dotfiles(5) has in the place of condredirect."""
    installed = tmp_path / "bin"
    installed.mkdir()
    (installed / "mailkit-sendmail").write_text("#!/bin/sh\ncat >sent\n")
    (installed / "mailkit-sendmail").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(installed / "python"))
    (user_home(home) / ".qmail").write_text("|mailkit-sendmail -i alice@example.test\n")
    assert deliver(home).ok
    assert (user_home(home) / "sent").read_bytes() == MESSAGE


def test_the_environment_of_qmail_command(home: Home) -> None:
    directory = user_home(home)
    (directory / ".qmail-a-default").write_text("|env >env\n")
    assert deliver(home, "bob+a-b-c@example.test").ok
    found = dict(line.partition("=")[::2] for line in (directory / "env").read_text().split("\n"))
    expected = {
        "SENDER": "alice@example.net",
        "NEWSENDER": "alice@example.net",
        "RECIPIENT": "bob+a-b-c@example.test",
        "USER": "bob",
        "HOME": str(directory),
        "HOST": "example.test",
        "HOST2": "example",
        "HOST3": "",
        "LOCAL": "bob+a-b-c",
        "EXT": "a-b-c",
        "EXT2": "b-c",
        "EXT3": "c",
        "EXT4": "",
        "DEFAULT": "b-c",
        "MAILKIT_HOME": os.path.abspath(home.path),
        "RPLINE": "Return-Path: <alice@example.net>",
        "DTLINE": "Delivered-To: bob+a-b-c@example.test",
    }
    assert {key: found[key] for key in expected} == expected
    assert found["UFLINE"].startswith("From alice@example.net ")


def test_extensions_have_files_of_their_own(home: Home) -> None:
    directory = user_home(home)
    (directory / ".qmail-list").write_text("&carol@example.net\n")
    assert deliver(home, "bob+list@example.test").ok
    assert deliver(home, "bob+other@example.test").ok
    assert deliver(home).ok
    assert len(mailbox(home, "bob")) == 2
    assert len(sent_on(home)) == 1


def test_an_owner_becomes_the_sender(home: Home) -> None:
    directory = user_home(home)
    (directory / ".qmail-list").write_text("carol@example.net\ndave@example.net\n")
    (directory / ".qmail-list-owner").write_text("&bob\n")
    assert deliver(home, "bob+list@example.test").ok
    assert sent_on(home) == [("bob+list-owner@example.test", ["carol@example.net", "dave@example.net"])]


@pytest.mark.parametrize("is_list", [False, True])
def test_what_the_sender_asked_for_goes_on_but_a_list_reports_to_its_owner(is_list: bool, home: Home) -> None:
    """RFC 3461 5.2.7.1 and 5.2.7.2; RFC 6710 4.4."""
    directory = user_home(home)
    (directory / ".qmail-on").write_text("carol@example.net\n")
    if is_list:
        (directory / ".qmail-on-owner").write_text("&bob\n")
    asked = Recipient("bob+on@example.test", params={"notify": "DELAY", "orcpt": "rfc822;bob+on@example.test"})
    params = {"envid": "x", "ret": "HDRS", "priority": "4", "by": "2000000000;N", "helo": "c.example"}
    assert deliver(home, asked.address, recipient=asked, params=params).ok
    ((directory_name, name),) = waiting(home)
    got = claim.claim(home, directory_name, str(name))
    assert got is not None
    kept = {"priority": "4", "by": "2000000000;N"} | ({} if is_list else {"envid": "x", "ret": "HDRS"})
    assert {key: value for key, value in got.envelope.params.items() if key != "arrived"} == kept
    assert {"notify", "orcpt"} & got.envelope.recipients[0].params.keys() == (set() if is_list else {"notify", "orcpt"})
    got.release()


def test_verp_writes_the_recipient_into_the_sender(home: Home) -> None:
    directory = user_home(home)
    (directory / ".qmail-list").write_text("carol@example.net\ndave@example.org\n")
    (directory / ".qmail-list-owner").write_text("&bob\n")
    (directory / ".qmail-list-owner-default").write_text("&bob\n")
    assert deliver(home, "bob+list@example.test").ok
    assert sent_on(home) == [
        ("bob+list-owner-carol=example.net@example.test", ["carol@example.net"]),
        ("bob+list-owner-dave=example.org@example.test", ["dave@example.org"]),
    ]


def test_a_report_sent_on_stays_a_report(home: Home) -> None:
    directory = user_home(home)
    (directory / ".qmail").write_text("&carol@example.net\n")
    (directory / ".qmail-owner").touch()
    assert deliver(home, sender="").ok
    assert sent_on(home) == [("", ["carol@example.net"])]


def test_two_users_who_send_on_to_each_other_end_in_a_refusal(home: Home) -> None:
    (user_home(home, "bob") / ".qmail").write_text("&alice\n")
    (user_home(home, "alice") / ".qmail").write_text("&bob\n")
    message = MESSAGE
    for address in ("bob@example.test", "alice@example.test"):
        assert deliver(home, address, message=message).ok
        message = f"Delivered-To: {address}\n".encode() + message
    assert deliver(home, "bob@example.test", message=message).code == "5.4.6"


def test_dot_forward(home: Home) -> None:
    directory = user_home(home)
    (directory / ".forward").write_text('\\bob, carol@example.net, "|cat >seen"\n')
    assert deliver(home).ok
    assert len(mailbox(home, "bob")) == 1
    assert (directory / "seen").read_bytes() == MESSAGE
    assert sent_on(home) == [("alice@example.net", ["carol@example.net"])]


@pytest.mark.parametrize("line", ["/etc/mbox", "../alice/Maildir/", "/tmp/x/", "./link/", "./link/mbox"])
def test_users_of_one_system_user_do_not_reach_out_of_their_homes(home: Home, tmp_path: Path, line: str) -> None:
    directory = user_home(home)
    (directory / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (directory / ".qmail").write_text(line + "\n")
    result = deliver(home)
    assert (result.status, result.code) == ("temp", "4.3.5")
    assert os.listdir(tmp_path / "elsewhere") == []
    assert mailbox(home, "alice") == []


def test_a_missing_directory_defers(home: Home) -> None:
    (user_home(home) / ".qmail").write_text("./no/where/mbox\n")
    assert deliver(home).status == "temp"


def test_an_unsafe_file_defers_and_says_why_in_the_log(home: Home, lines: list[str]) -> None:
    file = user_home(home) / ".qmail"
    file.write_text("&carol@example.net\n")
    file.chmod(0o666)
    result = deliver(home)
    assert (result.status, result.code) == ("temp", "4.3.5")
    assert str(file) in lines[-1] and str(file) not in result.text


def test_a_domain_has_dot_files_for_addresses_that_are_no_users(home: Home) -> None:
    directory = Path(home.domains, "example.test")
    directory.mkdir(parents=True, mode=0o700)
    (directory / ".qmail-sales").write_text("&bob\n")
    (directory / ".qmail-list-default").write_text(f"|echo $DEFAULT >{directory}/seen\n")
    assert deliver(home, "sales@example.test").ok
    assert sent_on(home) == [("alice@example.net", ["bob@example.test"])]
    assert deliver(home, "list-dogs@example.test").ok
    assert (directory / "seen").read_text() == "dogs\n"
    assert route.judge(home, "other@example.test").kind == "unknown"
    assert route.judge(home, "bob@example.test").dotfile is None
    (directory / ".qmail-default").write_text("./Maildir/\n")
    assert deliver(home, "other@example.test").ok
    assert len(list((directory / "Maildir" / "new").iterdir())) == 1


def test_a_mailing_list(home: Home) -> None:
    directory = user_home(home)
    (directory / ".qmail-dogs").write_text("|echo $SENDER >>log\n+list\ncarol@example.net\ndave@example.net\n")
    (directory / ".qmail-dogs-owner").write_text("&bob\n")
    assert deliver(home, "bob+dogs@example.test").ok
    assert (directory / "log").read_text() == "alice@example.net\n"
    assert sent_on(home) == [("bob+dogs-owner@example.test", ["carol@example.net", "dave@example.net"])]
    ((part, name),) = waiting(home)
    data = Path(home.queue, part, str(name)).read_bytes().partition(b"\n\n")[2]
    assert data == (
        b"List-Id: <bob+dogs.example.test>\n"
        b"List-Post: <mailto:bob+dogs@example.test>\n"
        b"List-Owner: <mailto:bob+dogs-owner@example.test>\n"
        b"Precedence: list\n"
        b"Delivered-To: bob+dogs@example.test\n" + MESSAGE
    )
    again = deliver(home, "bob+dogs@example.test", message=b"List-Id: Dogs <bob+dogs.example.test>\n" + MESSAGE)
    assert (again.status, again.code) == ("perm", "5.4.6")
