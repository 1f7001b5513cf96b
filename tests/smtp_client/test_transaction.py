"""One message to one server: what is sent, and what each recipient gets told, with servers good and bad."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.smtp.client import body, hello, transaction
from mailkit.smtp.client.body import Body
from mailkit.smtp.client.dialogue import Dialogue, Limits
from mailkit.smtp.client.transaction import Mail, Result, To
from tests.harness import fakeclock
from tests.harness.fakeclock import FakeClock
from tests.harness.transcript import FakeTls, run
from tests.smtp_client.server import CLOSE, DEAF, DRIP, ENDLESS, SILENCE, Server

TEXT = b"Subject: hi\n\n.dot\nlast\n"
WIRE = b"Subject: hi\r\n\r\n.dot\r\nlast\r\n"
ALL = ["PIPELINING", "SIZE 100000", "8BITMIME", "DSN", "CHUNKING", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
PLAIN = ["SIZE 100000", "8BITMIME"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    return fakeclock.install(monkeypatch)


@pytest.fixture
def message(tmp_path: Path) -> Iterator[Any]:
    """A function that makes a Body of octets."""
    fds: list[int] = []

    def make(data: bytes = TEXT) -> Body:
        path = tmp_path / f"message{len(fds)}"
        path.write_bytes(data)
        fds.append(os.open(path, os.O_RDONLY))
        return Body(fds[-1])

    yield make
    for fd in fds:
        os.close(fd)


def _talk(server: Server, **options: Any) -> Dialogue:
    talk = Dialogue(server, Limits(), lmtp=server.lmtp, **options)
    run(hello.greet(talk, "me"))
    return talk


def _send(server: Server, mail: Mail, *recipients: str) -> list[Result]:
    found = run(transaction.send(_talk(server), mail, [To(address) for address in recipients]))
    assert len(found) == len(recipients)
    return list(found)


def _codes(results: list[Result]) -> list[int]:
    return [result.reply.code for result in results]


@pytest.mark.parametrize("offers", [PLAIN, ["PIPELINING", *PLAIN], ["CHUNKING", *PLAIN], ALL])
@pytest.mark.parametrize("cut", [0, 1])
def test_delivered(offers: list[str], cut: int, message: Any) -> None:
    server = Server(offers, cut=cut)
    results = _send(server, Mail("a@example.test", message()), "b@example.net", "c@example.net")
    assert _codes(results) == [250, 250]
    assert all(result.heard and result.reply.text == "queued as 4711" for result in results)
    assert server.messages == [WIRE]
    assert server.envelopes == [
        [f"MAIL FROM:<a@example.test> SIZE={len(WIRE)}", "RCPT TO:<b@example.net>", "RCPT TO:<c@example.net>"]
    ]


def test_pipelined_envelope_is_one_flight(message: Any) -> None:
    flights = []
    server = Server()
    flush = server.flush

    async def counted() -> None:
        if server._queued:
            flights.append(b"".join(server._queued).count(b"\r\n"))
        await flush()

    talk = _talk(server)
    server.flush = counted  # type: ignore[method-assign]
    run(transaction.send(talk, Mail("a@example.test", message()), [To("b@example.net"), To("c@example.net")]))
    assert flights == [4, 5]


@pytest.mark.parametrize("offers", [PLAIN, ["PIPELINING", *PLAIN], ["CHUNKING", *PLAIN], ALL])
def test_some_refused(offers: list[str], message: Any) -> None:
    server = Server(offers, say={"RCPT": ["250 ok", "550 5.1.1 no such user", "451 4.7.1 greylisted"]})
    results = _send(server, Mail("a@example.test", message()), "b@x.test", "c@x.test", "d@x.test")
    assert _codes(results) == [250, 550, 451]
    assert [result.stage for result in results] == ["end of message", "RCPT", "RCPT"]
    assert results[1].reply.status == "5.1.1"
    assert len(server.messages) == 1


@pytest.mark.parametrize("offers", [PLAIN, ["PIPELINING", *PLAIN], ["CHUNKING", *PLAIN], ALL])
def test_all_refused_sends_no_message(offers: list[str], message: Any) -> None:
    server = Server(offers, say={"RCPT": "550 5.1.1 no such user"})
    talk = _talk(server)
    mail = Mail("a@example.test", message())
    results = run(transaction.send(talk, mail, [To("b@x.test"), To("c@x.test")]))
    assert _codes(results) == [550, 550]
    assert server.messages in ([], [b""])  # a pipelined DATA that was answered 354 gets an empty message
    server.say = {}
    assert _codes(run(transaction.send(talk, mail, [To("b@x.test")]))) == [250]
    assert "RSET" in server.commands
    assert server.messages[-1] == WIRE


@pytest.mark.parametrize("offers", [PLAIN, ["PIPELINING", *PLAIN], ALL])
def test_sender_refused(offers: list[str], message: Any) -> None:
    server = Server(offers, say={"MAIL": "550 5.7.1 not you", "RCPT": "503 5.5.1 MAIL first", "DATA": "503 5.5.1 no"})
    results = _send(server, Mail("a@example.test", message()), "b@x.test", "c@x.test")
    assert [(result.stage, result.reply.text) for result in results] == [("MAIL", "not you")] * 2
    assert server.messages == []


@pytest.mark.parametrize("moment", ["DATA", "end"])
@pytest.mark.parametrize("reply", ["451 4.3.0 try later", "554 5.6.0 spam"])
@pytest.mark.parametrize("offers", [PLAIN, ["PIPELINING", *PLAIN]])
def test_message_refused(moment: str, reply: str, offers: list[str], message: Any) -> None:
    server = Server(offers, say={moment: reply})
    results = _send(server, Mail("a@example.test", message()), "b@x.test", "c@x.test")
    assert _codes(results) == [int(reply[:3])] * 2
    assert all(result.heard for result in results)


@pytest.mark.parametrize("reply", ["250 fine", "220 what", "334 more"])
def test_a_wrong_yes_to_data_is_no_delivery(reply: str, message: Any) -> None:
    for offers in (PLAIN, ["PIPELINING", *PLAIN]):
        (result,) = _send(Server(offers, say={"DATA": reply}), Mail("a@x.test", message()), "b@x.test")
        assert not result.heard and result.reply.temporary


def test_chunk_refused_ends_the_message(message: Any) -> None:
    large = b"Subject: x\n\n" + b"line of some length\n" * 40_000
    server = Server(ALL[:1] + ["CHUNKING"], say={"chunk": ["250 ok", "552 5.3.4 too big"]})
    (result,) = _send(server, Mail("a@x.test", message(large)), "b@x.test")
    assert result.reply.code == 552
    assert server.messages == []
    assert [line for line in server.commands if line.startswith("BDAT")][-1].endswith("LAST") is False


@pytest.mark.parametrize("offers", [["PIPELINING"], ["CHUNKING"]])
def test_large_message_arrives_whole(offers: list[str], message: Any) -> None:
    large = b"Subject: x\n\n" + b".line of some length\n" * 60_000
    server = Server(offers)
    assert _codes(_send(server, Mail("a@x.test", message(large)), "b@x.test")) == [250]
    assert server.messages == [large.replace(b"\n", b"\r\n")]


def test_empty_message(message: Any) -> None:
    for offers in (["PIPELINING"], ["CHUNKING"]):
        server = Server(offers)
        assert _codes(_send(server, Mail("", message(b"")), "b@x.test")) == [250]
        assert server.messages[0].strip() == b""


MOMENTS = ["MAIL", "RCPT", "DATA", "end"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("mood", [CLOSE, SILENCE, DRIP, ENDLESS, DEAF])
@pytest.mark.parametrize("offers", [PLAIN, ["PIPELINING", *PLAIN], ["CHUNKING", *PLAIN], ALL])
@pytest.mark.parametrize("cut", [0, 2])
def test_misbehaviour_is_temporary_and_ends_in_time(
    moment: str, mood: str, offers: list[str], cut: int, message: Any, clock: FakeClock
) -> None:
    if moment == "DATA" and "CHUNKING" in offers:
        moment = "end"
    server = Server(offers, say={moment: mood}, clock=clock, cut=cut)
    start = clock.time
    results = _send(server, Mail("a@x.test", message()), "b@x.test", "c@x.test")
    assert clock.time - start <= 1202
    for result in results:
        assert result.reply.temporary and not result.heard
        assert result.reply.text


@pytest.mark.parametrize("mood", [CLOSE, SILENCE])
def test_what_was_said_before_the_end_counts(mood: str, message: Any, clock: FakeClock) -> None:
    server = Server(say={"RCPT": ["550 5.1.1 no such user", "250 ok"], "end": mood}, clock=clock)
    refused, lost = _send(server, Mail("a@x.test", message()), "b@x.test", "c@x.test")
    assert refused.reply.code == 550 and refused.heard
    assert lost.reply.temporary and not lost.heard
    assert lost.stage == "end of message"


def test_drip_fed_replies_that_do_end_are_bounded_in_all(message: Any, clock: FakeClock) -> None:
    """Each reply comes just in time; the transaction as a whole does not."""
    server = Server(PLAIN, clock=clock)
    more = server.more

    async def slowly(wake: bool = False) -> bytes | None:
        clock.advance(290)
        return await more(wake)

    talk = _talk(server)
    server.more = slowly  # type: ignore[method-assign]
    recipients = [To(f"u{number}@x.test") for number in range(50)]
    results = run(transaction.send(talk, Mail("a@x.test", message()), recipients))
    assert not any(result.reply.ok for result in results)
    assert len(server.commands) < 20


def test_421_in_the_middle(message: Any) -> None:
    server = Server(say={"RCPT": ["250 ok", "421 4.3.2 shutting down", CLOSE]})
    results = _send(server, Mail("a@x.test", message()), "b@x.test", "c@x.test", "d@x.test")
    assert [result.reply.temporary for result in results] == [True] * 3
    assert all("shutting down" in result.reply.text for result in results)


def test_too_many_recipients_is_temporary_even_as_552(message: Any) -> None:
    server = Server(say={"RCPT": ["250 ok", "552 too many recipients"]})
    results = _send(server, Mail("a@x.test", message()), "b@x.test", "c@x.test")
    assert _codes(results) == [250, 452]


def test_lmtp_answers_for_each_accepted_recipient(message: Any) -> None:
    say = {"RCPT": ["250 ok", "550 5.1.1 no", "250 ok"], "end": ["250 2.0.0 stored", "452 4.2.2 over quota"]}
    for offers in (["PIPELINING"], [], ["CHUNKING"]):
        server = Server(offers, say=say, lmtp=True)
        results = _send(server, Mail("a@x.test", message()), "b@x.test", "c@x.test", "d@x.test")
        assert _codes(results) == [250, 550, 452]


def test_lmtp_that_breaks_between_its_answers(message: Any) -> None:
    server = Server(say={"end": ["250 2.0.0 stored", CLOSE]}, lmtp=True)
    first, second = _send(server, Mail("a@x.test", message()), "b@x.test", "c@x.test")
    assert first.reply.ok
    assert second.reply.temporary and not second.heard


def test_size_is_checked_before_anything_is_sent(message: Any) -> None:
    server = Server(["SIZE 10"])
    (result,) = _send(server, Mail("a@x.test", message()), "b@x.test")
    assert (result.reply.code, result.reply.status, result.heard) == (552, "5.3.4", False)
    assert server.commands == ["EHLO me"]


def test_eight_bit_is_declared(message: Any) -> None:
    server = Server(["8BITMIME"])
    _send(server, Mail("a@x.test", message(b"Subject: x\n\ngr\xc3\xbc\xc3\x9fe\n")), "b@x.test")
    assert server.envelopes[0][0] == "MAIL FROM:<a@x.test> BODY=8BITMIME"


def test_dsn_parameters_go_where_they_are_known(message: Any) -> None:
    mail = Mail("a@x.test", message(), {"ret": "HDRS", "envid": "QQ+1", "with": "ESMTP"})
    to = [To("b@x.test", {"notify": "SUCCESS,FAILURE", "orcpt": "rfc822;b+2B@x.test", "via": "z"})]
    server = Server(["DSN"])
    (result,) = run(transaction.send(_talk(server), mail, to))
    assert server.envelopes == [
        [
            "MAIL FROM:<a@x.test> RET=HDRS ENVID=QQ+2B1",
            "RCPT TO:<b@x.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2B@x.test",
        ]
    ]
    assert result.dsn
    server = Server([])
    (result,) = run(transaction.send(_talk(server), mail, to))
    assert server.envelopes == [["MAIL FROM:<a@x.test>", "RCPT TO:<b@x.test>"]]
    assert not result.dsn


def test_orcpt_in_utf8_is_written_as_the_server_can_read_it(message: Any) -> None:
    to = [To("b@x.test", {"orcpt": "utf-8;j\\x{F6}rg@x.test"})]
    for offers, wanted in ((["DSN", "SMTPUTF8"], "utf-8;jörg@x.test"), (["DSN"], "utf-8;j\\x{F6}rg@x.test")):
        server = Server(offers)
        run(transaction.send(_talk(server), Mail("a@x.test", message()), to))
        assert server.envelopes[0][1] == f"RCPT TO:<b@x.test> ORCPT={wanted}"


def test_deadline_and_priority_are_passed_on_or_the_promise_is_not_made(message: Any, clock: FakeClock) -> None:
    mail = Mail("a@x.test", message(), {"by": f"{int(clock.time) + 90};R", "priority": "3"})
    server = Server(["DELIVERBY", "MT-PRIORITY MIXER"], clock=clock)
    _send(server, mail, "b@x.test")
    assert server.envelopes[0][0] == "MAIL FROM:<a@x.test> BY=90;R MT-PRIORITY=3"
    (result,) = _send(Server([], clock=clock), mail, "b@x.test")
    assert result.reply.status == "5.3.3"
    mail.params["by"] = f"{int(clock.time) + 90};N"
    (result,) = _send(Server([], clock=clock), mail, "b@x.test")
    assert result.reply.ok


@pytest.mark.parametrize(("offer", "ok"), [("DELIVERBY", True), ("DELIVERBY 60", True), ("DELIVERBY 120", False)])
def test_a_deadline_that_the_server_finds_too_short_is_not_passed_on(
    offer: str, ok: bool, message: Any, clock: FakeClock
) -> None:
    """RFC 2852 4.1.4.1."""
    mail = Mail("a@x.test", message(), {"by": f"{int(clock.time) + 90};R"})
    server = Server([offer], clock=clock)
    (result,) = _send(server, mail, "b@x.test")
    assert (result.reply.ok, bool(server.envelopes)) == (ok, ok)


@pytest.mark.parametrize(
    ("mode", "left", "offers", "traced"),
    [
        ("N", 90, ["DSN"], True),
        ("N", 90, ["DSN", "DELIVERBY"], False),
        ("N", -90, ["DSN"], False),
        ("NT", 90, ["DSN", "DELIVERBY"], True),
        ("RT", 90, ["DSN", "DELIVERBY"], True),
        ("R", 90, ["DSN", "DELIVERBY"], False),
    ],
)
def test_the_sender_hears_who_took_a_message_with_a_deadline(
    mode: str, left: int, offers: list[str], traced: bool, message: Any, clock: FakeClock
) -> None:
    """RFC 2852 4.1.4, 4.1.4.2."""
    mail = Mail("a@x.test", message(), {"by": f"{int(clock.time) + left};{mode}"})
    (result,) = _send(Server(offers, clock=clock), mail, "b@x.test")
    assert result.traced is traced


@pytest.mark.parametrize(
    ("asked", "said"),
    [("", "FAILURE,DELAY"), ("SUCCESS", "SUCCESS,DELAY"), ("DELAY,FAILURE", "DELAY,FAILURE"), ("NEVER", "NEVER")],
)
def test_a_server_that_does_not_know_when_it_is_late_tells_of_delays(
    asked: str, said: str, message: Any, clock: FakeClock
) -> None:
    """RFC 2852 4.1.4.2."""
    mail = Mail("a@x.test", message(), {"by": f"{int(clock.time) + 90};N"})
    server = Server(["DSN"], clock=clock)
    run(transaction.send(_talk(server), mail, [To("b@x.test", {"notify": asked} if asked else {})]))
    assert server.envelopes[0][1] == f"RCPT TO:<b@x.test> NOTIFY={said}"


def test_orcpt_is_passed_on_as_it_came(message: Any) -> None:
    """RFC 3461 5.2.1."""
    server = Server(["DSN"])
    run(transaction.send(_talk(server), Mail("a@x.test", message()), [To("b@x.test", {"orcpt": "RFC822;B+42b@x.test"})]))
    assert server.envelopes[0][1] == "RCPT TO:<b@x.test> ORCPT=RFC822;B+42b@x.test"


def test_utf8_addresses_go_where_they_are_known(message: Any) -> None:
    mail = Mail("jürgen@x.test", message(), {"smtputf8": "yes"})
    server = Server(["SMTPUTF8"])
    (result,) = _send(server, mail, "b@müller.example")
    assert result.reply.ok
    assert server.envelopes[0][0] == "MAIL FROM:<jürgen@x.test> SMTPUTF8"
    (result,) = _send(Server([]), mail, "b@x.test")
    assert (result.reply.permanent, result.reply.status, result.heard) == (True, "5.6.7", False)


def test_only_the_recipient_that_needs_utf8_is_refused(message: Any) -> None:
    server = Server([])
    results = _send(server, Mail("a@x.test", message()), "b@x.test", "jörg@x.test", "c@müller.example")
    assert [result.reply.code for result in results] == [250, 553, 250]
    assert server.envelopes == [["MAIL FROM:<a@x.test>", "RCPT TO:<b@x.test>", "RCPT TO:<c@xn--mller-kva.example>"]]


def test_utf8_header_needs_a_server_that_takes_it(message: Any) -> None:
    text = b"Subject: gr\xc3\xbc\xc3\x9fe\n\nx\n"
    (result,) = _send(Server(["8BITMIME"]), Mail("a@x.test", message(text), {"smtputf8": "yes"}), "b@x.test")
    assert result.reply.status == "5.6.9"
    server = Server(["SMTPUTF8", "8BITMIME"])
    _send(server, Mail("a@x.test", message(text), {"smtputf8": "yes"}), "b@x.test")
    assert server.envelopes[0][0] == "MAIL FROM:<a@x.test> BODY=8BITMIME SMTPUTF8"


def test_a_promise_of_smtputf8_that_nothing_needs_is_dropped(message: Any) -> None:
    server = Server(["SMTPUTF8"])
    _send(server, Mail("a@x.test", message(), {"smtputf8": "yes"}), "b@x.test")
    assert server.envelopes[0][0] == "MAIL FROM:<a@x.test>"


def test_requiretls_is_passed_on_or_refused(message: Any) -> None:
    mail = Mail("a@x.test", message(), {"requiretls": "yes"})
    server = Server(["REQUIRETLS"])
    (result,) = _send(server, mail, "b@x.test")
    assert (result.reply.status, server.envelopes) == ("5.7.30", [])
    server = Server(["REQUIRETLS"])
    server.tls = FakeTls()
    (result,) = _send(server, mail, "b@x.test")
    assert result.reply.ok
    assert server.envelopes[0][0] == "MAIL FROM:<a@x.test> REQUIRETLS"


@pytest.mark.parametrize("offers", [["REQUIRETLS"], []])
def test_reports_go_also_where_requiretls_is_not_known(offers: list[str], message: Any) -> None:
    """RFC 8689 5."""
    server = Server(offers)
    server.tls = FakeTls() if offers else None
    (result,) = _send(server, Mail("", message(), {"requiretls": "yes"}), "b@x.test")
    assert result.reply.ok
    assert server.envelopes[0][0] == " ".join(["MAIL FROM:<>", *offers])


def test_several_messages_on_one_connection(message: Any) -> None:
    server = Server()
    talk = _talk(server)
    for number in range(3):
        mail = Mail("a@x.test", message(b"Subject: %d\n\n" % number))
        assert _codes(run(transaction.send(talk, mail, [To("b@x.test")]))) == [250]
    assert len(server.messages) == 3
    assert "RSET" not in server.commands


REPLIES = st.sampled_from(
    ["250 ok", "251 elsewhere", "354 go", "354", "450 4.2.0 no", "550 5.1.1 no", "421 4.0.0 bye", "250", "220 x", CLOSE]
)


@given(
    st.fixed_dictionaries({}, optional={moment: st.lists(REPLIES, min_size=1, max_size=4) for moment in MOMENTS}),
    st.sampled_from([PLAIN, ["PIPELINING"], ["CHUNKING"], ALL]),
    st.booleans(),
)
def test_ok_only_after_the_server_took_the_message(say: dict[str, Any], offers: list[str], lmtp: bool) -> None:
    fd = os.memfd_create("message")
    os.write(fd, TEXT)
    server = Server(offers, say=say, lmtp=lmtp)
    talk = Dialogue(server, Limits(), lmtp=lmtp)
    run(hello.greet(talk, "me"))
    results = run(transaction.send(talk, Mail("a@x.test", Body(fd)), [To("b@x.test"), To("c@x.test")]))
    os.close(fd)
    assert len(results) == 2
    if any(result.reply.ok for result in results):
        assert WIRE in server.messages
    if any(result.reply.ok and not result.heard for result in results):
        raise AssertionError("a success that nobody said")


def test_a_file_that_cannot_be_read(message: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = Mail("a@x.test", message())

    def fail(fd: int, size: int, at: int) -> bytes:
        raise OSError(5, "Input/output error")

    server = Server()
    talk = _talk(server)
    monkeypatch.setattr(body.os, "pread", fail)  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="Input/output"):
        run(transaction.send(talk, mail, [To("b@x.test")]))
    assert server.messages == []


def test_an_address_that_would_be_two_commands_is_refused_and_the_others_go(message: Any) -> None:
    server = Server(ALL)
    results = _send(server, Mail("a@x.test", message()), "b@y.test>\r\nRCPT TO:<c@z.test", "d@y.test")
    assert _codes(results) == [553, 250]
    assert not results[0].heard
    assert [line for line in server.envelopes[0] if "y.test" in line] == ["RCPT TO:<d@y.test>"]
    assert _codes(_send(Server(ALL), Mail("a@x.test>\nDATA", message()), "d@y.test")) == [553]
