"""The counters: each is moved by something real, none is counted twice, and they outlast the processes."""

from __future__ import annotations

import itertools
import os
import signal
import smtplib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailkit import clock, counters, log
from mailkit.control import Home
from mailkit.net import serve
from mailkit.net.blocking import BlockingConn
from mailkit.net.blocking import run as run_blocking
from mailkit.programs import counters as program
from mailkit.queue import drop, inject
from mailkit.queue.entry import Envelope, Recipient
from tests.deliver.homes import queue
from tests.harness import servers
from tests.harness.homes import make_home, set_control

Samples = dict[str, int]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path, tls=True)
    set_control(home, "clearauth", "yes")
    set_control(home, "authdelay", "0")
    inject.prepare(home)
    return home


@pytest.fixture
def counting(home: Home) -> Iterator[None]:
    """This process counts, until the end of the test."""
    counters.start(home.run, "test")
    yield
    counters.flush(1)
    counters._tally, log.counting = None, None


def told(home: Home) -> Samples:
    """What is printed, by sample."""
    lines = [line.rpartition(" ") for line in program.exposition(home).splitlines() if line[0] != "#"]
    return {name: int(value) for name, _, value in lines}


def until(home: Home, condition: Callable[[Samples], object]) -> Samples:
    """What another process counts can only be looked for."""
    end = clock.monotonic() + 20
    while not condition(found := told(home)):
        assert clock.monotonic() < end, found
        clock.sleep(0.02)
    return found


def mail(server: servers.Server, home: Home) -> None:
    """One message accepted, one recipient refused, one handshake that fails."""
    with smtplib.SMTP("127.0.0.1", server.ports["mx"], "client.example.net") as client:
        refused = client.sendmail("carol@example.net", ["alice@example.test", "nobody@example.test"], "Subject: x\n\nhello\n")
        assert refused["nobody@example.test"][0] == 550
        client.docmd("STARTTLS")
        assert client.sock is not None
        client.sock.sendall(b"this is no handshake\r\n")


def logins(server: servers.Server) -> None:
    """Two that succeed, one that does not."""
    for password in ("secret", "secret", "wrong"):
        with socket.create_connection(("127.0.0.1", server.ports["imap"])) as client:
            file = client.makefile("rwb", buffering=0)
            file.readline()
            file.write(f"a login alice@example.test {password}\r\n".encode())
            while not (line := file.readline()).startswith(b"a "):
                assert line
            assert line.startswith(b"a OK" if password == "secret" else b"a NO")


def test_every_counter_is_moved_by_a_real_action(home: Home, counting: None) -> None:
    set_control(home, "routes", "elsewhere.example [127.0.0.1]:1")
    set_control(home, "maxperip", "1")
    with servers.serve(home, "smtpd", "mx") as server:
        mail(server, home)
        until(home, lambda found: "close c=" in server.log)
        with socket.create_connection(("127.0.0.1", server.ports["mx"])) as first:
            assert first.recv(100).startswith(b"220")
            with socket.create_connection(("127.0.0.1", server.ports["mx"])) as second:
                assert second.recv(100).startswith(b"421")
            found = until(home, lambda found: found.get('mailkit_sessions_open{service="mx"}'))
            assert found['mailkit_sessions_open{service="mx"}'] == 1
    set_control(home, "maxperip", "0")
    with servers.serve(home, "imapd", "imap") as server:
        logins(server)
    with servers.serve(home, "pop3d", "pop3", workers=2) as server:
        until(home, lambda found: len(children(server.process.pid)) >= 2)
        os.kill(children(server.process.pid)[-1], signal.SIGKILL)
        until(home, lambda found: found["mailkit_workers_died_total"])
    queue(home, "bob@example.test", sender="alice@example.test")
    queue(home, "left@example.test", sender="alice@example.test")
    queue(home, "x@elsewhere.example", sender="alice@example.test")
    drop.deposit(home, Envelope("alice@example.test", [Recipient("bob@example.test")]), [b"Subject: y\n\nhello\n"])
    subprocess.run(servers.program("runq", "--home", home.path, "--once"), check=True, env=servers.environment(), stderr=subprocess.DEVNULL)
    serve_a_session_that_breaks()
    counters.flush(1)

    found = told(home)
    assert found == {
        'mailkit_sessions_total{service="mx"}': 2,
        'mailkit_sessions_total{service="imap"}': 3,
        'mailkit_sessions_total{service="broken"}': 1,
        'mailkit_sessions_refused_total{limit="maxperip"}': 1,
        "mailkit_tls_failures_total": 1,
        'mailkit_logins_total{service="imap"}': 2,
        'mailkit_login_failures_total{reason="failed"}': 1,
        "mailkit_accepted_total": 1,
        "mailkit_dropped_in_total": 1,
        'mailkit_refused_total{reason="route-unknown"}': 1,
        'mailkit_delivered_total{by="local"}': 4,  # alice's, bob's two, and the bounce
        'mailkit_deferred_total{by="remote"}': 1,
        'mailkit_bounced_total{by="route"}': 1,
        'mailkit_reports_total{kind="failed"}': 1,
        "mailkit_errors_total": 1,
        "mailkit_workers_died_total": 1,
        'mailkit_queue_messages{state="ready"}': 0,
        'mailkit_queue_messages{state="new"}': 0,
        'mailkit_queue_messages{state="waiting"}': 1,
        'mailkit_queue_messages{state="held"}': 0,
        'mailkit_queue_messages{state="failed"}': 0,
        "mailkit_queue_oldest_seconds": found["mailkit_queue_oldest_seconds"],
    }
    moved = {sample.partition("{")[0] for sample, value in found.items() if value} | {"mailkit_sessions_open"}
    assert {row.name for row in counters.COUNTERS} <= moved
    assert set(program.GAUGES) <= {sample.partition("{")[0] for sample in found}


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def serve_a_session_that_breaks() -> None:
    async def session(conn: object) -> None:
        raise RuntimeError("an error nobody expected")

    ours, theirs = socket.socketpair()
    with ours:
        conn = BlockingConn(theirs.detach(), os.dup(ours.fileno()), service="broken", owned=True)
        run_blocking(serve.attend(conn, serve.Service("broken", session)))


def test_processes_add_to_what_is_there_and_none_counts_twice(home: Home, counting: None) -> None:
    for _ in range(3):
        log.event("accept")
        counters.flush(1)
    pids = [fork_that(lambda: counters.flush(1)) for _ in range(3)]  # with what was counted before the fork
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0, 0]
    for _ in range(4):
        answer, _, status = servers.converse(home, "smtpd", b"QUIT\r\n", "--service", "mx")
        assert status == 0 and answer
    found = told(home)
    assert found["mailkit_accepted_total"] == 3
    assert found['mailkit_sessions_total{service="mx"}'] == 4


def test_a_session_alone_in_its_process_counts_while_it_lasts(home: Home) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        command = servers.program("pop3d", "--home", home.path, "--service", "pop3")
        with theirs:
            process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, env=servers.environment())
        try:
            assert until(home, lambda found: found.get('mailkit_sessions_open{service="pop3"}'))
        finally:
            process.kill()
            process.wait()
    assert 'mailkit_sessions_open{service="pop3"}' not in told(home)
    assert told(home)['mailkit_sessions_total{service="pop3"}'] == 1


def fork_that(action: Callable[[], None]) -> int:
    pid = os.fork()
    if not pid:
        try:
            action()
        finally:
            os._exit(0)
    return pid


def test_threads_lose_no_counts(home: Home, counting: None, lines: list[str]) -> None:
    def count() -> None:
        for _ in itertools.repeat(None, 500):
            log.event("accept")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counters.flush(1)
    assert told(home)["mailkit_accepted_total"] == 2000


def test_sessions_of_processes_that_are_gone_are_not_open(home: Home, counting: None) -> None:
    path = Path(home.run, "counters", f"{clock.host()}.test")
    log.event("connect", service="mx")
    counters.flush(1)
    dead = fork_that(lambda: None)
    os.waitpid(dead, 0)
    path.write_text(path.read_text() + f'mailkit_sessions_open{{service="mx",pid="{dead}"}} 7\n')
    assert told(home)['mailkit_sessions_open{service="mx"}'] == 1
    log.event("close", service="mx")
    counters.flush(1)
    assert "sessions_open" not in path.read_text()


@pytest.mark.parametrize("rubbish", [b"\0\xff\n", b"mailkit_accepted_total x\n", b'a{pid="99999999999999999999"} 1\n', b"\n\n"])
def test_a_file_with_rubbish_hinders_nobody(home: Home, counting: None, rubbish: bytes) -> None:
    path = Path(home.run, "counters", f"{clock.host()}.test")
    path.parent.mkdir()
    path.write_bytes(rubbish)
    log.event("accept")
    counters.flush(1)
    assert told(home)["mailkit_accepted_total"] == 1


def test_counts_wait_where_they_cannot_be_written(home: Home, counting: None) -> None:
    directory = Path(home.run, "counters")
    directory.write_text("in the way")
    log.event("accept")
    counters.flush(1)
    directory.unlink()
    counters.flush(1)
    assert told(home)["mailkit_accepted_total"] == 1


def test_a_stuck_worker_is_replaced(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        environment = {**servers.environment(), "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "4000000"}
        monkeypatch.setattr("tests.harness.servers.environment", lambda: environment)
        with servers.serve(home, "pop3d", "pop3", workers=2) as server:
            assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"WATCHDOG=1"]
            stuck = children(server.process.pid)[-1]
            os.kill(stuck, signal.SIGSTOP)
            until(home, lambda found: found["mailkit_workers_died_total"])
            assert f"pid={stuck} stuck_s=2" in server.log
            with socket.create_connection(("127.0.0.1", server.ports["pop3"])) as client:
                assert client.recv(100).startswith(b"+OK")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_nobody_needs_ends_and_takes_who_comes_first(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int
) -> None:
    set_control(home, "idlestop", "1")
    environment = {**servers.environment(), "NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "8000000"}
    monkeypatch.setattr("tests.harness.servers.environment", lambda: environment)
    set_control(home, "workers", str(workers))
    with servers.listening("pop3") as ends:
        server = servers.start(home, "pop3d", ends)
        try:
            with socket.create_connection(("127.0.0.1", server.ports["pop3"])) as client:
                assert client.recv(100).startswith(b"+OK")
                with pytest.raises(subprocess.TimeoutExpired):
                    server.process.wait(4)  # somebody is here
                client.sendall(b"NOOP\r\n")
                assert client.recv(100).startswith(b"-ERR")
            assert server.process.wait(60) == 0
            assert "worker" not in server.log
            with socket.create_connection(("127.0.0.1", server.ports["pop3"])) as client:
                again = servers.start(home, "pop3d", ends)  # as systemd does for a connection that waits
                try:
                    assert client.recv(100).startswith(b"+OK")
                finally:
                    again.stop()
        finally:
            server.stop()


@pytest.mark.parametrize(("name", "workers"), [("pop3d", "1"), ("runq", "1")])
def test_one_process_tells_the_service_manager_itself(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, workers: str
) -> None:
    set_control(home, "workers", workers)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, servers.listening(*["pop3"][: name == "pop3d"]) as ends:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        environment = {**servers.environment(), "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        monkeypatch.setattr("tests.harness.servers.environment", lambda: environment)
        server = servers.start(home, name, ends)
        try:
            assert {manager.recv(100) for _ in range(4)} == {b"READY=1", b"WATCHDOG=1"}
        finally:
            server.stop()


def test_prometheus_may_ask_by_http(home: Home, counting: None) -> None:
    log.event("accept")
    counters.flush(1)
    answers = {}
    for request in (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"HEAD /metrics HTTP/1.1\r\n\r\n", b"GET /x HTTP/1.1\r\n\r\n", b"nonsense"):
        answer, _, status = servers.converse(home, "counters", request, "--http")
        assert status == 0
        answers[request[:8]] = answer
    head, _, body = answers[b"GET /met"].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and b"Content-Length: %d\r\n" % len(body) in head + b"\r\n"
    assert b"version=0.0.4" in head and b"\nmailkit_accepted_total 1\n" in body
    assert answers[b"HEAD /me"].endswith(b"close\r\n\r\n")
    assert answers[b"GET /x H"].startswith(b"HTTP/1.1 404 ")
    assert answers[b"nonsense"].startswith(b"HTTP/1.1 405 ")


def test_a_file_for_node_exporter(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "mailkit.prom"
    assert program.main(["--home", home.path, "--output", str(path)]) == 0
    assert path.read_text() == program.exposition(home)
    assert path.stat().st_mode & 0o777 == 0o644
    assert program.main(["--home", home.path, "--output", str(tmp_path / "no" / "where")]) == 111


def test_prometheus_reads_it(home: Home, counting: None) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    log.event("accept")
    log.event("refuse", by='a "check"\nof \\mine')
    counters.flush(1)
    families = list(parser.text_string_to_metric_families(program.exposition(home)))
    samples = {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
    assert samples["mailkit_accepted_total",] == 1
    assert samples["mailkit_refused_total", 'a "check"\nof \\mine'] == 1
    assert {family.type for family in families} == {"counter", "gauge"}


def test_every_counter_is_in_the_page() -> None:
    page = (servers.ROOT / "man" / "mailkit-counters.8").read_text()
    for name in {row.name for row in counters.COUNTERS} | set(program.GAUGES):
        assert f".It Ic {name}\n" in page
