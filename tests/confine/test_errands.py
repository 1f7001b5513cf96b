"""What smtpd asks its steward: it judges recipients without a right to look into anybody's mail."""

from __future__ import annotations

import os
import smtplib
import socket
from pathlib import Path

import pytest

from mailkit import confine
from mailkit.control import Home
from mailkit.deliver import errands
from mailkit.exits import Perm, Temp
from mailkit.net import errand
from tests.harness.homes import make_home, set_control
from tests.harness.servers import converse, serve

RCPT = (b"full", b"roomy", b"team", b"stale", b"nobody")
WANTED = [b"552", b"250", b"250", b"451", b"550"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path, users=("alice", "full", "roomy"))
    Path(home.passwd).write_text(
        "alice@example.test:{PLAIN}x::::::\n"
        "full@example.test:{PLAIN}x::::::userdb_quota_rule=*:messages=1\n"
        "roomy@example.test:{PLAIN}x::::::userdb_quota_rule=*:messages=9\n"
    )
    directory = Path(home.domains, "example.test")
    directory.chmod(0o700)
    (directory / "full" / "Maildir" / "cur" / "1.M1P1.host:2,S").write_bytes(b"Subject: x\n\nx\n")
    for name, text in ((".qmail-team", "&alice@example.test\n"), (".qmail-stale", "|x\n")):
        (directory / name).write_text(text)
        (directory / name).chmod(0o600)
    (directory / ".qmail-stale").chmod(0o666)  # others may write it: not obeyed, mail waits
    return home


def dialogue() -> bytes:
    lines = [b"RCPT TO:<%s@example.test>" % name for name in RCPT]
    return b"\r\n".join([b"EHLO client.example", b"MAIL FROM:<x@example.net>", *lines, b"QUIT", b""])


def test_recipients_are_judged_on_one_connection(home: Home) -> None:
    set_control(home, "earlywait", "0")
    answer, log, code = converse(home, "smtpd", dialogue())
    codes = [line[:3] for line in answer.split(b"\r\n") if line[3:4] == b" "]
    assert codes[3:-1] == WANTED, answer  # after greeting, EHLO and MAIL
    assert code == 0, log


@pytest.mark.parametrize("landlock", ["yes", "no"])
def test_recipients_are_judged_by_workers(home: Home, landlock: str) -> None:
    set_control(home, "landlock", landlock)
    with serve(home, "smtpd", "mx") as server, smtplib.SMTP("127.0.0.1", server.ports["mx"], timeout=20) as client:
        client.ehlo("client.example")
        client.mail("x@example.net")
        codes = [client.rcpt(f"{name.decode()}@example.test")[0] for name in RCPT]
        assert codes == [int(code) for code in WANTED]
        assert client.data(b"Subject: x\r\n\r\n" + b"y" * (300 << 10) + b"\r\n")[0] == 250  # held on disk, then queued
    assert len(os.listdir(os.path.join(home.queue, "new"))) == 1


def test_trouble_of_the_steward_is_ours(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asking, answering = errand.pair()
    monkeypatch.setattr(errand, "line", asking)
    os.close(answering)
    with pytest.raises(Temp):
        errand.ask("takes", user="full@example.test", octets="1")
    os.close(asking)


def test_there_is_no_errand_but_those_of_the_table(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errand, "line", -1)
    errand.fork(home, {}, errands.ERRANDS)
    try:
        assert errand.ask("takes", user="roomy@example.test", octets="1") == "yes"
        with pytest.raises(Temp):
            errand.ask("read", path="/etc/passwd")
        with pytest.raises(Temp):
            errand.ask("takes", user="who@example.test", octets="1")
        with pytest.raises((Perm, Temp)):
            errand.ask("dotfile", domain="../../etc", local="x")
        ours, theirs = socket.socketpair()
        errand.send({"errand": "session", "service": "mx", "id": "x", "peer": ""}, theirs.fileno())
        theirs.close()
        with ours:
            assert ours.recv(10) == b""
        hostile = [b"[]", b"[" * 15000, b"{", b"\xff", b'{"errand": ["takes"]}', b'{"errand": "takes", "user": 1}']
        hostile += [b'{"errand": "session", "service": []}', b"x" * 20000]
        end = socket.socket(fileno=errand.line)
        for octets in hostile:
            socket.send_fds(end, [octets], [errand.line])
            end.send(octets)
        end.detach()
        assert errand.ask("takes", user="full@example.test", octets="1") == "no"  # it goes on after all that
    finally:
        os.close(errand.line)


def test_without_confinement_nobody_is_asked(home: Home) -> None:
    set_control(home, "landlock", "no")
    assert not confine.possible(home)
    assert not errand.wanted(home, {}, errands.ERRANDS)


def test_programs_of_the_policy_run_within_what_smtpd_may(home: Home, tmp_path: Path) -> None:
    check = tmp_path / "elsewhere" / "check"
    check.parent.mkdir()
    check.write_text(
        "#!/bin/sh\n"
        f"cat {home.domains}/example.test/full/Maildir/cur/1.M1P1.host:2,S && exit 0\n"
        "[ $MAILKIT_RECIPIENT = roomy@example.test ] || { echo not here; exit 100; }\n"
    )
    check.chmod(0o755)
    set_control(home, "policy", "relay", "command")
    set_control(home, "policycommand", f"rcpt {check}")
    with serve(home, "smtpd", "mx") as server, smtplib.SMTP("127.0.0.1", server.ports["mx"], timeout=20) as client:
        client.ehlo("client.example")
        client.mail("x@example.net")
        assert client.rcpt("roomy@example.test")[0] == 250, server.log
        code, text = client.rcpt("alice@example.test")
        assert (code, text[:14]) == (550, b"5.7.1 not here"), server.log  # it could read no mail
        assert "Permission denied" in server.log
