"""The checks, each alone: relay, helo, fcrdns, rate, command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailkit import clock, files, log
from mailkit.exits import Perm, Temp
from mailkit.policy import command, fcrdns, helo, rate, relay
from mailkit.policy.facts import Facts
from mailkit.policy.message import Held
from mailkit.queue import entry
from tests.harness import fakeclock, zones
from tests.harness.homes import make_home, set_control
from tests.harness.transcript import FakeConn, run


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    facts = Facts(make_home(tmp_path), "mx", FakeConn().offload)
    facts.peer = "192.0.2.1"
    facts.deadline = clock.monotonic() + 60
    return facts


@pytest.mark.parametrize(
    ("service", "account", "trusted", "remote", "status"),
    [
        ("mx", "", False, False, ""),
        ("mx", "", False, True, "5.7.1"),
        ("mx", "", True, True, ""),
        ("submission", "alice@example.test", False, True, ""),
        ("lmtp", "", True, True, "5.1.2"),
    ],
)
def test_relay(service: str, account: str, trusted: bool, remote: bool, status: str, facts: Facts) -> None:
    facts.service, facts.account, facts.trusted, facts.remote = service, account, trusted, remote
    found = run(relay.rcpt(facts))
    assert (found.status if found else "") == status


@pytest.mark.parametrize("service", ["mx", "lmtp"])
def test_a_lost_list_of_domains_sends_no_mail_back(service: str, facts: Facts) -> None:
    facts.service, facts.remote = service, True
    os.unlink(facts.home.join("control", "domains"))
    found = run(relay.rcpt(facts))
    assert (found.kind, found.status, found.detail) == ("defer", "4.3.5", "control/domains is empty or missing")


@pytest.mark.parametrize(
    ("recipient", "taken"),
    [
        ("x@backup.example", True), ("X@BackUp.Example", True), ("x@sub.backup.example", False),
        ("x@a.below.example", True), ("x@a.b.below.example", True), ("x@below.example", False), ("x@notbelow.example", False),
        ("bob@people.example", True), ("BOB@people.example", True), ("eve@people.example", False),
        ("x@b\u00fccher.example", True), ("x@[192.0.2.1]", False), ("x@-", False),
    ],
)  # fmt: skip
def test_domains_whose_mail_is_sent_on(recipient: str, taken: bool, facts: Facts) -> None:
    set_control(facts.home, "relayto", "backup.example", ".below.example", "bob@people.example", "xn--bcher-kva.example")
    facts.service, facts.remote, facts.recipient = "mx", True, recipient
    found = run(relay.rcpt(facts))
    assert (found.status if found else "") == ("" if taken else "5.7.1")
    facts.service = "lmtp"
    found = run(relay.rcpt(facts))
    assert found is not None and found.status == "5.1.2"


def test_a_slip_in_the_list_sends_no_mail_back(facts: Facts) -> None:
    set_control(facts.home, "relayto", "exa mple", "backup.example")
    facts.service, facts.remote, facts.recipient = "mx", True, "x@backup.example"
    assert run(relay.rcpt(facts)) is None
    facts.recipient = "x@other.example"
    found = run(relay.rcpt(facts))
    assert (found.kind, found.status) == ("defer", "4.3.5") and "control/relayto: " in found.detail


def test_submission_needs_a_login(facts: Facts) -> None:
    facts.service = "submissions"
    assert run(relay.mail(facts)).code == 530
    facts.account = "alice@example.test"
    assert run(relay.mail(facts)) is None


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("mx.example.net", ""),
        ("mx_1.example.net", ""),
        ("[192.0.2.1]", ""),
        ("[192.0.2.2]", "reject"),
        ("[IPv6:2001:db8::1]", "reject"),
        ("192.0.2.1", "reject"),
        ("mail.example.test", "reject"),
        ("EXAMPLE.TEST.", "reject"),
        ("semi;colon.example", "reject"),
        ("desktop", "header"),
    ],
)
def test_helo(name: str, verdict: str, facts: Facts) -> None:
    facts.helo = name
    found = run(helo.helo(facts))
    assert (found.kind if found else "") == verdict


@pytest.mark.parametrize("change", [{"peer": "127.0.0.1"}, {"account": "a@b"}, {"trusted": True}, {"service": "lmtp"}])
def test_helo_of_people_we_know_is_not_judged(change: dict[str, object], facts: Facts) -> None:
    facts.helo = "mail.example.test"
    for name, value in change.items():
        setattr(facts, name, value)
    assert run(helo.helo(facts)) is None


WORLD = {
    "1.2.0.192.in-addr.arpa": {"PTR": ["other.example.net", "mx.example.net"]},
    "mx.example.net": {"A": ["192.0.2.9", "192.0.2.1"]},
    "other.example.net": {"A": ["192.0.2.77"]},
    "2.2.0.192.in-addr.arpa": {"PTR": ["liar.example.net"]},
    "liar.example.net": {"A": ["192.0.2.77"]},
    "3.2.0.192.in-addr.arpa": "timeout",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": {"PTR": ["six.example.net"]},
    "six.example.net": {"AAAA": ["2001:db8::1"]},
}


@pytest.mark.parametrize(
    ("peer", "name", "kind"),
    [
        ("192.0.2.1", "mx.example.net", ""),
        ("192.0.2.2", "", "reject"),
        ("192.0.2.4", "", "reject"),
        ("192.0.2.3", "", "defer"),
        ("2001:db8::1", "six.example.net", ""),
        ("127.0.0.1", "", ""),
    ],
)
def test_fcrdns(peer: str, name: str, kind: str, facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fcrdns._resolvers, facts.home.path, zones.resolver(WORLD))
    facts.peer = peer
    found = run(fcrdns.connect(facts))
    assert (facts.peer_name, found.kind if found else "") == (name, kind)


def send(facts: Facts, recipients: int = 1) -> str:
    """One message past the check; the status of a refusal, "" when it was counted."""
    facts.forget_message()
    found = run(rate.mail(facts))
    if found is not None:
        return f"mail {found.text}"
    for i in range(recipients):
        found = run(rate.rcpt(facts))
        if found is not None:
            return f"rcpt {found.text}"
        facts.recipients.append(f"r{i}@example.net")
    run(rate.accepted(facts))
    return ""


def test_rate_of_an_account(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fakeclock.install(monkeypatch, 1_800_000_000 // 86400 * 86400)
    set_control(facts.home, "rate", "account hour 2", "account day 3", "account recipients 6")
    facts.account = "alice@example.test"
    assert [send(facts), send(facts), send(facts)] == ["", "", "mail too many messages this hour"]
    fake.advance(3600)
    assert send(facts, 5) == "rcpt too many recipients today"
    assert [send(facts, 4), send(facts)] == ["", "mail too many messages today"]
    fake.advance(86400)
    assert send(facts) == ""
    facts.account = "bob@example.test"
    assert send(facts) == ""


def told(facts: Facts) -> list[tuple[list[str], bytes]]:
    """Recipients and text of what waits in the queue."""
    found = []
    for name in sorted(Path(facts.home.queue, "new").iterdir()):
        envelope, offset = entry.decode(data := name.read_bytes())
        found.append(([one.address for one in envelope.recipients], data[offset:]))
    return found


def test_an_account_at_its_limit_is_told_to_people_once_a_day(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fakeclock.install(monkeypatch, 1_800_000_000 // 86400 * 86400)
    set_control(facts.home, "rate", "account hour 1", "account day 3", "address hour 1")
    set_control(facts.home, "postmaster", "root@example.test")
    facts.account = "alice@example.test"
    facts.notes = []
    assert [send(facts), send(facts)] == ["", "mail too many messages this hour"]
    assert told(facts) == []  # nobody is told what --explain finds out
    facts.notes = None
    for _ in range(3):
        assert send(facts) == "mail too many messages this hour"
    ((readers, text),) = told(facts)
    assert readers == ["root@example.test", "alice@example.test"]
    assert b"Subject: alice@example.test sends more than it may\n" in text and b"too many messages this hour (1)" in text
    assert b"comes from 192.0.2.1." in text
    fake.advance(86400)
    facts.account = ""
    assert [send(facts), send(facts)] == ["", "mail too many messages this hour"]
    assert len(told(facts)) == 1  # of strangers nobody wants to hear
    facts.account = "alice@example.test"
    assert [send(facts), send(facts)] == ["", "mail too many messages this hour"]
    assert len(told(facts)) == 2


@pytest.mark.parametrize("broken", ["rate", "queue"])
def test_a_limit_that_cannot_be_told_holds_all_the_same(broken: str, facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(log, "sink", lines.append)
    set_control(facts.home, "rate", "account hour 1")
    facts.account = "alice@example.test"
    assert send(facts) == ""
    if broken == "queue":
        os.rename(facts.home.queue, facts.home.queue + ".gone")
    else:
        monkeypatch.setattr(files, "create", refusing)
    assert send(facts) == "mail too many messages this hour"
    assert [line for line in lines if line.startswith("report ") and "kind=limit" in line and "error=" in line]


def refusing(path: str, mode: int = 0o600) -> int:
    raise OSError(28, "No space left on device", path)


def test_rate_of_an_address(facts: Facts) -> None:
    set_control(facts.home, "rate", "address hour 1")
    assert [send(facts), send(facts)] == ["", "mail too many messages this hour"]
    facts.peer = "127.0.0.1"
    assert [send(facts), send(facts)] == ["", ""]
    facts.peer, facts.trusted = "192.0.2.1", True
    assert [send(facts), send(facts)] == ["", ""]


def test_rate_counts_what_one_customer_has_together(facts: Facts) -> None:
    set_control(facts.home, "rate", "address hour 1")
    facts.peer = "2001:db8:1:2::3"
    assert send(facts) == ""
    facts.peer = "2001:db8:1:2:ffff::4"
    assert send(facts) == "mail too many messages this hour"
    facts.peer = "2001:db8:1:3::3"
    assert send(facts) == ""


def test_rate_keeps_no_file_for_everybody_who_ever_came(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept() -> list[str]:
        return sorted(os.listdir(os.path.join(facts.home.run, "rate")))

    set_control(facts.home, "rate", "address hour 1")
    for host in range(1, 6):
        facts.peer = f"192.0.2.{host}"
        assert send(facts) == ""
        os.utime(os.path.join(facts.home.run, "rate", f"address-{facts.peer}"), (1000 * host,) * 2)
    monkeypatch.setattr(clock, "random", lambda: 0.0)
    monkeypatch.setattr(rate, "_MOST", 3)
    monkeypatch.setattr(clock, "now", lambda: 6000.0)
    facts.peer = "192.0.2.6"
    assert send(facts) == ""
    assert kept() == ["address-192.0.2.4", "address-192.0.2.5", "address-192.0.2.6"]
    os.utime(os.path.join(facts.home.run, "rate", "address-192.0.2.6"), (6000, 6000))
    monkeypatch.setattr(clock, "now", lambda: 5500.0 + 86400)
    facts.peer = "192.0.2.7"
    assert send(facts) == ""
    assert kept() == ["address-192.0.2.6", "address-192.0.2.7"]


def test_rate_file_that_says_nothing_counts_as_none(facts: Facts) -> None:
    set_control(facts.home, "rate", "address hour 1")
    path = os.path.join(facts.home.run, "rate", "address-192.0.2.1")
    os.makedirs(os.path.dirname(path))
    for damage in (b"", b"hour x y\n", b"\0\xff" * 90, b"hour 1\nday 2 3\n"):
        Path(path).write_bytes(damage)
        assert send(facts) == ""
        assert rate.read(path).hour == 1


def test_rate_names_a_bad_line(facts: Facts) -> None:
    set_control(facts.home, "rate", "everybody hour 1")
    with pytest.raises(Perm, match="everybody"):
        run(rate.mail(facts))


def script(facts: Facts, text: str, moment: str = "rcpt") -> None:
    path = Path(facts.home.path, "check")
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    set_control(facts.home, "policycommand", f"{moment} {path} word")


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("exit 0", "", ""),
        ("echo blah; exit 0", "", ""),
        ("echo 'X-Scan: clean'", "header", "X-Scan: clean"),
        ("echo not you; exit 100", "reject", "not you"),
        ("exit 100", "reject", "refused by a check of ours"),
        ("echo busy; echo more; exit 111", "defer", "busy"),
        ("exit 99", "junk", "a check of ours says so"),
        ('echo "$MAILKIT_MOMENT $MAILKIT_PEER $MAILKIT_RECIPIENT $1"; exit 100', "reject", "rcpt 192.0.2.1 b@c word"),
    ],
)
def test_command(text: str, kind: str, said: str, facts: Facts) -> None:
    facts.recipient = "b@c"
    script(facts, text)
    found = run(command.rcpt(facts))
    assert (found.kind if found else "") == kind
    assert found is None or (found.text or found.field) == said
    assert run(command.mail(facts)) is None


def test_command_reads_the_message(facts: Facts) -> None:
    message = Held(facts.home)
    message.write(b"Subject: x\n\nhello\n")
    facts.message = message
    script(facts, "grep -q hello && { echo greets; exit 100; }", "data")
    assert run(command.data(facts)).text == "greets"


@pytest.mark.parametrize("text", ["exit 3", "kill -9 $$"])
def test_command_that_fails_is_trouble_of_ours(text: str, facts: Facts) -> None:
    script(facts, text)
    with pytest.raises(Temp):
        run(command.rcpt(facts))


def test_command_that_is_missing_or_slow_is_trouble_of_ours(facts: Facts) -> None:
    set_control(facts.home, "policycommand", "rcpt /nonexistent/check")
    with pytest.raises(Temp):
        run(command.rcpt(facts))
    script(facts, "exec cat /dev/zero > /dev/null")
    facts.deadline = 0.0
    with pytest.raises(Temp, match="too long"):
        run(command.rcpt(facts))


def test_command_that_says_much_is_heard_to_its_end_and_kept_in_a_few_octets(facts: Facts) -> None:
    script(facts, "head -c 5000000 /dev/zero | tr '\\0' x; exit 100")
    found = run(command.rcpt(facts))
    assert (found.kind, found.text) == ("reject", "x" * 300)
    script(facts, "exec yes")
    facts.deadline = clock.monotonic() + 0.3
    with pytest.raises(Temp, match="too long"):
        run(command.rcpt(facts))


def test_command_is_asked_however_many_recipients_there_are(facts: Facts) -> None:
    facts.recipients += [f"{'r' * 60}{i}@example.test" for i in range(5000)]
    script(facts, 'set -- $MAILKIT_RECIPIENTS; eval last=\\${$#}; echo "$# $last"; exit 100', "data")
    count, last = run(command.data(facts)).text.split()
    assert 500 < int(count) < 5000 and last == facts.recipients[int(count) - 1]
