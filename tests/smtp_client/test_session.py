"""The beginning of a session: greeting, EHLO and HELO, STARTTLS; and servers that misbehave at each of these."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.smtp.client import hello
from mailkit.smtp.client.dialogue import Broken, Dialogue, Limits, Refused
from mailkit.smtp.reply import Reply
from tests.harness import fakeclock
from tests.harness.fakeclock import FakeClock
from tests.harness.transcript import run
from tests.smtp_client.server import CLOSE, DEAF, DRIP, ENDLESS, SILENCE, Server

CONTEXT = ssl.create_default_context()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    return fakeclock.install(monkeypatch)


def _greeted(server: Server, **options: object) -> Dialogue:
    talk = Dialogue(server, Limits(), **options)  # type: ignore[arg-type]
    run(hello.greet(talk, "me.example.test"))
    return talk


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_ehlo_and_what_it_offers(cut: int) -> None:
    server = Server(["SIZE 1000", "AUTH PLAIN LOGIN", "AUTH=LOGIN CRAM-MD5", "limits RCPTMAX=20 MAILMAX=x"], cut=cut)
    features = _greeted(server).features
    assert features is not None
    assert server.commands == ["EHLO me.example.test"]
    assert features.name == "mx.example.net"
    assert features.size == 1000
    assert features.mechanisms == ["PLAIN", "LOGIN", "CRAM-MD5"]
    assert features.limit("RCPTMAX") == 20
    assert features.limit("MAILMAX") is None
    assert "PIPELINING" not in features


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE many", "SIZE " + "9" * 40])
def test_a_size_that_says_nothing(size: str) -> None:
    features = _greeted(Server([size])).features
    assert features is not None and features.size is None


def test_helo_for_a_server_that_knows_no_ehlo() -> None:
    server = Server(say={"EHLO": "502 5.5.1 what?"})
    features = _greeted(server).features
    assert server.commands == ["EHLO me.example.test", "HELO me.example.test"]
    assert features is not None and not features.words


def test_lmtp_says_lhlo_and_nothing_else() -> None:
    server = Server(lmtp=True)
    assert _greeted(server, lmtp=True).features is not None
    assert server.commands == ["LHLO me.example.test"]
    with pytest.raises(Refused):
        _greeted(Server(say={"LHLO": "500 5.5.1 what?"}, lmtp=True), lmtp=True)


@pytest.mark.parametrize(
    ("say", "stage", "code"),
    [
        ({"greeting": "554 5.7.1 go away"}, "greeting", 554),
        ({"greeting": "421 4.3.2 too busy"}, "greeting", 421),
        ({"greeting": "250 wrong"}, "greeting", 250),
        ({"EHLO": "421 4.7.0 not now"}, "EHLO", 421),
        ({"EHLO": "450 4.7.0 not now"}, "EHLO", 450),
        ({"EHLO": "521 5.3.2 no mail here"}, "EHLO", 521),
        ({"EHLO": "500 what?", "HELO": "550 5.7.1 no"}, "HELO", 550),
    ],
)
def test_refusals_carry_stage_and_reply(say: dict[str, str], stage: str, code: int) -> None:
    with pytest.raises(Refused) as caught:
        _greeted(Server(say=say))
    assert (caught.value.stage, caught.value.reply.code) == (stage, code)


@pytest.mark.parametrize("moment", ["greeting", "EHLO"])
@pytest.mark.parametrize("mood", [CLOSE, SILENCE, DRIP, ENDLESS])
@pytest.mark.parametrize("cut", [0, 3])
def test_misbehaviour_ends_in_time(moment: str, mood: str, cut: int, clock: FakeClock) -> None:
    start = clock.time
    with pytest.raises(Broken) as caught:
        _greeted(Server(say={moment: mood}, clock=clock, cut=cut))
    assert clock.time - start <= 301
    assert caught.value.code in ("4.4.2", "4.5.0")
    assert moment in caught.value.text or mood == ENDLESS


def test_a_server_that_does_not_read(clock: FakeClock) -> None:
    talk = _greeted(Server(say={"NOOP": DEAF}, clock=clock))
    with pytest.raises(Broken):
        run(talk.command("NOOP"))
    with pytest.raises(Broken) as caught:
        run(talk.command("NOOP"))
    assert "stopped reading" in caught.value.text


def test_the_whole_transaction_has_a_limit_too(clock: FakeClock) -> None:
    server = Server(say={"NOOP": "250 ok"}, clock=clock)
    talk = Dialogue(server, Limits(total=600))
    run(hello.greet(talk, "me"))
    for _ in range(3):
        clock.advance(199)
        run(talk.command("NOOP"))
    clock.advance(4)
    with pytest.raises(Broken):
        run(talk.command("NOOP"))
    talk.renew()
    assert run(talk.command("NOOP")).code == 250


def test_what_421_said_explains_the_end() -> None:
    server = Server(say={"NOOP": ["421 4.3.2 shutting down", CLOSE]})
    talk = _greeted(server)
    assert run(talk.command("NOOP")).code == 421
    with pytest.raises(Broken) as caught:
        run(talk.command("NOOP"))
    assert "shutting down" in caught.value.text


@pytest.mark.parametrize(
    "said",
    [b"\x00\x01\x02\r\n", b"hello\r\n", b"999 no\r\n", b"25\r\n", b"250+ok\r\n", b"250" + b"x" * 5000 + b"\r\n"],
)
def test_what_is_no_reply_breaks_the_session(said: bytes) -> None:
    server = Server()
    talk = _greeted(server)
    server._outgoing = said
    with pytest.raises(Broken) as caught:
        run(talk.reply())
    assert caught.value.code == "4.5.0"


@given(st.lists(st.sampled_from([b"2", b"250", b" ", b"-", b"\r\n", b"\n", b"ok", b"421", b"\xff", b"9" * 999])))
def test_any_octets_give_a_reply_or_broken(pieces: list[bytes]) -> None:
    server = Server(say={"NOOP": CLOSE})
    talk = _greeted(server)
    run(talk.flush(1))
    server._outgoing = b"".join(pieces)
    server._mood = CLOSE
    try:
        while True:
            assert 200 <= run(talk.reply()).code < 600
    except Broken as error:
        assert error.text


def test_a_command_is_one_line() -> None:
    talk = _greeted(Server())
    for text in ("MAIL FROM:<a>\r\nRCPT TO:<b>", "a\nb", "a\rb"):
        with pytest.raises(ValueError, match="one line"):
            talk.send(text)


def test_trace_shows_the_dialogue() -> None:
    seen: list[str] = []
    server = Server(["SIZE"])
    talk = _greeted(server, trace=seen.append)
    run(talk.command("AUTH PLAIN secret", shown="AUTH PLAIN (not shown)"))
    assert seen == [
        "S: 220 mx.example.net ESMTP",
        "C: EHLO me.example.test",
        "S: 250-mx.example.net hello",
        "S: 250 SIZE",
        "C: AUTH PLAIN (not shown)",
        "S: 502 5.5.2 not implemented",
    ]


def test_quit_waits_for_nothing() -> None:
    for say in ({}, {"QUIT": SILENCE}, {"QUIT": CLOSE}):
        server = Server(say=say)
        run(_greeted(server).quit())
        assert server.commands[-1] == "QUIT"
        assert server.closed


def test_starttls_forgets_what_came_in_the_clear() -> None:
    def inject(server: Server, line: str) -> str:
        server._outgoing += b"220 go\r\n250 injected\r\n550 more\r\n"
        return ""

    server = Server(["STARTTLS", "AUTH PLAIN"], more_commands={"STARTTLS": inject})
    talk = _greeted(server)
    server.offers = ["STARTTLS", "SIZE 77"]
    run(hello.starttls(talk, "me.example.test", "mx.example.net", CONTEXT))
    assert server.server_names == ["mx.example.net"]
    assert server.commands == ["EHLO me.example.test", "STARTTLS", "EHLO me.example.test"]
    assert talk.features is not None
    assert talk.features.size == 77
    assert talk.features.mechanisms == []


def test_starttls_refused_leaves_the_session_usable() -> None:
    server = Server(["STARTTLS"], say={"STARTTLS": "454 4.7.0 no certificate today"})
    talk = _greeted(server)
    with pytest.raises(Refused) as caught:
        run(hello.starttls(talk, "me", "mx.example.net", CONTEXT))
    assert caught.value.reply == Reply(454, "4.7.0", "no certificate today")
    assert run(talk.command("RSET")).ok


def test_a_failed_handshake_breaks_the_session() -> None:
    server = Server(["STARTTLS"], say={"handshake": "fails"})
    talk = _greeted(server)
    with pytest.raises(Broken) as caught:
        run(hello.starttls(talk, "me", "mx.example.net", CONTEXT))
    assert caught.value.code == "4.7.5"
