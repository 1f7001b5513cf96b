"""Whole sessions: dialogues, and what they leave on disk."""

from __future__ import annotations

import errno
import functools
import hashlib
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.maildir import folder, marks
from mailkit.maildir.folder import Folder
from mailkit.net.conn import Gone, Stopping, Timeout
from mailkit.pop3.session import session
from tests.harness import fakeclock, transcript
from tests.harness.homes import set_control
from tests.harness.transcript import FakeConn, FakeTls
from tests.pop3 import maildrops
from tests.pop3.maildrops import MESSAGES, SIZES

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
LOGIN = b"USER alice@example.test\r\nPASS secret\r\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return maildrops.make(tmp_path / "home")


def talk(home: Home, *incoming: object, tls: bool = True) -> list[str]:
    """The lines a session answers to `incoming`, the greeting left out."""
    conn = FakeConn(list(incoming), service="pop3", tls=FakeTls() if tls else None)
    transcript.run(session(conn, home))
    lines = conn.output.decode().split("\r\n")
    assert lines.pop() == ""
    assert lines[0].startswith("+OK ")
    return lines[1:]


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_dialogue(path: Path, home: Home) -> None:
    set_control(home, "clearauth", "yes")
    fresh = functools.partial(maildrops.fill, home)
    transcript.replay(lambda conn: session(conn, home), path.read_text(), fresh, service="pop3", peer="127.0.0.1")


def test_marked_messages_go_at_quit_and_others_stay(home: Home) -> None:
    assert talk(home, LOGIN + b"DELE 1\r\nDELE 3\r\nQUIT\r\n")[-1] == "+OK bye, 2 messages deleted"
    assert maildrops.stored(home) == [MESSAGES[1]]
    assert talk(home, LOGIN + b"UIDL\r\nQUIT\r\n")[2:4] == ["+OK 1 messages", "1 0000000200003039"]


@pytest.mark.parametrize("end", [b"", Gone(), Timeout(), Stopping()], ids=["eof", "gone", "timeout", "stopping"])
def test_nothing_goes_without_quit(home: Home, end: object) -> None:
    conn = FakeConn([LOGIN + b"DELE 1\r\n", end], service="pop3", tls=FakeTls())
    transcript.run(session(conn, home))
    assert maildrops.stored(home) == list(MESSAGES)


def test_its_end_tells_what_was_done(home: Home) -> None:
    conn = FakeConn([LOGIN + b"RETR 1\r\nDELE 1\r\nQUIT\r\n"], service="pop3", tls=FakeTls())
    transcript.run(session(conn, home))
    user = {"user": "alice@example.test", "messages": 3, "fetched": 1, "octets": len(MESSAGES[0]), "removed": 1}
    assert conn.outcome == {**user, "ended": "quit"}
    conn = FakeConn([b"QUIT\r\n"], service="pop3", tls=FakeTls())
    transcript.run(session(conn, home))
    assert conn.outcome == {"ended": "quit"}


def test_stopping_says_so(home: Home) -> None:
    assert talk(home, LOGIN, Stopping())[-1] == "-ERR [SYS/TEMP] server is stopping, try again in a minute"


def test_second_session_is_refused_until_the_first_ends(home: Home) -> None:
    answers: list[str] = []

    def meanwhile() -> bytes:
        answers.extend(talk(home, LOGIN + LOGIN.replace(b"alice", b"bob") + b"QUIT\r\n"))
        return b"QUIT\r\n"

    assert talk(home, LOGIN, meanwhile)[-1] == "+OK bye"
    assert answers[1] == "-ERR [IN-USE] another session has this mailbox"
    assert answers[3] == "+OK 0 messages (0 octets)"  # and the connection is still good for somebody else
    assert talk(home, LOGIN + b"QUIT\r\n")[1] == "+OK 3 messages (375 octets)"


def test_maildrop_is_free_when_quit_is_answered(home: Home) -> None:
    answers: list[list[str]] = []
    conn = FakeConn([LOGIN + b"QUIT\r\n"], service="pop3", tls=FakeTls())
    flush = conn.flush

    async def watched() -> None:
        if any(b"bye" in octets for octets in conn._queued):
            answers.append(talk(home, LOGIN + b"QUIT\r\n"))
        await flush()

    conn.flush = watched  # type: ignore[method-assign]
    transcript.run(session(conn, home))
    assert [lines[1] for lines in answers] == ["+OK 3 messages (375 octets)"]


def test_what_comes_meanwhile_is_for_the_next_session(home: Home) -> None:
    def deliver() -> bytes:
        Path(maildrops.inbox(home), "new", "1800000000.M1P1.host").write_bytes(b"A: b\n\nc\n")
        return b"STAT\r\nRSET\r\nLIST 4\r\nDELE 1\r\nQUIT\r\n"

    assert talk(home, LOGIN, deliver)[2:] == [
        "+OK 3 375", "+OK 3 messages (375 octets)", "-ERR no such message", "+OK message 1 will be deleted",
        "+OK bye, 1 messages deleted",
    ]  # fmt: skip
    assert talk(home, LOGIN + b"QUIT\r\n")[1] == f"+OK 3 messages ({375 - SIZES[0] + 11} octets)"


def test_imap_sessions_are_told_and_not_kept_waiting(home: Home) -> None:
    shared = folder.open(maildrops.inbox(home))
    view = shared.view()
    flagged: list[int] = []

    def meanwhile() -> bytes:
        flagged.extend(shared.store([3], add=marks.FLAGGED).changed)
        return b"RETR 2\r\nDELE 1\r\nQUIT\r\n"

    assert talk(home, LOGIN, meanwhile)[-1] == "+OK bye, 1 messages deleted"
    shared.sync()
    changes = view.changes()
    assert flagged == [3]
    assert (changes.expunged, changes.sequence) == ([1], [1])
    seen, flagged_too = shared.table.marks
    assert (seen, flagged_too) == (marks.SEEN, marks.FLAGGED)
    shared.leave(view)
    shared.close()


def test_message_removed_by_another_program(home: Home) -> None:
    def remove() -> bytes:
        next(Path(maildrops.inbox(home), "cur").glob("1700000002*")).unlink()
        return b"RETR 2\r\nTOP 2 0\r\nRETR 1\r\nDELE 2\r\nQUIT\r\n"

    lines = talk(home, LOGIN, remove)
    assert lines[2:4] == ["-ERR [SYS/TEMP] message was removed by another program"] * 2
    assert lines[4] == "+OK 78 octets"
    assert lines[-1] == "+OK bye, 1 messages deleted"  # it is gone, as was asked


def test_client_that_takes_one_after_the_other_finds_the_next_one_read(home: Home) -> None:
    """A message that goes away while the one before is being read still comes; asked for again, it is gone."""

    def remove() -> bytes:
        next(Path(maildrops.inbox(home), "cur").glob("1700000003*")).unlink()
        return b"RETR 3\r\n"

    expected = talk(home, LOGIN + b"RETR 3\r\nQUIT\r\n")[2:-1]
    lines = talk(home, LOGIN, b"RETR 1\r\n", b"RETR 2\r\n", remove, b"RETR 3\r\nQUIT\r\n")
    assert lines[-2 - len(expected) : -2] == expected
    assert lines[-2] == "-ERR [SYS/TEMP] message was removed by another program"


def test_what_was_read_ahead_is_not_given_in_the_place_of_another(home: Home) -> None:
    for number in (1, 3):
        lines = talk(home, LOGIN, b"RETR 1\r\n", b"RETR 2\r\n", b"RETR %d\r\nRETR 3\r\nQUIT\r\n" % number)
        sizes = [line for line in lines if line.endswith(" octets")]
        assert sizes == [f"+OK {size} octets" for size in (*SIZES[:2], SIZES[number - 1], SIZES[2])]
    lines = talk(home, LOGIN, b"RETR 1\r\n", b"RETR 2\r\n", b"DELE 3\r\nRETR 3\r\n")
    assert lines[-1] == "-ERR no such message"


def test_large_message_is_not_read_ahead(home: Home) -> None:
    path = Path(maildrops.inbox(home), "new", "1800000000.M1P1.host")
    path.write_bytes(b"A: b\n\n" + b"x" * 70000)

    def remove() -> bytes:
        next(path.parents[1].glob("*/1800000000*")).unlink()
        return b"RETR 4\r\n"

    lines = talk(home, LOGIN, b"RETR 2\r\n", b"RETR 3\r\n", remove)
    assert lines[-1] == "-ERR [SYS/TEMP] message was removed by another program"


def test_message_renamed_by_another_program_is_found(home: Home) -> None:
    def rename() -> bytes:
        path = next(Path(maildrops.inbox(home), "cur").glob("1700000001*"))
        path.rename(path.with_name(path.name + "F"))
        return b"RETR 1\r\nQUIT\r\n"

    assert talk(home, LOGIN, rename)[2] == "+OK 78 octets"


def test_retrieved_messages_are_seen_after_quit(home: Home) -> None:
    talk(home, LOGIN + b"RETR 1\r\n", b"")
    assert not list(Path(maildrops.inbox(home), "cur").glob("*:2,S"))
    talk(home, LOGIN + b"RETR 1\r\nTOP 2 9\r\nQUIT\r\n")
    assert [path.name.partition(".")[0] for path in Path(maildrops.inbox(home), "cur").glob("*:2,S")] == ["1700000001"]


def test_maildrop_is_settled_after_a_quit_that_changed_it_and_free_by_then(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[int] = []

    def settle(self: Folder, changes: int) -> None:
        assert "+OK bye, 1 messages deleted" in conn.output.decode()
        settled.append(changes)
        assert talk(home, LOGIN + b"STAT\r\nQUIT\r\n")[2].startswith("+OK 2 ")
        raise OSError(errno.EIO, "what the next session will meet as well")

    monkeypatch.setattr(Folder, "settle", settle)
    conn = FakeConn([LOGIN + b"RETR 1\r\nDELE 3\r\nQUIT\r\n"], service="pop3", tls=FakeTls())
    transcript.run(session(conn, home))
    assert settled == [2]


def test_large_message_comes_whole(home: Home) -> None:
    line = b".0123456789" * 6 + b"\n"
    Path(maildrops.inbox(home), "new", "1800000000.M1P1.host").write_bytes(b"A: b\n\n" + line * 20000)
    lines = talk(home, LOGIN + b"RETR 4\r\nNOOP\r\nQUIT\r\n")
    assert lines[2] == f"+OK {8 + 20000 * (len(line) + 1)} octets"
    assert lines[3:5] == ["A: b", ""]
    assert lines[5:-3] == ["." + line[:-1].decode()] * 20000
    assert lines[-3:] == [".", "+OK", "+OK bye"]


def test_pipelined_answers_are_sent_together(home: Home) -> None:
    conn = FakeConn([LOGIN, b"RETR 1\r\n" * 500 + b"QUIT\r\n"], service="pop3", tls=FakeTls())
    sizes: list[int] = []
    flush = conn.flush

    async def counted() -> None:
        sizes.append(sum(map(len, conn._queued)))
        await flush()

    conn.flush = counted  # type: ignore[method-assign]
    transcript.run(session(conn, home))
    assert len(sizes) < 20  # and not 500
    assert bytes(conn.output).count(b"+OK 78 octets") == 500


def test_uidls_of_dovecots_list_stay(home: Home) -> None:
    path = Path(maildrops.inbox(home), "dovecot-uidlist")
    path.write_text(path.read_text().replace("\n2 :", "\n2 Pold-name.42 :"))
    assert talk(home, LOGIN + b"UIDL\r\nUIDL 2\r\nUIDL 3\r\nQUIT\r\n")[3:-1] == [
        "1 0000000100003039", "2 old-name.42", "3 0000000300003039", ".", "+OK 2 old-name.42",
        "+OK 3 0000000300003039",
    ]  # fmt: skip


def test_password_may_have_blanks(home: Home) -> None:
    passwd = Path(home.passwd)
    passwd.write_text(
        passwd.read_text().replace("alice@example.test:{PLAIN}secret", "alice@example.test:{PLAIN} a  b ")
    )
    assert talk(home, b"USER alice@example.test\r\nPASS  a  b \r\nQUIT\r\n")[1] == "+OK 3 messages (375 octets)"


def test_no_password_in_the_clear(home: Home) -> None:
    conn = FakeConn([b"USER alice@example.test\r\nAUTH PLAIN AGEAYg==\r\nCAPA\r\nQUIT\r\n"], service="pop3")
    transcript.run(session(conn, home))
    lines = conn.output.decode().split("\r\n")
    assert lines[1] == "-ERR [AUTH] TLS first"
    assert lines[2].startswith("-ERR")
    assert "STLS" in lines
    assert "USER" not in lines
    assert not any(line.startswith("SASL") and "PLAIN" in line.split() for line in lines)


def test_commands_sent_together_with_stls_are_forgotten(home: Home) -> None:
    assert talk(home, b"STLS\r\nUSER mallory@example.test\r\n", LOGIN[5:] + b"QUIT\r\n", tls=False) == [
        "+OK begin TLS", "-ERR unknown command", "-ERR USER first", "+OK bye",
    ]  # fmt: skip


def test_apop_where_the_password_is_stored(home: Home) -> None:
    assert "no APOP here" in talk(home, b"APOP alice@example.test 0123\r\nQUIT\r\n")[0]
    set_control(home, "apop", "yes")
    conn = FakeConn((), service="pop3", tls=FakeTls())

    def answer(password: bytes) -> bytes:
        stamp = bytes(conn.output).split(b"\r\n")[0].split()[-1]
        return b"APOP alice@example.test " + hashlib.md5(stamp + password).hexdigest().encode() + b"\r\n"

    conn.incoming = iter([lambda: answer(b"wrong"), lambda: answer(b"secret"), b"QUIT\r\n"])
    transcript.run(session(conn, home))
    lines = conn.output.decode().split("\r\n")
    assert lines[1] == "-ERR [AUTH] Name or password is not right"
    assert lines[2] == "+OK 3 messages (375 octets)"


def test_login_delay(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = fakeclock.install(monkeypatch)
    set_control(home, "pop3delay", "5m")
    lines = talk(home, LOGIN + b"CAPA\r\nQUIT\r\n")
    assert lines[1] == "+OK 3 messages (375 octets)"
    assert "LOGIN-DELAY 300" in lines
    clock.advance(100)
    assert talk(home, LOGIN + b"QUIT\r\n")[1] == "-ERR [LOGIN-DELAY] wait 201 seconds"
    clock.advance(201)
    assert talk(home, LOGIN + b"QUIT\r\n")[1] == "+OK 3 messages (375 octets)"


def test_empty_maildrop(home: Home) -> None:
    login = LOGIN.replace(b"alice", b"bob")
    assert talk(home, login + b"STAT\r\nLIST\r\nUIDL\r\nLAST\r\nRETR 1\r\nQUIT\r\n")[1:] == [
        "+OK 0 messages (0 octets)", "+OK 0 0", "+OK 0 messages", ".", "+OK 0 messages", ".", "+OK 0",
        "-ERR no such message", "+OK bye",
    ]  # fmt: skip


def test_unexpected_error_ends_the_session_and_is_in_the_log(
    home: Home, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    from mailkit.pop3.maildrop import Maildrop

    def broken(drop: Maildrop) -> list[str]:
        raise RuntimeError("out of paper")

    monkeypatch.setattr(Maildrop, "read_names", broken)
    assert talk(home, LOGIN + b"UIDL 1\r\nNOOP\r\n")[2:] == ["-ERR [SYS/TEMP] internal error"]
    assert any("out of paper" in line and "c=c0ffee" in line for line in lines)
