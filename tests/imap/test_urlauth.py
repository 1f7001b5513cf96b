"""Authorized URLs between two users, and the keys behind them (RFC 4467)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.imap.session import session
from mailkit.maildir import accesskey
from mailkit.users.passwd import Passwd
from tests.harness.transcript import FakeConn, run
from tests.imap import mailboxes

URL = "imap://alice%40example.test@mail.example.test/INBOX;UIDVALIDITY=12345/;UID=1/;SECTION=TEXT;URLAUTH="


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = mailboxes.make(tmp_path)
    os.unlink(f"{mailboxes.inbox(home)}/{accesskey.NAME}")
    return home


def said(home: Home, user: str, command: str) -> bytes:
    """What a session of a user answers to one command."""
    conn = FakeConn([f"x {command}\r\n".encode()], service="imap", peer="", can_starttls=False)
    run(session(conn, home, Passwd(home).lookup(f"{user}@example.test")))
    return bytes(conn.output).partition(b"\r\n")[2]


def authorized(home: Home, access: str) -> str:
    answer = said(home, "alice", f'GENURLAUTH "{URL}{access}" INTERNAL')
    match = re.match(rb'\* GENURLAUTH "([^"]+)"\r\nx OK', answer)
    assert match, answer
    return match[1].decode()


def may_read(home: Home, user: str, url: str) -> bool:
    answer = said(home, user, f'URLFETCH "{url}"')
    assert (b"this is the first" in answer) != answer.startswith(b'* URLFETCH "' + url.encode() + b'" NIL\r\nx OK')
    return b"this is the first" in answer


@pytest.mark.parametrize(("access", "readers"), [
    ("user+bob%40example.test", {"bob"}), ("user+alice%40example.test", {"alice"}), ("authuser", {"alice", "bob"}),
    ("anonymous", {"alice", "bob"}),
])  # fmt: skip
def test_whom_the_url_is_for(home: Home, access: str, readers: set[str]) -> None:
    url = authorized(home, access)
    assert {user for user in ("alice", "bob") if may_read(home, user, url)} == readers


def test_nothing_of_the_url_can_be_changed(home: Home) -> None:
    url = authorized(home, "anonymous")
    rump, _, token = url.rpartition(":")
    for at in range(0, len(token), 7):
        other = "0" if token[at] != "0" else "1"
        assert not may_read(home, "bob", f"{rump}:{token[:at]}{other}{token[at + 1 :]}")
    assert not may_read(home, "bob", url.replace("SECTION=TEXT", "SECTION=HEADER"))
    assert not may_read(home, "bob", url.replace("anonymous", "authuser"))
    assert may_read(home, "bob", f"{rump}:{token.upper()}")


def test_reset_revokes_what_was_given(home: Home) -> None:
    url = authorized(home, "anonymous")
    assert authorized(home, "anonymous") == url
    assert b"OK" in said(home, "alice", "RESETKEY")
    assert not may_read(home, "bob", url)
    assert authorized(home, "anonymous") != url


def test_url_of_a_user_who_may_not_log_in(home: Home) -> None:
    url = authorized(home, "anonymous")
    passwd = Path(home.passwd)
    line = "alice@example.test:{PLAIN}secret::::::"
    passwd.write_text(passwd.read_text().replace(line, f"{line}nologin"))
    assert not may_read(home, "bob", url)
