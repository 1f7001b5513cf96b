"""Messages that are left ready for their mailbox: which ones, and what the client and the log are told."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mailkit import files
from mailkit.control import Home
from mailkit.deliver import plain
from mailkit.queue import ready
from tests.harness.homes import set_control
from tests.harness.transcript import run
from tests.smtp.worlds import codes, queued, replies, talk, world

EHLO = b"EHLO client.example.net\r\n"
MAIL = b"MAIL FROM:<carol@example.net>\r\n"
BOB = b"RCPT TO:<bob@example.test>\r\n"
TEXT = b"Subject: hi\r\n\r\nhello\r\n.\r\n"


def directories(home: Home) -> list[str]:
    """Where messages are, one word each."""
    return [part for part in ("ready", "new") for _ in os.listdir(os.path.join(home.queue, part))]


def test_mail_for_one_mailbox_is_left_as_it_will_be_there(tmp_path: Path, lines: list[str]) -> None:
    home = world(tmp_path)
    conn = talk(home, EHLO, MAIL + BOB + b"DATA\r\n", TEXT)
    (found,) = ready.entries(home)
    assert replies(conn)[-1] == f"250 2.0.0 queued as {found.name.id}"
    assert lines[-1].startswith(f"accept c={conn.id} q={found.name.id} ")
    data = ready.whole(home, found)
    assert data is not None
    start = b"Return-Path: <carol@example.net>\nDelivered-To: bob@example.test\nReceived: from client.example.net "
    assert data.startswith(start) and data.endswith(b"\nSubject: hi\n\nhello\n")
    assert f"id {found.name.id}".encode() in data
    run(plain.look(home))
    (path,) = Path(home.domains, "example.test/bob/Maildir/new").iterdir()
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    "said",
    [
        MAIL + BOB + b"RCPT TO:<alice@example.test>\r\n",
        MAIL + b"RCPT TO:<bob@example.test> NOTIFY=SUCCESS\r\n",
        MAIL + b"RCPT TO:<bob@example.test> ORCPT=rfc822;b@example.test\r\n",
        b"MAIL FROM:<carol@example.net> RET=HDRS\r\n" + BOB,
        b"MAIL FROM:<carol@example.net> ENVID=x\r\n" + BOB,
        b"MAIL FROM:<carol@example.net> SMTPUTF8\r\n" + BOB,
        b"MAIL FROM:<carol@example.net> BY=3600;R\r\n" + BOB,
    ],
)
def test_wishes_take_an_envelope(said: bytes, tmp_path: Path) -> None:
    home = world(tmp_path)
    conn = talk(home, EHLO, said + b"DATA\r\n", TEXT)
    assert codes(conn)[-1] == "250" and directories(home) == ["new"]


def test_who_was_refused_last_does_not_count(tmp_path: Path) -> None:
    home = world(tmp_path)
    talk(home, EHLO, MAIL + BOB + b"RCPT TO:<nobody@example.test>\r\nDATA\r\n", TEXT)
    assert [(envelope.recipients[0].address) for envelope, _ in queued(home)] == ["bob@example.test"]
    assert directories(home) == ["ready"]


def test_what_does_not_fit_into_memory_takes_an_entry(tmp_path: Path) -> None:
    home = world(tmp_path)
    long = b"0123456789\r\n" * 20_000
    conn = talk(home, EHLO, MAIL + BOB + b"DATA\r\n", b"Subject: x\r\n\r\n" + long + b".\r\n")
    assert codes(conn)[-1] == "250" and directories(home) == ["new"]


def test_a_message_that_comes_back_is_refused(tmp_path: Path) -> None:
    home = world(tmp_path)
    conn = talk(home, EHLO, MAIL + BOB + b"DATA\r\n", b"Delivered-To: bob@example.test\r\n" + TEXT)
    assert replies(conn)[-1].startswith("554 5.4.6 ") and directories(home) == []


@pytest.mark.parametrize("operation", ["create", "write", "sync", "sync_dir", "lock"])
@pytest.mark.parametrize("lasting", [False, True])
def test_a_failing_disk(operation: str, lasting: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes by passes: the message takes an entry. What stays leaves it with the sender."""
    home = world(tmp_path)
    set_control(home, "spares", "0")
    failed = []

    def fault(done: str, *args: object) -> None:
        if done == operation and (lasting or not failed):
            failed.append(done)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    conn = talk(home, EHLO, MAIL + BOB + b"DATA\r\n", lambda: monkeypatch.setattr(files, "fault", fault) or TEXT)
    monkeypatch.setattr(files, "fault", None)
    assert failed
    assert (codes(conn)[-1], directories(home)) == (("451", []) if lasting else ("250", ["new"]))


def test_lmtp_too(tmp_path: Path) -> None:
    home = world(tmp_path)
    conn = talk(home, b"LHLO client\r\n", MAIL + BOB + b"DATA\r\n", TEXT, service="lmtp")
    assert codes(conn)[-1] == "250" and directories(home) == ["ready"]
