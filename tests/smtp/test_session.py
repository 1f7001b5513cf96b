"""What a session does to the queue, the log and the clock, beyond what is said in the dialogue."""

from __future__ import annotations

import base64
import errno
import gc
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailkit import files
from mailkit.control import Home
from mailkit.deliver import route
from mailkit.net.conn import Gone, Stopping, Timeout
from mailkit.queue import inject
from mailkit.queue import name as queue_name
from mailkit.smtp import intake
from mailkit.users import edit
from tests.harness import fakeclock
from tests.harness.homes import set_control
from tests.harness.transcript import FakeTls
from tests.smtp.worlds import codes, left_over, queued, replies, talk, world

EHLO = b"EHLO client.example.net\r\n"
ENVELOPE = b"MAIL FROM:<carol@example.net>\r\nRCPT TO:<bob@example.test>\r\n"
ALICE_TOO = b"RCPT TO:<alice@example.test>\r\n"  # so that it takes an entry
TEXT = b"Subject: hi\r\n\r\nhello\r\n.\r\n"
LOGIN = b"AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=\r\n"


def test_message_is_queued_with_what_was_said_about_it(tmp_path: Path) -> None:
    home = world(tmp_path)
    said = (
        b"MAIL FROM:<carol@example.net> RET=HDRS ENVID=QQ1 BODY=8BITMIME\r\n"
        b"RCPT TO:<bob@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@example.org\r\n"
        b"RCPT TO:<Alice@example.test>\r\nDATA\r\n"
    )
    talk(home, EHLO, said, TEXT)
    ((envelope, message),) = queued(home)
    assert envelope.sender == "carol@example.net"
    assert [(one.address, one.params) for one in envelope.recipients] == [
        ("bob@example.test", {"notify": "SUCCESS,DELAY", "orcpt": "rfc822;x@example.org"}),
        ("Alice@example.test", {}),
    ]
    wanted = {
        "with": "ESMTP", "helo": "client.example.net", "peer": "192.0.2.1", "body": "8BITMIME", "ret": "HDRS",
        "envid": "QQ1",
    }  # fmt: skip
    assert {key: value for key, value in envelope.params.items() if key != "arrived"} == wanted
    assert message.endswith(b"\nSubject: hi\n\nhello\n")


@pytest.mark.parametrize(
    ("conn", "hello", "protocol"),
    [
        ({}, b"HELO c.example\r\n", b"SMTP"),
        ({}, b"EHLO c.example\r\n", b"ESMTP"),
        ({"tls": FakeTls()}, b"EHLO c.example\r\n", b"ESMTPS"),
        ({"service": "lmtp"}, b"LHLO c.example\r\n", b"LMTP"),
        ({"service": "lmtp", "tls": FakeTls()}, b"LHLO c.example\r\n", b"LMTPS"),
    ],
)
def test_received_names_the_protocol(conn: dict[str, Any], hello: bytes, protocol: bytes, tmp_path: Path) -> None:
    home = world(tmp_path)
    talk(home, hello, ENVELOPE + b"DATA\r\n", TEXT, **conn)
    ((_, message),) = queued(home)
    assert b"\tby mail.example.test with " + protocol + b" id " in message


def test_received_tells_peer_and_tls_and_only_recipient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = world(tmp_path)
    fakeclock.install(monkeypatch, 1_763_768_464)
    talk(home, EHLO, ENVELOPE + b"DATA\r\n", TEXT, tls=FakeTls(), peer="2001:db8::1")
    ((_, message),) = queued(home)
    lines = message.split(b"\n")
    assert lines[0] == b"Received: from client.example.net ([IPv6:2001:db8::1])"
    assert lines[1].startswith(b"\tby mail.example.test with ESMTPS id ")
    # RFC 5321 4.4: additional clauses stand behind the others.
    assert lines[2] == b"\tfor <bob@example.test>"
    assert lines[3] == b"\ttls TLS_AES_256_GCM_SHA384; Fri, 21 Nov 2025 23:41:04 +0000"


def test_received_shows_no_blind_copies(tmp_path: Path) -> None:
    home = world(tmp_path)
    talk(home, EHLO, ENVELOPE + b"RCPT TO:<alice@example.test>\r\nDATA\r\n", TEXT)
    ((_, message),) = queued(home)
    assert b"bob" not in message and b"alice" not in message


def test_helo_cannot_write_header_fields(tmp_path: Path) -> None:
    home = world(tmp_path)
    talk(home, b"EHLO x)\xc2\x85(y:@;\r\n", b"EHLO x)(\xc3\xa4@;\r\n", ENVELOPE + b"DATA\r\n", TEXT)
    ((_, message),) = queued(home)
    assert message.startswith(b"Received: from x????? ([192.0.2.1])\n")


def test_submission_puts_the_header_right(tmp_path: Path) -> None:
    home = world(tmp_path)
    text = b"Subject: hi\r\nBcc: bob@example.test,\r\n dave@example.net\r\nTo: x@example.net\r\n\r\nhello\r\n.\r\n"
    said = b"MAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n"
    conn = talk(home, EHLO, LOGIN, said, text, service="submission", tls=FakeTls())
    ((envelope, message),) = queued(home)
    assert codes(conn)[-1] == "250"
    assert envelope.params["auth"] == "alice@example.test"
    head = message.partition(b"\n\n")[0]
    assert b"\nFrom: <alice@example.test>\n" in head
    assert b"\nDate: " in head and b"\nMessage-ID: <" in head
    assert b"Bcc" not in head and b"dave" not in head
    assert b"Subject: hi\nTo: x@example.net" in head
    assert b"192.0.2.1" not in head and b"with ESMTPSA" in head


def test_client_is_shown_if_the_administrator_wants_it(tmp_path: Path) -> None:
    home = world(tmp_path, {"hideclient": ["no"]})
    said = b"MAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
    talk(home, EHLO, LOGIN, said, TEXT, service="submission", tls=FakeTls())
    assert b"([192.0.2.1])" in queued(home)[0][1]


@pytest.mark.parametrize(
    ("sender", "code"),
    [
        (b"", "250"),
        (b"alice@example.test", "250"),
        (b"ALICE@EXAMPLE.TEST", "250"),
        (b"alice+shop@example.test", "250"),
        (b"sales@example.test", "250"),
        (b"listed@elsewhere.example", "250"),
        (b"any@shop.example", "250"),
        (b"bob@example.test", "550"),
        (b"other@elsewhere.example", "550"),
    ],
)
def test_a_user_sends_only_as_themselves(sender: bytes, code: str, tmp_path: Path) -> None:
    home = world(tmp_path, {"sendas": ["alice@example.test listed@elsewhere.example *@shop.example"]})
    Path(home.aliases).write_text("sales@example.test: alice@example.test\n")
    conn = talk(home, EHLO, LOGIN, b"MAIL FROM:<" + sender + b">\r\n", service="submission", tls=FakeTls())
    assert codes(conn)[-1] == code


def test_held_message_is_due_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = world(tmp_path)
    clock = fakeclock.install(monkeypatch)
    for words in (b"HOLDFOR=3600", b"HOLDUNTIL=2027-01-15T09:00:00+01:00"):
        said = b"MAIL FROM:<alice@example.test> " + words + b"\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
        talk(home, EHLO, LOGIN, said, TEXT, service="submission", tls=FakeTls())
    names = [queue_name.parse(name) for name in os.listdir(os.path.join(home.queue, "new"))]
    assert sorted(name.due for name in names if name) == sorted([int(clock.time) + 3600, 1_800_000_000])


def test_what_was_asked_of_a_held_message_is_kept_for_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 4865 5.1.2; RFC 6710 4.1 has the priority in Received."""
    home = world(tmp_path)
    fakeclock.install(monkeypatch, 1_763_768_464)
    said = b"MAIL FROM:<alice@example.test> HOLDFOR=60 MT-PRIORITY=-2\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
    talk(home, EHLO, LOGIN, said, TEXT, service="submission", tls=FakeTls())
    ((envelope, message),) = queued(home)
    assert (envelope.params["hold"], envelope.params["came"]) == ("for;60", "1763768464")
    assert envelope.params["arrived"] == "1763768524"
    assert b"\n\ttls TLS_AES_256_GCM_SHA384\n\tpriority -2; " in message


def test_too_long_a_login_response_has_its_own_code(tmp_path: Path) -> None:
    """RFC 4954 4."""
    home = world(tmp_path)
    conn = talk(home, EHLO, b"AUTH PLAIN\r\n", b"A" * 13000 + b"\r\n", service="submission", tls=FakeTls())
    assert replies(conn)[-1] == "500 5.5.6 line too long"


def test_no_limit_is_said_as_zero(tmp_path: Path) -> None:
    """RFC 1870 3 and 7: without a number every MAIL with SIZE would have to look for room."""
    conn = talk(world(tmp_path, {"databytes": ["0"]}), EHLO)
    assert "250-SIZE 0" in replies(conn)


def test_vrfy_says_that_a_mailbox_is_full_for_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 2034 4: 5yz with a code 4.y.z would be nonsense."""
    home = world(tmp_path, {"vrfy": ["yes"]})
    full = route.Verdict("overquota", "bob@example.test", "example.test", [])
    full.code, full.text = "4.2.2", "full"
    monkeypatch.setattr(route, "judge", lambda *args, **kwargs: full)
    assert replies(talk(home, b"VRFY bob\r\n"))[-1] == "450 4.2.2 full"


def test_binary_message_is_kept_as_base64(tmp_path: Path) -> None:
    home = world(tmp_path)
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\n"
        b"Content-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n\r\xff\r\n--b--\r\n"
    )
    said = b"MAIL FROM:<x@example.net> BODY=BINARYMIME\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<alice@example.test>\r\n"
    talk(home, EHLO, said, b"BDAT %d LAST\r\n" % len(raw) + raw)
    ((envelope, message),) = queued(home)
    assert envelope.params["body"] == "8BITMIME"
    assert b"\n\ntext\n--b\n" in message
    assert b"Content-Transfer-Encoding: base64\n\nAA0KDf8=\n\n--b--\n" in message.replace(b"\n\n--b--", b"\n\n--b--")
    assert b"\r" not in message and b"\0" not in message


def test_refusal_has_an_id_that_finds_its_line_in_the_log(tmp_path: Path, lines: list[str]) -> None:
    home = world(tmp_path)
    conn = talk(home, EHLO, b"MAIL FROM:<carol@example.net>\r\nRCPT TO:<nobody@example.test>\r\n")
    last = conn.output.decode().split("\r\n")[-2]
    id = last[last.rindex("[") + 1 : -1]
    (found,) = [line for line in lines if f"id={id} " in line]
    assert "by=route-unknown" in found and "status=5.1.1" in found


def test_accepted_message_is_one_line_in_the_log(tmp_path: Path, lines: list[str]) -> None:
    home = world(tmp_path)
    conn = talk(home, EHLO, ENVELOPE + b"DATA\r\n", TEXT)
    (line,) = [line for line in lines if line.startswith("accept ")]
    assert "c=c0ffee" in line and "from=<carol@example.net>" in line and "to=<bob@example.test>" in line
    assert conn.outcome["messages"] == 1 and conn.outcome["helo"] == "client.example.net"


@pytest.mark.parametrize(
    "change",
    [
        lambda home: edit.change(home, "alice@example.test", lambda user: setattr(user, "hash", "{PLAIN}new")),
        lambda home: edit.change(home, "alice@example.test", lambda user: user.fields.update(disabled="")),
        lambda home: edit.remove(home, "alice@example.test"),
    ],
)
def test_who_was_locked_out_after_the_login_sends_no_more(change: Callable[[Home], object], tmp_path: Path) -> None:
    home = world(tmp_path)
    said = ENVELOPE.replace(b"carol@example.net", b"alice@example.test") + b"DATA\r\n"
    conn = talk(
        home, EHLO, LOGIN, said, TEXT, lambda: (change(home), said)[1], TEXT, service="submission", tls=FakeTls()
    )
    assert replies(conn)[-1] == "421 4.7.0 your account was changed, please log in again"
    assert len(queued(home)) == 1


def test_a_declared_size_that_will_not_fit_is_refused_at_rcpt(tmp_path: Path) -> None:
    home = world(tmp_path)
    edit.change(home, "bob@example.test", lambda user: user.fields.update(userdb_quota_rule="*:storage=2K"))
    said = [b"MAIL FROM:<x@example.net> SIZE=%d\r\nRCPT TO:<bob@example.test>\r\nRSET\r\n" % size for size in (1000, 3000)]
    conn = talk(home, EHLO, *said)
    assert [code for code in codes(conn) if code in ("250", "552")][-5:] == ["250", "250", "250", "552", "250"]


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename", "sync_dir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.EIO])
def test_a_failing_disk_leaves_the_message_with_the_sender(
    operation: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = world(tmp_path)

    def fault(done: str, *args: object) -> None:
        if done == operation:
            raise OSError(number, os.strerror(number))

    conn = talk(home, EHLO, ENVELOPE + ALICE_TOO + b"DATA\r\n", lambda: monkeypatch.setattr(files, "fault", fault) or TEXT)
    monkeypatch.setattr(files, "fault", None)
    assert codes(conn)[-1] == ("452" if number == errno.ENOSPC else "451")
    assert queued(home) == [] and left_over(home) == []


def test_settings_that_cannot_be_read_send_no_mail_back(tmp_path: Path) -> None:
    home = world(tmp_path)

    def unreadable() -> bytes:
        os.unlink(home.join("control", "domains"))
        os.mkdir(home.join("control", "domains"))
        return ENVELOPE

    conn = talk(home, EHLO, unreadable)
    assert replies(conn)[-1] == "451 4.3.5 configuration cannot be read"


def test_a_missing_queue_directory_is_a_temporary_failure(tmp_path: Path) -> None:
    home = world(tmp_path)
    os.rmdir(os.path.join(home.queue, "new"))
    conn = talk(home, EHLO, ENVELOPE + ALICE_TOO + b"DATA\r\n", TEXT, b"NOOP\r\n")
    assert codes(conn)[-2:] == ["451", "250"]
    assert left_over(home) == []


@pytest.mark.parametrize("why", [Timeout, Stopping, Gone, None])
def test_half_a_message_leaves_nothing(why: type[Exception] | None, tmp_path: Path) -> None:
    home = world(tmp_path)
    half = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 40_000
    conn = talk(home, EHLO, ENVELOPE + b"DATA\r\n", half, *([why()] if why else []))
    assert queued(home) == [] and left_over(home) == []
    wanted = {Timeout: ["354", "421"], Stopping: ["354", "421"]}.get(why, ["250", "354"])  # type: ignore[arg-type]
    assert codes(conn)[-2:] == wanted


def test_big_message_is_streamed(tmp_path: Path) -> None:
    home = world(tmp_path)
    sizes = []
    line = b"..dots and 0123456789012345678901234567890123456789\r\n"
    piece = line * 1000

    def measured() -> bytes:
        held = os.listdir(os.path.join(home.queue, "tmp"))
        sizes.extend(os.path.getsize(os.path.join(home.queue, "tmp", name)) for name in held)
        return piece

    talk(home, EHLO, ENVELOPE + b"DATA\r\n", b"Subject: x\r\n\r\n", *[measured] * 40, b".\r\n")
    ((_, message),) = queued(home)
    assert message.partition(b"\n\n")[2] == (line[1:-2] + b"\n") * 40_000
    assert sizes[-1] > len(piece) * 30


@pytest.mark.parametrize("message", [b"DATA\r\n", b"BDAT %d LAST\r\n" % len(TEXT)])
@pytest.mark.parametrize("end", [b"QUIT\r\n", b""])
def test_a_session_that_is_over_takes_no_memory(message: bytes, end: bytes, tmp_path: Path) -> None:
    """Nothing waits for the collector: what is left by each of a thousand sessions would be in the caches' way."""
    home = world(tmp_path)
    talk(home, EHLO)
    gc.collect()
    gc.disable()
    try:
        conn = talk(home, EHLO, ENVELOPE, message, TEXT, end)
        assert codes(conn)[4:][-2 if end else -1] == "250"
        over = weakref.ref(conn)
        del conn
        assert over() is None
    finally:
        gc.enable()


def test_commands_before_starttls_are_never_obeyed(tmp_path: Path) -> None:
    home = world(tmp_path)
    conn = talk(home, EHLO, b"STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<evil@example.net>\r\n", b"NOOP\r\n")
    assert replies(conn)[-2:] == ["220 2.0.0 go ahead", "250 2.0.0 ok"]


def test_refusals_are_answered_more_and_more_slowly(tmp_path: Path) -> None:
    home = world(tmp_path, {"tarpit": ["2"], "softerrors": ["2"]})
    assert talk(home, b"X\r\n" * 2).paused_s == 0
    assert talk(home, b"X\r\n" * 5).paused_s == 2 + 4 + 6


def test_an_accepted_message_makes_up_for_errors(tmp_path: Path) -> None:
    home = world(tmp_path, {"maxerrors": ["3"]})
    conn = talk(home, EHLO, b"X\r\nX\r\n" + ENVELOPE + b"DATA\r\n", TEXT, b"X\r\nX\r\nNOOP\r\n")
    assert codes(conn)[-1] == "250"


def test_who_speaks_before_the_greeting_is_refused(tmp_path: Path, lines: list[str]) -> None:
    home = world(tmp_path, {"policy": ["early"]})
    conn = talk(home, b"EHLO bot.example\r\n")
    assert replies(conn) == ["554 5.5.1 you spoke before the greeting"]
    assert any("verb=connect" in line and "by=early" in line for line in lines)
    home = world(tmp_path, {"policy": ["early note"]})
    conn = talk(home, b"EHLO bot.example\r\n", ENVELOPE + b"DATA\r\n", TEXT)
    assert b"\nX-Policy: early=reject (you spoke before the greeting)\n" in queued(home)[0][1]
    home = world(tmp_path, {"policy": ["early"]})
    conn = talk(home, Timeout(), b"EHLO patient.example\r\n")
    assert codes(conn)[0] == "220"
    assert conn.idle_s == 300


def test_settings_are_read_when_a_session_starts(tmp_path: Path) -> None:
    home = world(tmp_path)
    assert "250-SIZE 52428800" in replies(talk(home, EHLO))
    set_control(home, "databytes", "1M")
    assert "250-SIZE 1048576" in replies(talk(home, EHLO))


def test_authentication_survives_messages_but_not_starttls(tmp_path: Path) -> None:
    home = world(tmp_path)
    said = b"MAIL FROM:<alice@example.test>\r\nRCPT TO:<x@example.net>\r\nDATA\r\n"
    conn = talk(home, EHLO, LOGIN, said, TEXT, said, TEXT, service="submission", tls=FakeTls())
    assert codes(conn).count("354") == 2


def test_users_that_cannot_be_read_are_a_temporary_failure(tmp_path: Path) -> None:
    home = world(tmp_path)
    os.unlink(home.passwd)
    os.mkdir(home.passwd)
    conn = talk(home, EHLO, ENVELOPE)
    assert codes(conn)[-1] == "451"


def test_what_checks_say_of_the_client_marks_every_message(tmp_path: Path) -> None:
    home = world(tmp_path, {"policy": ["helo"]})
    talk(home, b"EHLO old\r\n", b"EHLO desktop\r\n", *[ENVELOPE + b"DATA\r\n", TEXT] * 2)
    for _, message in queued(home):
        assert message.count(b"\nX-Policy: helo=unqualified\n") == 1


def test_junk_is_marked_for_delivery_and_for_people(tmp_path: Path) -> None:
    path = tmp_path / "check"
    path.write_text("#!/bin/sh\necho smells; exit 99\n")
    path.chmod(0o755)
    home = world(tmp_path / "home", {"policy": ["command"], "policycommand": [f"rcpt {path}"]})
    talk(home, EHLO, ENVELOPE + b"DATA\r\n", TEXT)
    ((envelope, message),) = queued(home)
    assert envelope.params["junk"] == "command: smells"
    assert b"\nX-Junk: command: smells\n" in message


def test_recipient_named_twice_gets_one_copy(tmp_path: Path) -> None:
    home = world(tmp_path)
    conn = talk(home, EHLO, ENVELOPE + b"RCPT TO:<bob@example.test>\r\nDATA\r\n", TEXT)
    assert codes(conn)[-1] == "250"
    assert len(queued(home)[0][0].recipients) == 1


@pytest.mark.parametrize(
    ("kind", "code", "wanted"),
    [
        ("overquota", "5.2.2", "552 5.2.2 <bob@example.test>: full"),
        ("overquota", "4.2.2", "452 4.2.2 <bob@example.test>: full"),
        ("disabled", "5.2.1", "550 5.2.1 <bob@example.test>: full"),
        ("unknown", "4.1.1", "450 4.1.1 <bob@example.test>: full"),
    ],
)
def test_what_the_router_refuses(
    kind: str, code: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = world(tmp_path)
    verdict = route.Verdict(kind, "bob@example.test", "example.test", [])
    verdict.code, verdict.text = code, "full"
    monkeypatch.setattr(route, "judge", lambda home, address, octets=1: verdict)
    assert replies(talk(home, EHLO, ENVELOPE))[-1] == wanted


@pytest.mark.parametrize("moment", ["header", "end"])
def test_text_of_a_message_is_never_taken_for_commands(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    def broken(*args: object) -> bytes:
        raise RuntimeError("a bug")

    home = world(tmp_path)
    if moment == "header":
        monkeypatch.setattr(intake, "hops", broken)
    else:
        monkeypatch.setattr(inject.Spool, "commit", broken)
    text = b"Subject: x\r\n\r\nRSET\r\nMAIL FROM:<evil@example.net>\r\n.\r\n"
    conn = talk(home, EHLO, ENVELOPE + ALICE_TOO + b"DATA\r\n", text[:20], text[20:], b"NOOP\r\n")
    assert codes(conn)[-3:] == ["354", "451", "250"]
    assert replies(conn)[-1] == "250 2.0.0 ok"
    assert any("RuntimeError" in line for line in lines)
    assert left_over(home) == []


def test_nothing_is_refused_once_it_is_in_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = world(tmp_path, {"policy": ["rate must"], "rate": ["address hour 9"]})
    Path(home.run, "rate").write_text("in the way")
    conn = talk(home, EHLO, ENVELOPE + b"DATA\r\n", TEXT)
    assert len(queued(home)) == codes(conn).count("354") == 0
    Path(home.run, "rate").unlink()
    conn = talk(home, EHLO, ENVELOPE + b"DATA\r\n", lambda: Path(home.run, "rate").write_text("x") and TEXT)
    assert codes(conn)[-1] == "250" and len(queued(home)) == 1
    monkeypatch.setattr(intake, "_log", lambda *args: 1 / 0)
    conn = talk(world(tmp_path / "other"), EHLO, ENVELOPE + b"DATA\r\n", TEXT)
    assert codes(conn)[-1] == "250"


def test_unknown_octets_in_place_of_a_verb(tmp_path: Path, lines: list[str]) -> None:
    home = world(tmp_path, {"maxcommands": ["2"]})
    assert codes(talk(home, b"\xff\xfe x\r\n" * 3)) == ["220", "500", "500", "421"]
    assert not [line for line in lines if line.startswith("broken")]


def test_a_password_sent_in_vain_is_in_no_log(tmp_path: Path, lines: list[str]) -> None:
    secret = base64.b64encode(b"correct horse")
    login = b"EHLO client.example.net\r\nAUTH LOGIN\r\n" + base64.b64encode(b"alice") + b"\r\n" + secret + b"\r\n"
    for service in ("mx", "submission"):
        talk(world(tmp_path / service), login, b"AUTH PLAIN " + secret + b"\r\n", service=service)
    home = world(tmp_path / "few", {"maxcommands": ["1"]})
    assert replies(talk(home, b"NOOP\r\nAUTH PLAIN " + secret + b"\r\n", service="submission"))[-1].startswith("421 ")
    assert [line for line in lines if "verb=-" in line] and [line for line in lines if "verb=AUTH" in line]
    assert not [line for line in lines if secret.decode() in line or secret.decode()[:10] in line]
