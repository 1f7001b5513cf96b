"""Quota: counted as Courier and Dovecot do, refused before it is accepted, told before it hurts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.deliver import fullness, quota, route
from mailkit.deliver.quota import Usage
from mailkit.deliver.runner import Runner
from mailkit.users.passwd import Passwd, User
from tests.deliver.homes import mailbox, make, queue, waiting
from tests.harness.crash import crashes


def limited(path: Path, rule: str) -> tuple[Home, User, Path]:
    """A home where bob has a quota; bob; bob's maildirsize."""
    home = make(path)
    Path(home.passwd).write_text(
        f"alice@example.test:{{PLAIN}}x::::::\nbob@example.test:{{PLAIN}}x::::::userdb_quota_rule=*:{rule}\n"
    )
    user = Passwd(home).lookup("bob@example.test")
    assert user is not None
    return home, user, Path(user.maildir, "maildirsize")


def put(user: User, size: int, folder: str = "", name: str = "1.M1.host", part: str = "cur") -> Path:
    directory = Path(user.maildir, folder, part)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name},S={size}"
    path.write_bytes(b"x" * min(size, 10))
    return path


def once(home: Home) -> None:
    asyncio.run(Runner(home, once=True).run())


def test_counting_takes_all_folders_and_the_sizes_in_the_names(tmp_path: Path) -> None:
    _, user, file = limited(tmp_path, "storage=1M:messages=9")
    put(user, 1000)
    put(user, 200, ".Sent", part="new")
    Path(user.maildir, ".Sent", "cur").mkdir()
    Path(user.maildir, ".Sent", "cur", "without-size:2,S").write_bytes(b"12345")
    found = quota.usage(user)
    assert (found.octets, found.messages) == (1205, 3)
    assert file.read_text() == "1048576S,9C\n1205 3\n"


def test_the_lines_of_others_count(tmp_path: Path) -> None:
    _, user, file = limited(tmp_path, "storage=1M")
    Path(user.maildir).mkdir(parents=True)
    file.write_text("1048576S\n1000 10\n500 1\n-300 -1\n")
    found = quota.usage(user)
    assert (found.octets, found.messages) == (1200, 10)


@pytest.mark.parametrize(
    "text", ["", "999S\n1 1\n", "1048576S\nrubbish\n", "1048576S\n-5 -1\n", "1048576S\n" + "1 1\n" * 2000]
)
def test_a_file_that_cannot_be_believed_is_made_anew(tmp_path: Path, text: str) -> None:
    _, user, file = limited(tmp_path, "storage=1M")
    put(user, 77)
    file.write_text(text)
    assert quota.usage(user).octets == 77
    assert file.read_text() == "1048576S\n77 1\n"


def test_full_is_refused_at_rcpt_and_room_is_seen_at_once(tmp_path: Path) -> None:
    home, user, file = limited(tmp_path, "storage=1K")
    message = put(user, 1024)
    verdict = route.judge(home, "bob@example.test")
    assert (verdict.kind, verdict.code) == ("overquota", "5.2.2")
    os.utime(file, (1, 1))
    message.unlink()
    assert route.judge(home, "bob@example.test").kind == "local"


def test_a_message_that_will_not_fit_is_refused_at_rcpt(tmp_path: Path) -> None:
    home, user, _ = limited(tmp_path, "storage=1K")
    put(user, 500)
    Path(home.aliases).write_text("info@example.test: bob@example.test\n")
    for address in ("bob@example.test", "info@example.test"):
        assert route.judge(home, address, octets=500).kind == "local"
        assert route.judge(home, address, octets=600).kind == "overquota"


def test_what_was_accepted_waits_for_room(tmp_path: Path) -> None:
    home, user, _ = limited(tmp_path, "storage=1K")
    message = put(user, 1024)
    queue(home, "bob@example.test")
    once(home)
    ((directory, found),) = waiting(home)
    assert (directory, found.attempts) == ("cur", 1)
    message.unlink()
    os.rename(Path(home.queue, "cur", str(found)), Path(home.queue, "cur", str(found.at(0))))
    once(home)
    assert waiting(home) == []
    assert len(mailbox(home, "bob")) == 1


def test_a_message_that_does_not_fit_waits_while_a_small_one_comes_in(tmp_path: Path) -> None:
    home, _, _ = limited(tmp_path, "storage=1K")
    queue(home, "bob@example.test", message=b"A: b\n\n" + b"x" * 2000)
    queue(home, "bob@example.test")
    once(home)
    assert len(mailbox(home, "bob")) == 1
    assert len(waiting(home)) == 1


def test_each_delivery_is_written_down(tmp_path: Path) -> None:
    home, user, file = limited(tmp_path, "storage=1M:messages=100")
    for _ in range(3):
        queue(home, "bob@example.test")
        once(home)
    sizes = [len(message) for message in mailbox(home, "bob")]
    found = quota.usage(user)
    assert (found.octets, found.messages) == (sum(sizes), 3)
    assert file.read_text().splitlines()[-1] == f"{sizes[0]} 1"


def test_the_number_of_messages_is_a_limit_too(tmp_path: Path) -> None:
    home, user, _ = limited(tmp_path, "messages=2")
    put(user, 1, name="1.a")
    put(user, 1, name="1.b")
    assert route.judge(home, "bob@example.test").kind == "overquota"


def test_users_without_a_quota_have_no_file(home: Home) -> None:
    queue(home, "bob@example.test")
    once(home)
    assert not Path(home.domains, "example.test", "bob", "Maildir", "maildirsize").exists()


def test_a_level_is_crossed_once(home: Home) -> None:
    def level(before: int, octets: int) -> int:
        return fullness.crossed(home, Usage(before, 1, (1000, None)), octets)

    assert [level(0, 100), level(700, 100), level(800, 50), level(850, 100), level(0, 990)] == [0, 80, 0, 95, 95]


def test_the_user_is_warned_by_a_message(tmp_path: Path) -> None:
    home, user, _ = limited(tmp_path, "storage=10K")
    put(user, 8100)
    queue(home, "bob@example.test", message=b"A: b\n\n" + b"x" * 100)
    queue(home, "bob@example.test")
    once(home)
    warnings = [message for message in mailbox(home, "bob") if b"percent full" in message]
    assert len(warnings) == 1
    assert b"\nSubject: Your mailbox is 80 percent full\n" in warnings[0]
    assert b"\nAuto-Submitted: auto-generated\n" in warnings[0]


def test_a_crash_never_leaves_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        home, _, _ = limited(directory, "storage=1M")
        queue(home, "bob@example.test")
        route.judge(home, "bob@example.test")

    for crash in crashes(tmp_path, lambda directory: once(Home(str(directory))), prepare):
        home = Home(str(crash.directory))
        once(home)
        assert waiting(home) == [], crash
        user = Passwd(home).lookup("bob@example.test")
        assert user is not None
        os.utime(Path(user.maildir, "maildirsize"), (1, 1))
        assert quota.takes(user, 1)
        assert 1 <= len(mailbox(home, "bob")) <= 2, crash


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_counts_belongs_to_whom_the_mail_does(tmp_path: Path) -> None:
    """mailkit-lsusers and mailkit-smtpd --explain count too, and the servers must be able to read what they leave."""
    _, user, path = limited(tmp_path, "storage=1M")
    put(user, 100)
    os.chown(user.maildir, 4711, 4712)
    assert quota.usage(user).octets == 100
    assert (path.stat().st_uid, path.stat().st_gid) == (4711, 4712)
