"""Into the Maildir, and what is refused there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from mailkit import files
from mailkit.control import Home
from mailkit.deliver import local, route
from mailkit.deliver.message import Message
from mailkit.deliver.outcome import Outcome
from mailkit.net.blocking import run
from mailkit.queue import claim, listing
from tests.deliver.homes import MESSAGE, mailbox, make, waiting
from tests.harness.crash import crashes, refusals


def deliver(home: Home, address: str, message: bytes = MESSAGE, sender: str = "alice@example.net") -> Outcome:
    fd = os.memfd_create("message")
    try:
        os.write(fd, b"envelope" + message)
        return run(local.deliver(home, route.judge(home, address), sender, fd, len(b"envelope")))
    finally:
        os.close(fd)


def test_the_message_gets_its_two_lines_and_stays_as_it_was(home: Home) -> None:
    assert deliver(home, "Bob@example.test").ok
    assert mailbox(home, "bob") == [
        b"Return-Path: <alice@example.net>\nDelivered-To: bob@example.test\n" + MESSAGE,
    ]


def test_the_null_sender_is_written_as_such(home: Home) -> None:
    assert deliver(home, "bob@example.test", sender="").ok
    assert mailbox(home, "bob")[0].startswith(b"Return-Path: <>\n")


@pytest.mark.parametrize("line", [b"Return-Path: <x@y>\n", b"RETURN-PATH:\n <x@y>\n", b"A: b\nreturn-path: <x@y>\n"])
def test_return_path_lines_of_others_go(home: Home, line: bytes) -> None:
    assert deliver(home, "bob@example.test", line + MESSAGE).ok
    (found,) = mailbox(home, "bob")
    assert found.lower().count(b"return-path") == 1
    assert found.endswith(MESSAGE)
    assert b"x@y" not in found


def test_a_return_path_in_the_body_stays(home: Home) -> None:
    message = MESSAGE + b"\nReturn-Path: <x@y>\n"
    assert deliver(home, "bob@example.test", message).ok
    assert mailbox(home, "bob")[0].endswith(message)


@pytest.mark.parametrize("line", [b"Delivered-To: bob@example.test\n", b"delivered-to:\n  BOB@example.test\n"])
def test_a_message_that_comes_back_is_refused(home: Home, line: bytes) -> None:
    result = deliver(home, "bob@example.test", line + MESSAGE)
    assert (result.status, result.code) == ("perm", "5.4.6")
    assert mailbox(home, "bob") == []


def test_a_message_delivered_to_somebody_else_before_is_no_loop(home: Home) -> None:
    assert deliver(home, "bob+x@example.test", b"Delivered-To: bob@example.test\n" + MESSAGE).ok
    assert deliver(home, "bob@example.test", b"Delivered-To: alice@example.test\n" + MESSAGE).ok


def test_a_large_message_is_copied_whole(home: Home) -> None:
    message = MESSAGE + b"x" * 71 * 20000 + b"\n"
    assert deliver(home, "bob@example.test", message).ok
    assert mailbox(home, "bob")[0].endswith(message)


def test_a_header_without_end_is_a_message(home: Home) -> None:
    assert deliver(home, "bob@example.test", b"no header at all").ok
    assert mailbox(home, "bob")[0].endswith(b"no header at all")


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename", "sync_dir"])
def test_a_full_disk_is_temporary_and_leaves_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, lines: list[str], operation: str
) -> None:
    def fault(called: str, *args: Any) -> None:
        if called == operation:
            raise OSError(errno.ENOSPC, "No space left on device")

    assert deliver(home, "bob@example.test").ok
    monkeypatch.setattr(files, "fault", fault)
    result = deliver(home, "bob@example.test")
    assert (result.status, result.code) == ("temp", "4.2.0")
    assert "No space" in lines[-1]
    assert "/" not in result.text
    maildir = Path(home.domains, "example.test", "bob", "Maildir")
    assert os.listdir(maildir / "tmp") == []
    assert len(os.listdir(maildir / "new")) == 1


def test_a_message_that_shrinks_is_temporary(home: Home) -> None:
    fd = os.memfd_create("message")
    os.write(fd, MESSAGE)
    verdict = route.judge(home, "bob@example.test")
    result = run(local.handle(home, verdict, "", Message(fd, 0, len(MESSAGE) + 1)))
    os.close(fd)
    assert result.status == "temp"
    assert mailbox(home, "bob") == []


def test_an_alias_is_sent_on_as_a_new_entry(tmp_path: Path) -> None:
    home = make(tmp_path, aliases="sales@example.test: alice, carol@example.net\n")
    result = deliver(home, "sales@example.test")
    assert result.ok and result.action == "expanded"
    ((directory, found),) = waiting(home)
    got = claim.claim(home, directory, str(found))
    assert got is not None
    assert got.envelope.sender == "alice@example.net"
    assert [one.address for one in got.envelope.recipients] == ["alice@example.test", "carol@example.net"]
    assert got.head == b"Delivered-To: sales@example.test\n" + MESSAGE
    got.release()
    assert deliver(home, "sales@example.test", got.head).code == "5.4.6"


def test_a_crash_leaves_the_whole_message_or_none(tmp_path: Path) -> None:
    def scenario(directory: Path) -> None:
        assert deliver(Home(str(directory)), "bob@example.test").ok

    for crash in crashes(tmp_path, scenario, lambda directory: make(directory) and None):
        found = mailbox(Home(str(crash.directory)), "bob")
        assert len(found) == 1 if crash.done else len(found) <= 1, crash
        assert all(one.endswith(MESSAGE) for one in found), crash


@pytest.mark.parametrize("address", ["bob@example.test", "sales@example.test"])
def test_what_is_said_of_a_delivery_is_so_whatever_the_disk_refuses(address: str, tmp_path: Path) -> None:
    said: list[Outcome] = []
    aliases = "sales@example.test: alice, bob\n"
    for directory, refused, error in refusals(
        tmp_path,
        lambda directory: said.append(deliver(Home(str(directory)), address)),
        lambda directory: make(directory, aliases=aliases) and None,
    ):
        home, result = Home(str(directory)), said.pop()
        found = len(mailbox(home, "bob")) + len(list(listing.entries(home, "new")))
        assert error is None and (result.status, found) in (("ok", 1), ("temp", 0)), (refused, result, found)


def test_a_crash_while_sending_on_leaves_one_entry_or_none(tmp_path: Path) -> None:
    def scenario(directory: Path) -> None:
        assert deliver(Home(str(directory)), "sales@example.test").ok

    aliases = "sales@example.test: alice, bob\n"
    for crash in crashes(tmp_path, scenario, lambda directory: make(directory, aliases=aliases) and None):
        found = list(listing.entries(Home(str(crash.directory)), "new"))
        assert len(found) == 1 if crash.done else len(found) <= 1, crash
