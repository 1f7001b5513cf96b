"""Reports: what they say to people and to programs, to whom they go, and that they cannot go round."""

from __future__ import annotations

import email
import email.policy
import os
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.control import Home
from mailkit.deliver import bounce
from mailkit.deliver.bounce import DELAYED, DELIVERED, FAILED, Facts
from mailkit.deliver.message import Message
from mailkit.deliver.outcome import HANDED, TRACED, Outcome
from mailkit.mail import quoted
from mailkit.queue import claim, entry, inject, listing
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.inject import Spool
from tests.harness import fakeclock
from tests.harness.crash import crashes
from tests.harness.transcript import run

TEXT = b"From: alice@example.test\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= to all\nMessage-ID: <1@x>\n\nhello\n"
NO_USER = Outcome("perm", "5.1.1", "550 5.1.1 no such user", "mx.example.org")
SILENT = Outcome("temp", "4.4.1", "mx.example.org[192.0.2.1]: connection timed out")
STORED = Outcome("ok", "2.0.0", "250 2.0.0 stored", "mx.example.org")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> fakeclock.FakeClock:
    return fakeclock.install(monkeypatch)


def _home(path: Path) -> Home:
    (path / "control").mkdir(exist_ok=True)
    (path / "control" / "me").write_text("mx.example.test\n")
    home = Home(str(path))
    inject.prepare(home)
    return home


def _facts(kind: str, *results: tuple[Recipient, Outcome], **changes: Any) -> Facts:
    values: dict[str, Any] = {
        "me": "mx.example.test",
        "to": "alice@example.test",
        "sender": "alice@example.test",
        "params": {"arrived": "1799990000", "helo": "client.example", "peer": "192.0.2.7"},
        "results": results,
        "until": 1800432000,
        "q": "deadbeef",
        "now": 1800000000,
    }
    return Facts(kind, **values | changes)


def _parsed(data: bytes) -> EmailMessage:
    found = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def _parts(data: bytes) -> list[EmailMessage]:
    return [part for part in _parsed(data).iter_parts() if isinstance(part, EmailMessage)]


def _groups(part: EmailMessage) -> list[dict[str, str]]:
    """The fields of message/delivery-status."""
    content = part.get_payload()
    assert isinstance(content, list)
    return [dict(group.items()) for group in content]  # type: ignore[union-attr]


def _queue(home: Home, sender: str, *recipients: Recipient, text: bytes = TEXT, **params: str) -> None:
    spool = Spool(home)
    spool.begin(Envelope(sender, recipients, dict(params)))
    spool.write(text)
    run(spool.commit())


def _claim(home: Home) -> claim.Claim:
    (found,) = listing.entries(home, "new")
    claimed = claim.claim(home, "new", str(found))
    assert claimed is not None
    return claimed


def _send(home: Home, kind: str, *outcomes: Outcome) -> None:
    claimed = _claim(home)
    message = Message(claimed.fd, claimed.offset, claimed.name.size, claimed.head)
    results = list(zip(claimed.envelope.recipients, outcomes, strict=True))
    run(bounce.send(home, kind, claimed, message, results))
    claimed.finish()


def _queued(home: Home) -> tuple[Envelope, bytes]:
    """The one entry in the queue."""
    (found,) = listing.entries(home, "new")
    envelope, offset = entry.decode(data := Path(home.queue, "new", str(found)).read_bytes())
    return envelope, data[offset:]


def test_a_failure_as_people_read_it() -> None:
    text = bounce.prose(_facts(FAILED, (Recipient("bob@example.org"), NO_USER)), TEXT)
    assert text == (
        "This is the mail system at mx.example.test.\n\n"
        'The message "Grüße to all" of Fri, 15 Jan 2027 05:13:20 +0000 could not be\n'
        "delivered to:\n\n"
        "  <bob@example.org>\n"
        "      No such mailbox. The server mx.example.org said:\n"
        "      > 550 5.1.1 no such user\n\n"
        "Nobody else will be told. Your message, or its header, is attached.\n"
    )


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome("perm", "5.3.0", "sorry, go away"), "      > sorry, go away\n"),  # a program of the user's said so
        (Outcome("perm", "5.0.0", "550 no", "mx.example.org"), "      The server mx.example.org said:\n      > 550 no\n"),
        (Outcome("perm", "5.0.0", ""), "      Other or undefined status.\n"),
    ],
)
def test_a_status_that_says_nothing_is_not_told_to_people(outcome: Outcome, told: str) -> None:
    text = bounce.prose(_facts(FAILED, (Recipient("bob@example.org"), outcome)), TEXT)
    assert f"  <bob@example.org>\n{told}\n" in text


def test_a_failure_as_programs_read_it() -> None:
    to = Recipient("bob@example.org", params={"orcpt": "rfc822;robert+2Bx@example.net"})
    params = {"arrived": "1799990000", "helo": "client.example", "peer": "192.0.2.7", "envid": "QQ 1"}
    data = bounce.report(_facts(FAILED, (to, NO_USER), (Recipient("c@example.org"), SILENT), params=params), TEXT, True)
    report = _parsed(data)
    assert report.get_content_type() == "multipart/report"
    assert report["Content-Type"].params["report-type"] == "delivery-status"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report["Subject"] == "Undelivered mail: Grüße to all"
    assert report["To"] == "alice@example.test"
    assert report["In-Reply-To"] == "<1@x>"
    text, status, original = _parts(data)
    assert [part.get_content_type() for part in (text, status, original)] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]
    whole, first, second = _groups(status)
    assert whole == {
        "Original-Envelope-Id": "QQ 1",
        "Reporting-MTA": "dns; mx.example.test",
        "Received-From-MTA": "dns; client.example (192.0.2.7)",
        "Arrival-Date": "Fri, 15 Jan 2027 05:13:20 +0000",
    }
    assert first["Original-Recipient"] == "rfc822; robert+x@example.net"
    assert first["Final-Recipient"] == "rfc822; bob@example.org"
    assert (first["Action"], first["Status"], first["Remote-MTA"]) == ("failed", "5.1.1", "dns; mx.example.org")
    assert first["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert first["Final-Log-ID"] == "deadbeef"
    assert (second["Action"], second["Status"]) == ("failed", "4.4.1")
    assert "Diagnostic-Code" not in second and "Remote-MTA" not in second
    assert original.get_content()["Subject"] == "Grüße to all"


def test_a_delay_says_until_when() -> None:
    facts = _facts(DELAYED, (Recipient("bob@example.org"), SILENT))
    text = bounce.prose(facts, TEXT)
    words = " ".join(text.split())
    assert "has not been delivered yet" in words and "You need do nothing" in words
    assert "until Wed, 20 Jan 2027 08:00:00 +0000" in words
    assert "      > mx.example.org[192.0.2.1]: connection timed out\n" in text
    _, group = _groups(_parts(bounce.report(facts, b"Subject: x\n", False))[1])
    assert group["Action"] == "delayed"
    assert group["Will-Retry-Until"] == "Wed, 20 Jan 2027 08:00:00 +0000"


@pytest.mark.parametrize(
    ("outcome", "action", "words"),
    [
        (Outcome("ok"), "delivered", "It is in the mailbox."),
        (STORED, "delivered", "The server mx.example.org stored it."),
        (Outcome("ok", text="250 ok", remote="mx.example.org", action="relayed"), "relayed", "does not report"),
        (Outcome("ok", action="expanded"), "expanded", "sent on to the addresses"),
    ],
)
def test_a_success(outcome: Outcome, action: str, words: str) -> None:
    facts = _facts(DELIVERED, (Recipient("bob@example.org"), outcome))
    assert words in bounce.prose(facts, TEXT).replace("\n      ", " ")
    _, group = _groups(_parts(bounce.report(facts, TEXT, False))[1])
    assert group["Action"] == action


def test_giving_up_is_told_as_such() -> None:
    text = bounce.prose(_facts(FAILED, (Recipient("bob@example.org"), SILENT)), TEXT)
    assert "will not be tried again" in " ".join(text.split())


def test_where_a_user_of_ours_sent_it_from_is_not_told() -> None:
    params = {"auth": "alice@example.test", "helo": "alices-laptop"}
    facts = _facts(FAILED, (Recipient("bob@example.org"), NO_USER), params=params)
    assert b"alices-laptop" not in bounce.report(facts, TEXT, True)


def test_utf8_addresses_make_a_global_report() -> None:
    facts = _facts(FAILED, (Recipient("jörg@example.org", params={"via": "list@x.test"}), NO_USER))
    data = bounce.report(facts, "Subject: Grüße\n\nhällo\n".encode(), True)
    types = [part.get_content_type() for part in _parts(data)]
    assert types == ["text/plain", "message/global-delivery-status", "message/global"]
    assert "Final-Recipient: utf-8; jörg@example.org" in data.decode()
    assert "(through list@x.test)" in data.decode()
    headers = bounce.report(facts, "Subject: Grüße\n".encode(), False)
    assert _parts(headers)[2].get_content_type() == "message/global-headers"


def test_a_report_can_be_had_in_seven_bits() -> None:
    facts = _facts(FAILED, (Recipient("jörg@example.org"), NO_USER))
    assert quoted.seven_bit(bounce.report(facts, "Subject: Grüße\n".encode(), False)).isascii()


def test_header_without_body_when_only_the_header_goes_back() -> None:
    data = bounce.report(_facts(FAILED, (Recipient("b@x.test"), NO_USER)), b"Subject: x\nX-Odd: \xff\n", False)
    part = _parts(data)[2]
    assert part.get_content_type() == "text/rfc822-headers"
    assert part["Content-Transfer-Encoding"] == "8bit"


@given(st.text(max_size=60), st.text(max_size=60), st.binary(max_size=80))
def test_whatever_they_say_a_report_has_three_parts(subject: str, said: str, body: bytes) -> None:
    outcome = Outcome("perm", "5.0.0", said, "mx.example.org")
    content = b"Subject: " + subject.encode("utf-8", "replace").replace(b"\n", b" ") + b"\n\n" + body
    data = bounce.report(_facts(FAILED, (Recipient("b@x.test"), outcome)), content, True)
    assert [part.get_content_type() for part in _parts(data)] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]
    head = data.partition(b"\n\n")[0]
    assert head.isascii() and max(map(len, head.split(b"\n"))) <= 998
    assert len(_groups(_parts(data)[1])) == 2


def test_a_wordy_server_makes_no_line_that_mail_cannot_have() -> None:
    outcome = Outcome("perm", "5.0.0", "550 " + "ä" * 5000 + " end", "mx.example.org")
    data = bounce.report(_facts(FAILED, (Recipient("b@x.test"), outcome)), TEXT, True)
    assert max(map(len, data.split(b"\n"))) <= 998


# Sending


def test_the_report_goes_to_the_sender(tmp_path: Path, lines: list[str]) -> None:
    home = _home(tmp_path)
    _queue(home, "alice@example.test", Recipient("bob@example.org"))
    _send(home, FAILED, NO_USER)
    envelope, data = _queued(home)
    assert envelope.sender == ""
    assert [recipient.address for recipient in envelope.recipients] == ["alice@example.test"]
    assert bounce.DOUBLE not in envelope.params
    assert _parts(data)[2].get_content().get_content() == "hello\n"
    assert any(line.startswith("report ") and "kind=failed" in line for line in lines)


def test_nothing_is_sent_when_the_next_server_reports(tmp_path: Path) -> None:
    home = _home(tmp_path)
    _queue(home, "alice@example.test", Recipient("bob@example.org", params={"notify": "SUCCESS"}))
    _send(home, DELIVERED, Outcome("ok", text="250 ok", remote="mx.example.org", action=HANDED))
    assert list(listing.entries(home, "new")) == []


@pytest.mark.parametrize("kind", [DELAYED, DELIVERED])
def test_nobody_hears_of_the_null_senders_delays_and_successes(tmp_path: Path, kind: str) -> None:
    home = _home(tmp_path)
    _queue(home, "", Recipient("bob@example.org"))
    _send(home, kind, SILENT)
    assert list(listing.entries(home, "new")) == []


@pytest.mark.parametrize("postmaster", ["", "admin@example.test"])
def test_a_failed_report_goes_to_the_postmaster_once(tmp_path: Path, postmaster: str, lines: list[str]) -> None:
    home = _home(tmp_path)
    if postmaster:
        (tmp_path / "control" / "postmaster").write_text(postmaster + "\n")
    _queue(home, "", Recipient("bob@example.org"))
    _send(home, FAILED, NO_USER)
    envelope, data = _queued(home)
    assert envelope.recipients[0].address == (postmaster or "postmaster@mx.example.test")
    assert envelope.params[bounce.DOUBLE] == "yes"
    assert "you look after this system" in " ".join(_parts(data)[0].get_content().split())
    lines.clear()
    _send(home, FAILED, NO_USER)
    assert list(listing.entries(home, "new")) == []
    (line,) = [line for line in lines if line.startswith("report ")]
    assert "no such user" in line and "about=" in line


def test_how_much_goes_back(tmp_path: Path) -> None:
    home = _home(tmp_path)
    (tmp_path / "control" / "bouncesize").write_text("200\n")
    cases: list[tuple[str, bytes, dict[str, str], str]] = [
        (FAILED, TEXT, {}, "message/rfc822"),
        (FAILED, TEXT, {"ret": "FULL"}, "message/rfc822"),
        (FAILED, TEXT, {"ret": "HDRS"}, "text/rfc822-headers"),
        (FAILED, TEXT, {"requiretls": "yes"}, "text/rfc822-headers"),
        (FAILED, TEXT + b"x" * 200, {}, "text/rfc822-headers"),
        (DELAYED, TEXT, {"ret": "FULL"}, "text/rfc822-headers"),
    ]
    for kind, text, params, wanted in cases:
        _queue(home, "alice@example.test", Recipient("bob@example.org"), text=text, **params)
        _send(home, kind, NO_USER)
        _, data = _queued(home)
        assert _parts(data)[2].get_content_type() == wanted
        for found in list(listing.entries(home, "new")):
            os.unlink(os.path.join(home.queue, "new", str(found)))


def test_a_report_is_carried_as_its_message_was(tmp_path: Path) -> None:
    """RFC 8689 5, RFC 6710 4.6."""
    home = _home(tmp_path)
    params = {"requiretls": "yes", "priority": "-3", "ret": "HDRS", "envid": "x", "auth": "alice@example.test"}
    _queue(home, "alice@example.test", Recipient("bob@example.org"), **params)
    _send(home, FAILED, NO_USER)
    envelope, _ = _queued(home)
    assert {key: value for key, value in envelope.params.items() if key != "arrived"} == {
        "requiretls": "yes",
        "priority": "-3",
    }


def test_deadline_and_release_as_programs_read_them() -> None:
    """RFC 2852 5, RFC 4865 5.1.2: and it came when it came, though it was released later."""
    params = {"arrived": "1799993600", "came": "1799990000", "hold": "for;3600", "by": "1799997200;R"}
    facts = _facts(FAILED, (Recipient("bob@example.org"), NO_USER), params=params)
    message, _ = _groups(_parts(bounce.report(facts, TEXT, True))[1])
    assert message["Arrival-Date"] == "Fri, 15 Jan 2027 05:13:20 +0000"
    assert message["Deliver-By-Date"] == "Fri, 15 Jan 2027 07:13:20 +0000"
    assert message["Future-Release-Request"] == "for;3600"


def test_a_trace_is_told_as_relayed() -> None:
    """RFC 2852 4.1.4."""
    taken = Outcome("ok", "2.0.0", "250 2.0.0 queued", "mx.example.org", TRACED)
    text, status, _ = _parts(bounce.report(_facts(DELIVERED, (Recipient("bob@example.org"), taken)), TEXT, True))
    assert _groups(status)[1]["Action"] == "relayed"
    assert "mx.example.org took it" in text.get_content()


def test_an_endless_header_is_cut_at_a_line(tmp_path: Path) -> None:
    home = _home(tmp_path)
    (tmp_path / "control" / "bouncesize").write_text("0\n")
    _queue(home, "alice@example.test", Recipient("bob@example.org"), text=b"X-Line: some text\n" * 10_000 + b"\nx\n")
    _send(home, FAILED, NO_USER)
    _, data = _queued(home)
    assert 60_000 < len(data) < 70_000
    assert data.count(b"X-Line: some text\n") == data.count(b"X-Line")


def test_a_report_to_a_utf8_address_asks_for_smtputf8(tmp_path: Path) -> None:
    home = _home(tmp_path)
    _queue(home, "jürgen@example.test", Recipient("bob@example.org"), smtputf8="yes")
    _send(home, FAILED, NO_USER)
    envelope, _ = _queued(home)
    assert envelope.params["smtputf8"] == "yes"


def test_a_crash_leaves_the_report_whole_or_not_at_all(tmp_path: Path) -> None:
    def prepare(path: Path) -> None:
        _queue(_home(path), "alice@example.test", Recipient("bob@example.org"))

    def scenario(path: Path) -> None:
        home = _home(path)
        claimed = _claim(home)
        message = Message(claimed.fd, claimed.offset, claimed.name.size, claimed.head)
        try:
            run(bounce.send(home, FAILED, claimed, message, [(claimed.envelope.recipients[0], NO_USER)]))
        finally:
            claimed.release()

    for crash in crashes(tmp_path, scenario, prepare):
        home = Home(str(crash.directory))
        reports = 0
        for found in listing.entries(home, "new"):
            envelope, offset = entry.decode(data := Path(home.queue, "new", str(found)).read_bytes())
            if not envelope.sender:
                reports += 1
                assert len(_parts(data[offset:])) == 3
        assert reports == 1 if crash.done else reports in (0, 1)
