"""Sessions as the user: through workers with the steward, and in a process that serves one connection."""

from __future__ import annotations

import contextlib
import imaplib
import os
import poplib
import signal
import socket
import ssl
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.confine.sites import GID, PASSWORD, UID, children, own, owners, served_by, site, status, until
from tests.harness.homes import set_control
from tests.harness.servers import Server, converse, serve

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")

CAROL = "carol@example.test"
MESSAGE = b"Subject: x\r\n\r\nhello\r\n"


@pytest.fixture
def home() -> Iterator[Home]:
    with site() as made:
        yield made


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextlib.contextmanager
def connected(server: Server, service: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.ports[service]), timeout=20) as end:
        if service.endswith("s"):
            with unchecked().wrap_socket(end) as tls:
                yield tls
        else:
            yield end


@contextlib.contextmanager
def logged_in(server: Server, user: str = CAROL) -> Iterator[imaplib.IMAP4]:
    client = imaplib.IMAP4_SSL("127.0.0.1", server.ports["imaps"], ssl_context=unchecked(), timeout=20)
    try:
        client.login(user, PASSWORD)
        yield client
    finally:
        client.logout()


def said(end: socket.socket, to: bytes) -> bytes:
    """What comes, through the line that holds `to`."""
    data = b""
    while to not in data or not data.endswith(b"\n"):
        octets = end.recv(65536)
        assert octets, data
        data += octets
    return data


def test_who_has_a_uid_is_served_under_it_with_nothing_of_root_left(home: Home) -> None:
    with serve(home, "imapd", "imaps") as server, logged_in(server) as client:
        assert client.append("INBOX", None, None, MESSAGE)[0] == "OK"
        (pid,) = served_by(UID)
        facts = status(pid)
        open_files = {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}
    assert facts["Uid"].split() == [str(UID)] * 4
    assert facts["Gid"].split() == [str(GID)] * 4
    assert facts["Groups"].split() == [str(GID)]
    assert facts["CapPrm"] == facts["CapEff"] == "0" * 16
    assert facts["NoNewPrivs"] == "1"
    assert owners(own(home)) == {(UID, GID, 0)}
    ours = {path for path in open_files if path.startswith("/tmp/") and not path.startswith(str(own(home)))}
    assert ours == {str(server.log_path)}  # standard error, and nothing else of the mail system's
    until(lambda: served_by(UID) == [])


def test_who_has_none_stays_in_the_worker(home: Home) -> None:
    with serve(home, "imapd", "imaps") as server, logged_in(server, "alice@example.test"):
        _, steward, _ = sorted(children(server.process.pid))  # what syncs, the steward, a worker
        assert children(steward) == []


def test_everybody_apart(home: Home) -> None:
    set_control(home, "separate", "all")
    with serve(home, "imapd", "imaps") as server, logged_in(server, "alice@example.test") as client:
        _, steward, _ = sorted(children(server.process.pid))  # what syncs, the steward, a worker
        (session,) = children(steward)
        assert status(session)["CapEff"] == f"{0b1011:016x}"
        assert client.append("INBOX", None, None, MESSAGE)[0] == "OK"
    assert list(Path(home.domains, "example.test", "alice", "Maildir").glob("*/*,S=*"))


@pytest.mark.parametrize("service", ["imap", "imaps"])
def test_what_was_sent_ahead_goes_along(home: Home, service: str) -> None:
    with serve(home, "imapd", service) as server, connected(server, service) as end:
        said(end, b"* OK")
        end.sendall(
            b"a LOGIN carol@example.test secret\r\nb SELECT INBOX\r\nc APPEND INBOX {5+}\r\nhello\r\nd LOGOUT\r\n"
        )
        answer = b""
        while octets := end.recv(65536):
            answer += octets
    tagged = [line.split()[:2] for line in answer.split(b"\r\n") if line[:2] in (b"a ", b"b ", b"c ", b"d ")]
    assert tagged == [[b"a", b"OK"], [b"b", b"OK"], [b"c", b"OK"], [b"d", b"OK"]]


def test_sasl_too(home: Home) -> None:
    with serve(home, "imapd", "imaps") as server:
        client = imaplib.IMAP4_SSL("127.0.0.1", server.ports["imaps"], ssl_context=unchecked(), timeout=20)
        assert client.authenticate("PLAIN", lambda _: f"\0{CAROL}\0{PASSWORD}".encode())[0] == "OK"
        assert len(served_by(UID)) == 1
        client.logout()


def test_what_is_large_arrives_whole_however_slowly_it_is_read(home: Home) -> None:
    message = b"Subject: x\r\n\r\n" + os.urandom(3 << 20).hex().encode()
    with serve(home, "imapd", "imaps") as server, connected(server, "imaps") as end:
        said(end, b"* OK")
        end.sendall(b"a LOGIN carol@example.test secret\r\nb APPEND INBOX {%d+}\r\n%s\r\n" % (len(message), message))
        said(end, b"b OK")
        worker = max(children(server.process.pid))
        before = int(status(worker)["VmRSS"].split()[0])
        end.sendall(b"c SELECT INBOX\r\n")
        said(end, b"c OK")
        end.sendall(b"d FETCH 1 BODY.PEEK[]\r\n")
        # The client does not read: what it does not take stays with the session, not in the worker.
        until(lambda: "S" in status(served_by(UID)[0])["State"])
        grown = int(status(worker)["VmRSS"].split()[0]) - before
        assert message in said(end, b"d OK"), server.log
    assert grown < 2048  # KiB


def test_compress_and_idle(home: Home) -> None:
    with serve(home, "imapd", "imaps") as server, connected(server, "imaps") as end:
        said(end, b"* OK")
        end.sendall(b"a LOGIN carol@example.test secret\r\nb SELECT INBOX\r\nc COMPRESS DEFLATE\r\n")
        assert b"c OK" in said(end, b"c "), server.log
        deflater, inflater = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)

        def heard(what: bytes) -> None:
            data = b""
            while what not in data:
                octets = end.recv(65536)
                assert octets, data
                data += inflater.decompress(octets)

        end.sendall(deflater.compress(b"d IDLE\r\n") + deflater.flush(zlib.Z_SYNC_FLUSH))
        heard(b"+ ")
        (own(home) / "Maildir" / "new" / "1.M1P1.host").write_bytes(MESSAGE)
        os.chown(own(home) / "Maildir" / "new" / "1.M1P1.host", UID, GID)
        heard(b"* 1 EXISTS")
        end.sendall(deflater.compress(b"DONE\r\ne LOGOUT\r\n") + deflater.flush(zlib.Z_SYNC_FLUSH))
        heard(b"e OK")


def test_the_end_of_the_server_is_said_and_waited_for(home: Home) -> None:
    with serve(home, "imapd", "imaps") as server, connected(server, "imaps") as end:
        said(end, b"* OK")
        end.sendall(b"a LOGIN carol@example.test secret\r\n")
        assert b"a OK" in said(end, b"a "), server.log
        server.process.send_signal(signal.SIGTERM)
        assert b"* BYE [UNAVAILABLE]" in said(end, b"* BYE")
        assert server.stop() == 0
    assert served_by(UID) == []


def test_a_client_that_leaves_takes_its_process_along(home: Home) -> None:
    with serve(home, "imapd", "imaps") as server:
        with connected(server, "imaps") as end:
            said(end, b"* OK")
            end.sendall(b"a LOGIN carol@example.test secret\r\n")
            assert b"a OK" in said(end, b"a "), server.log
            assert len(served_by(UID)) == 1
        until(lambda: served_by(UID) == [])


def test_a_worker_that_dies_leaves_no_session_behind(home: Home) -> None:
    with serve(home, "imapd", "imaps") as server, connected(server, "imaps") as end:
        said(end, b"* OK")
        end.sendall(b"a LOGIN carol@example.test secret\r\n")
        assert b"a OK" in said(end, b"a "), server.log
        os.kill(max(children(server.process.pid)), signal.SIGKILL)
        until(lambda: served_by(UID) == [])


def test_a_steward_that_dies_is_replaced(home: Home) -> None:
    with serve(home, "imapd", "imaps") as server:
        with logged_in(server):
            pass
        _, steward, _ = sorted(children(server.process.pid))
        os.kill(steward, signal.SIGKILL)
        with logged_in(server) as client:  # waits for the next one
            assert client.select("INBOX")[0] == "OK"


def test_too_many_are_told_to_come_later(home: Home) -> None:
    set_control(home, "maxconn", "1")
    with serve(home, "imapd", "imaps", workers=2) as server, connected(server, "imaps") as first:
        said(first, b"* OK")
        first.sendall(b"a LOGIN carol@example.test secret\r\n")
        said(first, b"a OK")
        answers: list[bytes] = []

        def tried() -> bool:
            try:
                with connected(server, "imaps") as second:
                    said(second, b"* OK")
                    second.sendall(b"a LOGIN carol@example.test secret\r\nb NOOP\r\n")
                    answers.append(said(second, b"b "))
            except (AssertionError, OSError):
                return False
            return True

        until(tried)  # the first worker, which is full, takes some of the connections
        assert b"a NO [UNAVAILABLE]" in answers[0] and b"b OK" in answers[0]


def test_a_uid_without_a_group_is_trouble_of_ours(home: Home) -> None:
    Path(home.passwd).write_text(f"carol@example.test:{{PLAIN}}{PASSWORD}:{UID}:::{own(home)}::\n")
    with serve(home, "imapd", "imaps") as server, connected(server, "imaps") as end:
        said(end, b"* OK")
        end.sendall(b"a LOGIN carol@example.test secret\r\n")
        assert b"a NO [UNAVAILABLE]" in said(end, b"a NO")
        assert end.recv(100) == b""
        assert "has no group" in server.log


def test_pop3(home: Home) -> None:
    with serve(home, "pop3d", "pop3s") as server:
        for _ in range(2):
            client = poplib.POP3_SSL("127.0.0.1", server.ports["pop3s"], context=unchecked(), timeout=20)
            client.user(CAROL)
            assert client.pass_(PASSWORD).startswith(b"+OK 0 messages")
            assert len(served_by(UID)) == 1
            client.quit()
            until(lambda: served_by(UID) == [])
    assert owners(own(home)) == {(UID, GID, 0)}


def test_pop3_in_use(home: Home) -> None:
    with serve(home, "pop3d", "pop3") as server:
        first, second = (poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=20) for _ in range(2))
        first.user(CAROL)
        first.pass_(PASSWORD)
        second.user(CAROL)
        with pytest.raises(poplib.error_proto, match="IN-USE"):
            second.pass_(PASSWORD)
        second.close()  # it has been closed on the other side: that process could serve nobody else
        first.quit()


@pytest.mark.parametrize("words", [(), ("--user", CAROL)])
def test_one_connection_becomes_the_user_in_place(home: Home, words: tuple[str, ...]) -> None:
    login = b"" if words else b"a LOGIN carol@example.test secret\r\n"
    data = login + b"b APPEND INBOX {5+}\r\nhello\r\nc SELECT INBOX\r\nd FETCH 1 (ENVELOPE BODY[])\r\ne LOGOUT\r\n"
    answer, log, code = converse(home, "imapd", data, *words)
    assert code == 0, log
    assert b"d OK" in answer and b"hello" in answer, log
    assert owners(own(home)) == {(UID, GID, 0)}


def test_a_process_of_one_user_does_not_go_back_before_the_login(home: Home) -> None:
    answer, log, _ = converse(home, "imapd", b"a LOGIN alice@example.test secret\r\nb UNAUTHENTICATE\r\nc LOGOUT\r\n")
    assert b"b BAD This process" in answer, log
    assert b"UNAUTHENTICATE" not in answer


def test_one_connection_of_pop3(home: Home) -> None:
    answer, log, _ = converse(home, "pop3d", b"USER carol@example.test\r\nPASS secret\r\nSTAT\r\nQUIT\r\n")
    assert answer.count(b"+OK") == 5, log
    assert owners(own(home)) == {(UID, GID, 0)}


def test_a_server_that_is_not_root_serves_as_it_is(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailkit.users import identity
    from mailkit.users.passwd import Passwd

    carol = Passwd(home).lookup(CAROL)
    assert carol is not None and identity.foreign(carol)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not identity.foreign(carol)
