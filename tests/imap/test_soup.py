"""Whatever a client says and whatever lies in a Maildir, the session goes on and nothing crashes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import log
from mailkit.control import Home
from mailkit.imap.session import session
from mailkit.users.passwd import Passwd
from tests.harness.transcript import FakeConn, run
from tests.imap import mailboxes
from tests.imap.pair import Client

WORDS = st.sampled_from([
    "SELECT", "EXAMINE", "INBOX", "Archive", "Sent/x", "FETCH", "STORE", "SEARCH", "UID", "COPY", "MOVE", "EXPUNGE",
    "CLOSE",
    "1", "1:*", "*", "5", "2,1", "$", "0", "FLAGS", "+FLAGS", "-FLAGS.SILENT", "(\\Deleted)", "(\\Seen kw)", "()",
    "ALL",
    "BODY[]", "BODY.PEEK[1.2]", "BODY[HEADER.FIELDS (To)]", "BINARY[2]", "BINARY.SIZE[3]", "(UID ENVELOPE)",
    "BODY[]<1.5>",
    "NOT", "OR", "SEEN", "FROM", '"x"', "{3+}\r\nabc", "{2}\r\nab", "BODY", "SINCE", "1-Feb-1994", "CREATE", "DELETE",
    "RENAME",
    "LIST", '""', "%", "(SUBSCRIBED)", "RETURN", "(STATUS (MESSAGES))", "(SAVE COUNT)", "LSUB", "STATUS",
    "(MESSAGES SIZE)",
    "SUBSCRIBE", "UNSUBSCRIBE", "APPEND", "IDLE", "DONE", "NOOP", "CHECK", "ENABLE", "IMAP4rev2", "ID", "NIL",
    "NAMESPACE", "SETACL", "DELETEACL", "GETACL", "LISTRIGHTS", "MYRIGHTS", "bob@example.test", "anyone", "$g", "-owner", "+lrs", "la",
    "GETMETADATA", "SETMETADATA", "/private/a", "(/shared/b)", "(DEPTH 1)", "(/private/a NIL)", '(/private/a "x")',
    '"Other Users/alice@example.test/Sent"', "Public/News", "(MYRIGHTS METADATA (/private/a))",
    "UNSELECT", "SORT", "(REVERSE DATE FROM)", "UTF-8", "THREAD", "REFERENCES", "ORDEREDSUBJECT", "GETQUOTAROOT",
    "REPLACE",
    "MODSEQ", "(CHANGEDSINCE 1)", "(UNCHANGEDSINCE 1)", "QRESYNC", "(QRESYNC (12345 1))", "PREVIEW", "EMAILID",
    "GETQUOTA", "CAPABILITY", "STARTTLS", "LOGIN", "AUTHENTICATE", "PLAIN", "(USE (\\Sent))", "UIDBATCHES", "UIDAFTER", "NOTIFY", "SET", "UIDONLY",
    "(selected (MessageNew (FLAGS) MessageExpunge))", "(personal (MailboxName))", "SAVEDATE", "SAVEDON", "500", "1:2",
    "(PARTIAL 1:2)", "(PARTIAL -1:-2 COUNT)", "&AOk-", "é", "[", "]",
    "\\", "\0", "CATENATE", '(URL "/INBOX/;UID=1")', "(URL ;UID=2/;SECTION=1 TEXT {1+}\r\nx)", "(TEXT {2}", "(UPDATE ALL)", "(UPDATE)", "CANCELUPDATE", '"a1"', "FILTER", "SETMETADATA", '(/private/filters/values/x "FILTER x")', "FUZZY", "(RELEVANCY ALL)", "(RELEVANCY)", "ESEARCH", "IN (PERSONAL)", "IN (subtree Sent)", "GENURLAUTH", "URLFETCH", "RESETKEY",
    '"imap://alice%40example.test@mail.example.test/INBOX/;UID=1;URLAUTH=anonymous"', "INTERNAL", "~{3+}\r\na\0b",
])  # fmt: skip
COMMANDS = st.lists(st.lists(WORDS, min_size=1, max_size=6), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def soup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("soup")
    mailboxes.make(path)
    return path


@given(commands=COMMANDS)
def test_no_dialogue_crashes(soup: Path, commands: list[list[str]]) -> None:
    home = Home(str(soup))
    mailboxes.fill(home)
    lines: list[str] = []
    before, log.sink = log.sink, lines.append
    try:
        said = [f"a{number} {' '.join(words)}\r\n".encode() for number, words in enumerate(commands)]
        conn = FakeConn([b"s SELECT INBOX\r\n", *said], peer="", can_starttls=False)
        run(session(conn, home, Passwd(home).lookup("alice@example.test")))
    finally:
        log.sink = before
    assert not [line for line in lines if line.startswith("broken")]
    assert b"SERVERBUG" not in conn.output


def spoiled(home_path: Path, how: str) -> Client:
    """A session on an INBOX with damage."""
    home = mailboxes.make(home_path)
    maildir = Path(mailboxes.inbox(home))
    (second,) = (maildir / "cur").glob("*M2P1*")
    if how == "message is a directory":
        second.unlink()
        second.mkdir()
    elif how == "message is a pipe":
        second.unlink()
        os.mkfifo(second)
    elif how == "message is empty":
        second.write_bytes(b"")
    elif how == "uidlist is rubbish":
        (maildir / "dovecot-uidlist").write_bytes(b"\xff\0" * 100)
    elif how == "keywords are rubbish":
        (maildir / "dovecot-keywords").write_bytes(b"\xff\0x\n99 y\n")
    elif how == "index is rubbish":
        (maildir / "mailkit-log").write_bytes(b"\xff\0" * 1000)
        (maildir / "mailkit-index").write_bytes(b"\xff\0" * 1000)
    elif how == "name is any octets":
        os.rename(os.fsencode(second), os.fsencode(maildir) + b"/cur/\xff\x01 x:2,S")
    elif how == "tmp is missing":
        (maildir / "tmp").rmdir()
    return Client(home)


@pytest.mark.parametrize("how", [
    "message is a directory", "message is a pipe", "message is empty", "uidlist is rubbish", "keywords are rubbish",
    "index is rubbish", "name is any octets", "tmp is missing",
])  # fmt: skip
def test_session_goes_on(tmp_path: Path, how: str) -> None:
    client = spoiled(tmp_path, how)
    for command in ("FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE RFC822.SIZE)", "FETCH 1:* (BODY.PEEK[])", "SEARCH TEXT x",
                    "UID FETCH 1:* (BODY[1])", "STORE 1 +FLAGS (\\Answered)", "SEARCH LARGER 1"):  # fmt: skip
        assert client.do(command)[-1].startswith(("OK", "NO [EXPUNGEISSUED]")), command
    assert any("first" in line for line in client.do("FETCH 1:* (ENVELOPE)"))
    assert client.send(b"x APPEND INBOX {4+}\r\nabc\n\r\n")[-1].startswith("x OK [APPENDUID ")
    assert client.do("LOGOUT")[-1] == "OK LOGOUT completed"


def test_large_messages_are_streamed_whole(tmp_path: Path) -> None:
    home = mailboxes.make(tmp_path)
    message = b"Subject: large\n\n" + b"a line of text\r\nand another\n\r\n" * 60_000 + b"end\r"
    path = Path(mailboxes.inbox(home), "new", "761000000.M9P9.host")
    path.write_bytes(message)
    client = Client(home)
    wire = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    client.conn.given.append(b"a UID FETCH 6 (UID BODY.PEEK[] BODY.PEEK[HEADER] RFC822.SIZE)\r\n")
    start = len(client.conn.output)
    client._run()
    answer = bytes(client.conn.output[start:])
    head = b"* 4 FETCH (UID 6 RFC822.SIZE %d BODY[HEADER] {18}\r\nSubject: large\r\n\r\n BODY[] {%d}\r\n" % (
        len(wire),
        len(wire),
    )
    assert answer == head + wire + b")\r\na OK UID FETCH completed\r\n"
    assert client.do("UID FETCH 6 (BODY.PEEK[]<1000000.20>)")[0] == "* 4 FETCH (UID 6 BODY[]<1000000> {20}"
