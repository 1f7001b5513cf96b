"""What a worker gives away at a login, and what the other process makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.imap import session as imap
from mailkit.net import steward
from mailkit.pop3 import session as pop3
from tests.harness.homes import make_home, set_control
from tests.harness.transcript import FakeConn, FakeTls, replay, run

ALICE = "alice@example.test"
IMAP = b"a LOGIN alice@example.test secret\r\nb NOOP\r\nc LOGO"
POP3 = b"USER alice@example.test\r\nPASS secret\r\nSTAT\r\nQU"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.mark.parametrize(
    ("session", "octets", "words", "ahead"),
    [
        (imap.session, IMAP, {"tag": "a", "user": ALICE}, b"b NOOP\r\nc LOGO"),
        (pop3.session, POP3, {"user": ALICE}, b"STAT\r\nQU"),
    ],
)
def test_a_login_goes_elsewhere_with_all_that_was_sent_ahead(
    session: object, octets: bytes, words: dict[str, str], ahead: bytes, home: Home
) -> None:
    set_control(home, "separate", "all")
    for cut in range(1, len(octets)):
        conn = FakeConn([octets[:cut], octets[cut:]], tls=FakeTls())
        run(session(conn, home))  # type: ignore[operator]
        ((told, rest),) = conn.handed_over
        assert told == words
        assert conn.outcome["ended"] == "elsewhere"
        # What had not come yet is for the relay to pass on.
        assert ahead.startswith(rest) and octets[: len(octets) - len(ahead) + len(rest)] in (octets[:cut], octets)
        assert b"Logged in" not in conn.output and b"messages" not in conn.output


def test_imap_is_taken_on_where_it_was_left(home: Home) -> None:
    replay(
        lambda conn: imap.resume(conn, home, {"tag": "a", "user": ALICE}),
        "S~ a OK \\[CAPABILITY IMAP4rev1 .*\\] Logged in\nC: b NOOP\nS: b OK NOOP completed\n"
        "C: c LOGOUT\nS* \nS~ c OK .*\n",
        tls=FakeTls(),
    )


def test_pop3_is_taken_on_where_it_was_left(home: Home) -> None:
    replay(
        lambda conn: pop3.resume(conn, home, {"user": ALICE}),
        "S: +OK 0 messages (0 octets)\nC: STAT\nS: +OK 0 0\nC: QUIT\nS~ \\+OK.*\n",
        tls=FakeTls(),
    )


@pytest.mark.parametrize(
    ("resume", "words", "answer"),
    [
        (imap.resume, {"tag": "a", "user": "who@example.test"}, b"a NO [UNAVAILABLE]"),
        (pop3.resume, {"user": "who@example.test"}, b"-ERR [SYS/TEMP]"),
    ],
)
def test_a_user_who_is_gone_by_then(resume: object, words: dict[str, str], answer: bytes, home: Home) -> None:
    conn = FakeConn([b"b NOOP\r\n"])
    run(resume(conn, home, words))  # type: ignore[operator]
    assert conn.output.startswith(answer)
    assert b"b " not in conn.output


def test_the_language_goes_along(home: Home) -> None:
    set_control(home, "separate", "all")
    for session, said in ((imap.session, b"x LANGUAGE de\r\n" + IMAP), (pop3.session, b"LANG de\r\n" + POP3)):
        conn = FakeConn([said], tls=FakeTls())
        run(session(conn, home))
        ((told, _),) = conn.handed_over
        assert told["language"] == "de"


@pytest.mark.parametrize(
    ("resume", "answer"), [(imap.resume, "] Angemeldet\r\n"), (pop3.resume, "+OK 0 Nachrichten (0 Oktette)\r\n")]
)
def test_the_language_is_spoken_from_there_on(resume: object, answer: str, home: Home) -> None:
    conn = FakeConn([b""])
    run(resume(conn, home, {"tag": "a", "user": ALICE, "language": "de"}))  # type: ignore[operator]
    assert answer in conn.output.decode()


def test_what_is_told_of_the_connection() -> None:
    assert steward.facts(FakeConn(tls=FakeTls())) == {
        "service": "mx", "tls": FakeTls().version, "id": "c0ffee", "peer": "192.0.2.1", "peer_port": "54321",
        "local": "192.0.2.25", "local_port": "25",
    }  # fmt: skip
