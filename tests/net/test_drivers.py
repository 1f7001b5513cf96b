"""Both drivers give a session the same connection."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailkit import clock
from mailkit.control import Home
from mailkit.net import blocking, loop
from mailkit.net.blocking import BlockingConn
from mailkit.net.certificates import Certificates
from mailkit.net.conn import Gone, Stopping, Timeout
from mailkit.net.loop import Pool
from mailkit.net.loopconn import LoopConn
from mailkit.net.serve import Service, attend
from mailkit.programs import setup
from tests.harness import programs
from tests.harness.servers import tcp_pair
from tests.harness.waits import readable


def certify(home: Home, name: str = "mail.example.test") -> bytes:
    """Write a certificate for `name`; its PEM."""
    certificate, key = setup.self_signed(name)
    os.makedirs(home.join("tls", name), exist_ok=True)
    Path(home.join("tls", name, "cert.pem")).write_bytes(certificate)
    Path(home.join("tls", name, "key.pem")).write_bytes(key)
    return certificate


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(str(tmp_path))
    os.makedirs(home.join("control"))
    Path(home.join("control", "me")).write_text("mail.example.test\n")
    certify(home)
    return home


@pytest.fixture(params=["ssl", "pyOpenSSL"])
def library(request: pytest.FixtureRequest, home: Home) -> str:
    """Who makes the handshakes."""
    if request.param == "pyOpenSSL":
        if importlib.util.find_spec("OpenSSL") is None:
            programs.absent("pyOpenSSL is not installed")
        Path(home.join("control", "channelbinding")).write_text("yes\n")
    return str(request.param)


either_library = pytest.mark.usefixtures("library")


class InThread:
    """A session on one end of a socket pair, in a thread; the other end is the test's."""

    def __init__(
        self,
        driver: str,
        home: Home,
        service: Service,
        ends: tuple[socket.socket, socket.socket] | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self.client, self.server = ends or socket.socketpair()
        self.client.settimeout(10)
        self.service = service
        self.certificates = certificates or Certificates(home)
        self.pool: Pool | None = None
        self.conn: Any = None
        self.started = threading.Event()
        self.thread = threading.Thread(target=self._loop if driver == "loop" else self._blocking)
        self.thread.start()
        self.started.wait(10)

    def _blocking(self) -> None:
        fd = os.dup(self.server.fileno())
        self.conn = BlockingConn(fd, fd, service="test", certificates=self.certificates, owned=True)
        self.started.set()
        blocking.run(attend(self.conn, self.service))
        self.server.close()

    def _loop(self) -> None:
        loop.run(self._in_loop)

    async def _in_loop(self) -> None:
        self.pool = pool = Pool(self.certificates)
        self.conn = conn = LoopConn(pool, "test", None)
        self.server.setblocking(False)
        await pool.loop.connect_accepted_socket(lambda: conn, self.server)
        self.started.set()
        try:
            await attend(conn, self.service)
        finally:
            pool.close()
            await asyncio.sleep(0)
            self.server.close()

    def end(self) -> None:
        self.client.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


Start = Callable[..., InThread]


@pytest.fixture(params=["blocking", "loop"])
def start(request: pytest.FixtureRequest, home: Home) -> Iterator[Start]:
    """Starts a session; ends: the client's and the server's; of_one_server: in a server that was there before."""
    certificates = Certificates(home)
    with contextlib.ExitStack() as stack:

        def begin(
            session: Callable[[Any], Any],
            ends: tuple[socket.socket, socket.socket] | None = None,
            of_one_server: bool = False,
            **kwargs: Any,
        ) -> InThread:
            service = Service("test", session, **kwargs)
            thread = InThread(request.param, home, service, ends, certificates if of_one_server else None)
            stack.callback(thread.end)
            return thread

        yield begin


def receive(client: Any, size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := client.recv(size - len(data))):
        data += chunk
    return data


async def echo(conn: Any) -> None:
    while data := await conn.more():
        conn.write(data.upper())
        await conn.flush()


def test_octets_in_and_out(start: Start) -> None:
    there = start(echo)
    there.client.sendall(b"hello")
    assert receive(there.client, 5) == b"HELLO"


def test_end_of_file_is_no_octets(start: Start) -> None:
    seen: list[bytes] = []

    async def session(conn: Any) -> None:
        seen.append(await conn.more())
        seen.append(await conn.more())
        conn.write(b"bye")

    there = start(session)
    there.client.sendall(b"x")
    there.client.shutdown(socket.SHUT_WR)
    assert receive(there.client, 3) == b"bye"
    assert seen == [b"x", b""]


def test_more_sends_what_is_queued_first(start: Start) -> None:
    async def session(conn: Any) -> None:
        conn.write(b"greeting")
        await conn.more()

    assert receive(start(session).client, 8) == b"greeting"


def test_a_big_answer_reaches_a_slow_reader(start: Start) -> None:
    async def session(conn: Any) -> None:
        for _ in range(100):
            conn.write(b"x" * 65536)
            await conn.flush()

    there = start(session)
    assert len(receive(there.client, 100 * 65536)) == 100 * 65536


def test_a_silent_peer_times_out(start: Start) -> None:
    async def session(conn: Any) -> None:
        conn.idle_s = 0.05
        try:
            await conn.more()
        except Timeout:
            conn.write(b"421 too slow")
            await conn.flush()

    assert receive(start(session).client, 12) == b"421 too slow"


def test_the_session_as_a_whole_may_be_limited(home: Home) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        conn = BlockingConn(theirs.fileno(), theirs.fileno(), service="test", total_s=0.01)
        with pytest.raises(Timeout):
            blocking.run(conn.more())


def test_a_peer_that_vanishes_is_gone(start: Start) -> None:
    done = threading.Event()

    async def session(conn: Any) -> None:
        await conn.more()
        try:
            while True:
                conn.write(b"x" * 100000)
                await conn.flush()
        except Gone:
            done.set()

    there = start(session)
    there.client.sendall(b"go")
    there.client.close()
    assert done.wait(10)


def test_the_last_words_of_a_peer_that_hangs_up_hard_are_heard(start: Start) -> None:
    heard: list[bytes] = []
    busy, hung_up, done = threading.Event(), threading.Event(), threading.Event()

    async def session(conn: Any) -> None:
        await conn.more()
        busy.set()
        assert hung_up.wait(10)  # nobody reads meanwhile
        try:
            while True:
                conn.write(b"x" * 1000)
                await conn.flush()
        except Gone:
            heard.append(await conn.more())
            done.set()

    there = start(session, ends=tcp_pair())
    there.client.sendall(b"go")
    assert busy.wait(10)
    there.client.sendall(b"no more, please")
    there.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    there.client.close()
    hung_up.set()
    assert done.wait(10)
    assert heard == [b"no more, please"]


def test_stopping_ends_the_wait_but_not_the_goodbye(start: Start) -> None:
    waiting = threading.Event()

    async def session(conn: Any) -> None:
        waiting.set()
        try:
            await conn.more()
        except Stopping:
            conn.write(b"421 closing")
            await conn.flush()

    there = start(session)
    assert waiting.wait(10)
    if there.pool is not None:
        there.pool.loop.call_soon_threadsafe(there.pool.stop)
        assert receive(there.client, 11) == b"421 closing"
    else:
        there.conn._stopping = True  # a signal would; the next wait sees it
        there.client.close()


@either_library
def test_starttls_forgets_what_came_in_the_clear(start: Start) -> None:
    after: list[bytes] = []

    async def session(conn: Any) -> None:
        data = await conn.more()
        while b"STARTTLS\r\n" not in data:
            data += await conn.more()
        conn.write(b"220 go\r\n")
        assert conn.can_starttls
        await conn.starttls()
        assert not conn.can_starttls
        conn.write(conn.tls.version.encode() + b" " + conn.tls.sni.encode() + b"\r\n")
        after.append(await conn.more())
        conn.write(b"got " + after[0])

    there = start(session)
    there.client.sendall(b"STARTTLS\r\n")
    assert receive(there.client, 8) == b"220 go\r\n"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(there.client, server_hostname="mail.example.test") as tls:
        assert receive(tls, 27) == b"TLSv1.3 mail.example.test\r\n"
        tls.sendall(b"secret")
        assert receive(tls, 10) == b"got secret"
    assert after == [b"secret"]


@either_library
def test_commands_smuggled_before_tls_never_reach_the_session(start: Start, lines: list[str]) -> None:
    reached = threading.Event()

    async def session(conn: Any) -> None:
        await conn.more()
        conn.write(b"220 go\r\n")
        await conn.starttls()
        reached.set()

    there = start(session)
    there.client.sendall(b"STARTTLS\r\n")
    assert receive(there.client, 8) == b"220 go\r\n"
    there.client.sendall(b"MAIL FROM:<evil@example.test>\r\n")
    with contextlib.suppress(OSError):
        while there.client.recv(1000):
            pass
    there.end()
    assert not reached.is_set()
    assert any(line.startswith("tls ") for line in lines), lines


@either_library
def test_half_a_handshake_is_one_log_line(start: Start, lines: list[str]) -> None:
    async def session(conn: Any) -> None:
        raise AssertionError("unreachable")

    there = start(session, implicit_tls=True)
    there.client.sendall(b"\x16\x03\x01\x02\x00")
    there.end()
    assert [line.split()[0] for line in lines] == ["connect", "tls", "close"]


def test_offload_and_pause(start: Start) -> None:
    async def session(conn: Any) -> None:
        await conn.pause(0.01)
        conn.write(await conn.offload(bytes.upper, b"done"))

    assert receive(start(session).client, 4) == b"DONE"


def test_what_is_queued_is_on_its_way_while_work_is_done(start: Start) -> None:
    heard = threading.Event()

    def work() -> bytes:
        assert heard.wait(10)
        return b"DONE"

    async def session(conn: Any) -> None:
        conn.write(b"first")
        conn.write(await conn.alongside(work))

    client = start(session).client
    assert receive(client, 5) == b"first"
    heard.set()
    assert receive(client, 4) == b"DONE"


def test_a_watch_wakes_the_wait(start: Start, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    ready = threading.Event()
    seen: list[object] = []

    async def session(conn: Any) -> None:
        watch = conn.watch([str(tmp_path / "new")])
        ready.set()
        seen.append(await conn.more(wake=True))
        conn.write(b"EXISTS")
        await conn.flush()
        seen.append(await conn.more(wake=True))
        watch.close()

    there = start(session)
    assert ready.wait(10)
    (tmp_path / "new" / "message").write_text("x")
    assert receive(there.client, 6) == b"EXISTS"
    there.client.sendall(b"DONE")
    there.thread.join(10)
    assert seen == [None, b"DONE"]


def test_an_unexpected_error_is_logged_and_closes(start: Start, lines: list[str]) -> None:
    async def session(conn: Any) -> None:
        raise KeyError("what")

    there = start(session)
    assert there.client.recv(1) == b""
    there.thread.join(10)
    assert any(line.startswith("broken ") and "KeyError" in line for line in lines)


@either_library
def test_sni_chooses_and_a_renewed_certificate_is_seen(start: Start, home: Home) -> None:
    certify(home, "other.example.test")

    async def session(conn: Any) -> None:
        conn.write(b"hi")
        await conn.more()

    def served(name: str) -> bytes:
        there = start(session, implicit_tls=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(there.client, server_hostname=name) as tls:
            receive(tls, 2)
            der = tls.getpeercert(binary_form=True)
        assert der
        return der

    def written(name: str) -> bytes:
        return ssl.PEM_cert_to_DER_cert(Path(home.join("tls", name, "cert.pem")).read_text())

    assert served("other.example.test") == written("other.example.test")
    assert served("unknown.example.test") == written("mail.example.test")
    certify(home, "other.example.test")
    assert served("other.example.test") == written("other.example.test")


def test_a_name_from_the_wire_never_becomes_a_path(home: Home, tmp_path: Path) -> None:
    certify(home, "../elsewhere")
    certificates = Certificates(home)
    for asked in ("../elsewhere", "..", "/etc", ".", "a/b", "", None):
        assert certificates.asked(asked) is None


@either_library
def test_a_broken_renewal_keeps_the_old_certificate(home: Home, lines: list[str]) -> None:
    certificates = Certificates(home)
    before = certificates.server()
    Path(home.join("tls", "mail.example.test", "cert.pem")).write_text("rubbish")
    assert certificates.server() is before
    assert any(line.startswith("tls ") for line in lines)


def test_end_point_binding_is_the_hash_of_the_certificate(home: Home) -> None:
    import hashlib

    from mailkit.net import tls

    der = ssl.PEM_cert_to_DER_cert(Path(home.join("tls", "mail.example.test", "cert.pem")).read_text())
    assert tls.end_point(der) == hashlib.sha256(der).digest()
    assert tls.end_point(b"rubbish") is None


def test_an_address_in_ipv6_clothes_reads_as_ipv4() -> None:
    assert blocking.host_and_port(("::ffff:192.0.2.1", 25, 0, 0)) == ("192.0.2.1", 25)
    assert blocking.host_and_port(("fe80::1%eth0", 25, 0, 0)) == ("fe80::1", 25)
    assert blocking.host_and_port("/run/lmtp") == ("", 0)


def test_pipes_have_no_peer() -> None:
    reader, writer = os.pipe()
    try:
        conn = BlockingConn(reader, writer, service="test")
        assert conn.peer == "" and not conn.can_starttls
        os.write(writer, b"x")
        assert readable(reader, 1)
        assert blocking.run(conn.more()) == b"x"
    finally:
        os.close(reader)
        os.close(writer)


def test_the_clock_is_not_the_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        conn = BlockingConn(theirs.fileno(), theirs.fileno(), service="test")
        conn.idle_s = 0
        with pytest.raises(Timeout):
            blocking.run(conn.more())
