"""IMAP and POP3 clients that mean harm, and directories that vanish under those that do not."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.chain.imap import Imap
from tests.chain.machine import MIB, peak_octets
from tests.harness.servers import Server, serve


def inbox(home: Home) -> Path:
    return Path(home.join("domains", "example.test", "alice", "Maildir"))


def fill(home: Home, count: int, octets: int = 50) -> None:
    for number in range(count):
        text = b"Subject: m%d\n\n" % number + b"x" * 70 * (octets // 70) + b"\n"
        (inbox(home) / "new" / f"{1_000_000 + number}.M1P1.host").write_bytes(text)


def served(server: Server) -> bool:
    """Can an honest user log in and read?"""
    with Imap(server.ports["imap"]) as client:
        client.login("bob")
        return client.do("SELECT INBOX")[-1].startswith(b"OK ")


def quiet(server: Server) -> bool:
    """Nobody met an error that was not expected."""
    return not any(word in server.log for word in ("trace=", "Traceback", "crash "))


def rest(client: Imap) -> bytes:
    with contextlib.suppress(ConnectionResetError):
        return client.reader.read()
    return b""


RUBBISH = [
    b"a LOGIN {999999999999999999}\r\n",
    b"a LOGIN {999999999999999999+}\r\nxxxx",
    b"a LOGIN {99999999999999999999999}\r\n",
    b"a LOGIN {4097+}\r\n" + b"x" * 4097 + b" {4097+}\r\n" + b"x" * 5000 + b"\r\n",
    b"a " + b"(" * MIB + b"\r\n",
    b"a FETCH 1 " + b"(" * 8000 + b"\r\n",
    b"a AUTHENTICATE PLAIN\r\n" + b"A" * MIB + b"\r\n",
    b"\0" * 10_000 + b"\r\n",
    b"\xff\xfe" * 10_000 + b"\r\n",
    b"\r\n" * 10_000,
    b"a {5}\r\nhello\r\n" * 1000,
    b"a NOOP\r\n" * 50_000,
    b"a CAPABILITY\r\n" * 20_000,
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 100 + b"\n",
]


def test_rubbish_before_the_login(home: Home) -> None:
    with serve(home, "imapd", "imap") as server:
        assert served(server)
        before = peak_octets(server)
        for rubbish in RUBBISH:
            with Imap(server.ports["imap"]) as client:
                with contextlib.suppress(ConnectionError):
                    client.end.sendall(rubbish)
                    client.end.shutdown(socket.SHUT_WR)
                rest(client)
            assert served(server), rubbish[:60]
        assert peak_octets(server) - before < 12 * MIB
    assert quiet(server)


NESTED = [
    b"SEARCH " + b"(" * 10_000 + b"ALL" + b")" * 10_000,
    b"SEARCH " + b"NOT " * 10_000 + b"ALL",
    b"SEARCH " + b"OR ALL " * 9_000 + b"ALL",
    b"SEARCH UID " + b",".join([b"1:4294967295"] * 4_000),
    b"UID FETCH " + b",".join([b"1:4294967295"] * 4_000) + b" UID",
    b"UID FETCH " + b",".join([b"*:1"] * 15_000) + b" (FLAGS)",
    b"FETCH 1:4294967295 UID",
    b"FETCH 1 (" + b"BODY[" + b"1." * 10_000 + b"1])",
    b"FETCH 1 BODY[]<4294967295.4294967295>",
    b"FETCH 1 BODY[]<99999999999999999999.1>",
    b"FETCH 1 BODY[HEADER.FIELDS (" + b"X " * 20_000 + b"X)]",
    b"STORE 1 +FLAGS (" + b" ".join(b"k%d" % number for number in range(5_000)) + b")",
    b"LIST \"\" " + b"*%" * 10_000,
    b"LIST \"\" (" + b"* " * 10_000 + b"*)",
    b"THREAD REFERENCES UTF-8 " + b"(" * 10_000 + b"ALL" + b")" * 10_000,
    b"SORT (" + b"SUBJECT " * 5_000 + b"DATE) UTF-8 ALL",
    b"SEARCH CHARSET \xff ALL",
    b"SEARCH TEXT {10+}\r\n\0\0\0\0\0\0\0\0\0\0",
    b"ENABLE " + b"X " * 20_000 + b"X",
    b"ID (" + b'"k" "v" ' * 5_000 + b'"k" "v")',
]


def test_nested_and_endless_arguments(home: Home) -> None:
    fill(home, 3)
    with serve(home, "imapd", "imap") as server, Imap(server.ports["imap"]) as client:
        client.login("alice")
        client.do("SELECT INBOX")
        before = peak_octets(server)
        for line in NESTED:
            answer = client.do(line)[-1]
            assert answer[:3] in (b"OK ", b"NO ", b"BAD"), (line[:60], answer)
        assert client.do("FETCH 1:3 UID")[-1].startswith(b"OK ")
        assert peak_octets(server) - before < 24 * MIB
    assert quiet(server), server.log[-2000:]


def test_storm_of_idles(home: Home) -> None:
    fill(home, 1)
    with serve(home, "imapd", "imap") as server, Imap(server.ports["imap"]) as client:
        client.login("alice")
        client.do("SELECT INBOX")
        client.end.sendall(b"a IDLE\r\nDONE\r\n" * 3000 + b"z NOOP\r\n")
        assert sum(line.startswith(b"a OK ") for line in client.answer(b"z ")) == 3000
        assert served(server)
    assert quiet(server)


def test_nobody_reads_what_was_fetched(home: Home) -> None:
    fill(home, 40, 900_000)
    fill(home, 1, 30 * MIB)
    with serve(home, "imapd", "imap") as server, Imap(server.ports["imap"]) as client:
        client.login("alice")
        client.do("SELECT INBOX")
        before = peak_octets(server)
        client.end.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.end.send(b"a FETCH 1:* BODY.PEEK[]\r\n" * 500)
            client.end.send(b"a LIST \"\" *\r\n" * 5000)
        for _ in range(5):
            assert served(server)
        assert peak_octets(server) - before < 16 * MIB
    assert quiet(server)


def test_one_command_does_not_multiply_messages(home: Home) -> None:
    """BODY[] named a thousand times: what waits in memory stays small."""
    fill(home, 1, 900_000)
    with serve(home, "imapd", "imap") as server, Imap(server.ports["imap"]) as client:
        client.login("alice")
        client.do("SELECT INBOX")
        before = peak_octets(server)
        many = b" ".join(b"BODY.PEEK[]<%d.900000>" % at for at in range(1000))
        assert client.do(b"FETCH 1 (" + many + b")")[-1].startswith(b"NO [LIMIT] ")
        assert client.do(b"FETCH 1 (BODY.PEEK[] BODY.PEEK[TEXT] BODY.PEEK[1])")[-1].startswith(b"OK ")
        assert peak_octets(server) - before < 24 * MIB


NAMES = ["../bob", "..", ".", "/", "//", "a//b", "/etc/passwd", "a/../../bob", "INBOX/..", ".hidden", "x.y", "cur", "new", "tmp",
         "../../bob/Maildir", "a\\\\b", "~root", "x" * 300, "/".join("abcdefgh") * 40, "&", "&AAA-", "&-", "&ZeVnLIqe-", "%", "*",
         "maildirfolder", "dovecot-uidlist", "INBOX", "inbox", "a\tb", "a\x7fb"]  # fmt: skip


def test_names_lead_nowhere_else(home: Home) -> None:
    outside = sorted(path for path in Path(home.path).rglob("*") if inbox(home) not in path.parents)
    any_octet = [bytes((octet,)) for octet in (*range(1, 32), *range(126, 256, 9)) if octet not in b"\r\n"]
    with serve(home, "imapd", "imap") as server, Imap(server.ports["imap"]) as client:
        client.login("alice")
        for name in [*(name.encode() for name in NAMES), *any_octet]:
            for form in (b'CREATE "%s"', b'SELECT "%s"', b"UNSELECT", b'RENAME "%s" "other"', b'RENAME "other" "%s"', b'STATUS "%s" (MESSAGES)',
                         b'SUBSCRIBE "%s"', b'LIST "" "%s"', b'DELETE "%s"', b'DELETE "other"'):  # fmt: skip
                line = form.replace(b"%s", name)
                answer = client.do(line)[-1]
                assert answer[:3] in (b"OK ", b"NO ", b"BAD"), (line, answer)
                if answer.startswith(b"BAD"):
                    client.do("NOOP")
        assert client.do("SELECT INBOX")[-1].startswith(b"OK ")
    assert quiet(server), server.log[-3000:]
    known = {Path(home.path, "imapd.log"), Path(home.path, "control/workers")}
    after = sorted(
        path
        for path in Path(home.path).rglob("*")
        if inbox(home) not in path.parents and path not in known and Path(home.run) not in path.parents
    )
    assert after == [path for path in outside if path not in known]


@pytest.mark.parametrize("how", ["close", "reset", "kill"])
def test_append_cut_in_the_middle_leaves_nothing(home: Home, how: str) -> None:
    with serve(home, "imapd", "imap") as server:
        for sent in (0, 1, 5_000, 399_999):
            with Imap(server.ports["imap"]) as client:
                client.login("alice")
                client.end.sendall(b"a APPEND INBOX {400000+}\r\n" + b"y" * sent)
                if how == "reset":
                    client.end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                elif how == "kill":
                    client.end.shutdown(socket.SHUT_WR)
                    rest(client)
            assert served(server)
        server.stop()
        assert os.listdir(inbox(home) / "tmp") == os.listdir(inbox(home) / "new") == os.listdir(inbox(home) / "cur") == []
    assert quiet(server)


class Follower:
    """A client that keeps its own count of messages and UIDs from what it is told, as RFC 9051 7.5.1 has it."""

    def __init__(self, port: int) -> None:
        self.client = Imap(port)
        self.client.login("alice")
        self.uids: list[int] = []
        self.do("SELECT INBOX")
        self.learn()

    def do(self, line: str) -> None:
        answer = self.client.do(line)
        # No EXPUNGE may come during FETCH, STORE and SEARCH (RFC 9051 7.5.1).
        unasked = line.split()[0] in ("FETCH", "STORE", "SEARCH")
        for told in answer[:-1]:
            if found := re.match(rb"\* (\d+) EXPUNGE", told):
                assert not unasked, (line, told)
                del self.uids[int(found[1]) - 1]
            elif found := re.match(rb"\* (\d+) EXISTS", told):
                assert int(found[1]) >= len(self.uids), (line, told)
                self.uids += [0] * (int(found[1]) - len(self.uids))
            elif found := re.match(rb"\* (\d+) FETCH \(.*UID (\d+)", told):
                at, uid = int(found[1]) - 1, int(found[2])
                assert self.uids[at] in (0, uid), (line, told, self.uids)
                self.uids[at] = uid
        assert answer[-1].startswith((b"OK ", b"NO ")), (line, answer[-1])

    def learn(self) -> None:
        if self.uids:
            self.do("FETCH 1:* (UID FLAGS)")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_sessions_expunge_each_other(home: Home, seed: int) -> None:
    fill(home, 30)
    choice = random.Random(seed)
    with serve(home, "imapd", "imap") as server:
        pair = [Follower(server.ports["imap"]), Follower(server.ports["imap"])]
        for step in range(150):
            one = choice.choice(pair)
            number = choice.randint(1, len(one.uids)) if one.uids else 0
            what = choice.choice(("delete", "delete", "expunge", "fetch", "append", "noop", "search", "move", "remove"))
            if what == "append":
                one.do("APPEND INBOX {14+}\r\nSubject: x\r\n\r\n")
            elif what == "remove" and (found := list(inbox(home).glob("cur/*"))):
                choice.choice(sorted(found)).unlink()
            elif what in ("expunge", "noop"):
                one.do(what.upper())
            elif what == "search":
                one.do("SEARCH DELETED")
            elif number and what == "delete":
                one.do(f"STORE {number} +FLAGS (\\Deleted)")
            elif number and what == "fetch":
                one.do(f"FETCH {number}:* (UID FLAGS BODY.PEEK[])")
            elif number and what == "move" and step % 10 == 0:
                one.do("CREATE Elsewhere")  # which may tell of messages that have gone
                one.do(f"MOVE {min(number, len(one.uids))} Elsewhere" if one.uids else "NOOP")
        for one in (*pair, *pair):
            one.do("NOOP")
            one.learn()
        assert pair[0].uids == pair[1].uids and 0 not in pair[0].uids
        assert len(pair[0].uids) == len(list(inbox(home).glob("cur/*"))) + len(list(inbox(home).glob("new/*")))
        for one in pair:
            one.client.close()
    assert quiet(server), server.log[-3000:]


@pytest.mark.parametrize("loss", ["gone", "file", "link", "cur", "loop"])
def test_directories_vanish_under_a_session(home: Home, loss: str) -> None:
    fill(home, 3)
    with serve(home, "imapd", "imap") as server, Imap(server.ports["imap"]) as client:
        client.login("alice")
        assert client.do("SELECT INBOX")[-1].startswith(b"OK ")
        target = inbox(home) / "cur" if loss == "cur" else inbox(home)
        shutil.move(target, Path(home.path) / "aside")
        if loss in ("file", "cur"):
            target.write_bytes(b"")
        elif loss == "link":
            target.symlink_to("/nonexistent")
        elif loss == "loop":
            target.symlink_to(target)
        for line in ("NOOP", "FETCH 1:* (FLAGS BODY[])", "STORE 1 +FLAGS (\\Seen)", "SEARCH TEXT x", "EXPUNGE", "STATUS INBOX (MESSAGES)",
                     "COPY 1 INBOX", "CREATE New", 'LIST "" *', "SUBSCRIBE x", "APPEND INBOX {14+}\r\nSubject: x\r\n\r\n",
                     "SELECT INBOX", "CLOSE", "RENAME New Old", "DELETE Old"):  # fmt: skip
            answer = client.do(line)
            assert answer and not any(b"SERVERBUG" in told for told in answer), (line, answer)
            if any(told.startswith(b"* BYE ") for told in answer):
                client.close()
                client.open()
                client.login("alice")
        if target.is_symlink() or target.is_file():
            target.unlink()
        else:
            shutil.rmtree(target, ignore_errors=True)
        shutil.move(Path(home.path) / "aside", target)
    troubles = [line for line in server.log.splitlines() if line.startswith("trouble ")]
    assert all(str(inbox(home)) in line and "b'" not in line for line in troubles), troubles
    with serve(home, "imapd", "imap") as again, Imap(again.ports["imap"]) as client:
        client.login("alice")
        assert client.do("SELECT INBOX")[-1].startswith(b"OK ")
        assert sum(b"BODY[] {" in line for line in client.do("FETCH 1:* BODY.PEEK[]")) == 3
    assert quiet(server), server.log[-3000:]


POP3 = [
    b"USER " + b"x" * MIB + b"\r\n",
    b"\0" * 100_000,
    b"NOOP\r\n" * 10_000,
    b"CAPA\r\n" * 10_000,
    b"USER alice@example.test\r\nPASS secret\r\n" + b"RETR 99999999999999999999\r\nDELE -1\r\nTOP 1 99999999999999999999\r\nLIST \xb2\r\n" * 4,
    b"USER alice@example.test\r\nPASS secret\r\n" + b"RETR 1\r\n" * 2_000,
    b"AUTH PLAIN\r\n" + b"A" * MIB,
]


def test_pop3_rubbish(home: Home) -> None:
    fill(home, 1, 900_000)
    with serve(home, "pop3d", "pop3") as server:
        assert pop3_served(server)
        before = peak_octets(server)
        for rubbish in POP3:
            with socket.create_connection(("127.0.0.1", server.ports["pop3"]), 20) as end:
                end.setblocking(False)
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    end.send(rubbish)
                assert pop3_served(server), rubbish[:60]
        assert peak_octets(server) - before < 24 * MIB
    assert quiet(server), server.log[-3000:]


def pop3_served(server: Server) -> bool:
    """Does an honest user get four positive answers?"""
    with socket.create_connection(("127.0.0.1", server.ports["pop3"]), 20) as end:
        end.sendall(b"USER bob@example.test\r\nPASS secret\r\nQUIT\r\n")
        return b"".join(iter(lambda: end.recv(4096), b"")).count(b"+OK") == 4
