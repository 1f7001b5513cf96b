"""Over real sockets, under both drivers: what memory cannot show. A thread plays the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailkit.control import Home
from mailkit.deliver import remote
from mailkit.deliver.outcome import Outcome
from mailkit.deliver.remote import kept, outside, race, routes
from mailkit.deliver.remote.routes import STRAIGHT
from mailkit.dns.answer import Answer
from mailkit.dns.resolve import Resolver
from mailkit.net import blocking, loop
from mailkit.net.loop import Pool
from mailkit.queue.entry import Recipient
from mailkit.smtp.client.dialogue import Limits
from tests.harness import zones

Talk = Callable[[socket.socket], None]
LARGE = b"Subject: large\n\n" + b"a line of a message that is larger than all buffers on the way\n" * 200_000


def _blocking(work: Callable[[], Any]) -> Any:
    return blocking.run(work())


DRIVERS = {"blocking": _blocking, "loop": loop.run}


@pytest.fixture(params=list(DRIVERS))
def driver(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return DRIVERS[request.param]


@contextlib.contextmanager
def serving(*talks: Talk) -> Iterator[int]:
    """A port where the n-th connection is served by the n-th of `talks`; each is kept open until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_ends: list[socket.socket] = []

    def serve() -> None:
        for talk in talks:
            with contextlib.suppress(OSError):
                end, _ = listener.accept()
                open_ends.append(end)
                talk(end)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        for end in open_ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()
        for end in open_ends:
            end.close()
        assert not thread.is_alive()


def answering(*replies: bytes) -> Talk:
    """Say the first reply, then one for each line read; then nothing is read or said any more."""

    def talk(end: socket.socket) -> None:
        end.sendall(replies[0])
        lines = end.makefile("rb")
        for reply in replies[1:]:
            lines.readline()
            end.sendall(reply)
        lines.close()

    return talk


def taking(messages: int) -> Talk:
    """A server as it should be, for so many messages; then it waits for QUIT."""

    def talk(end: socket.socket) -> None:
        end.sendall(b"220 mx\r\n")
        with end.makefile("rb") as lines:
            left = messages
            while line := lines.readline():
                if line.startswith(b"DATA"):
                    end.sendall(b"354 go on\r\n")
                    while lines.readline() != b".\r\n":
                        pass
                    left -= 1
                end.sendall(b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 ok\r\n")
                if line.startswith(b"QUIT"):
                    quits.append(left)
                    break
        ended.set()

    quits: list[int] = []
    ended = threading.Event()
    talk.quits = quits  # type: ignore[attr-defined]
    talk.ended = ended  # type: ignore[attr-defined]
    return talk


def _home(path: Path, port: int) -> Home:
    (path / "control").mkdir(exist_ok=True)
    (path / "control" / "me").write_text("client.example.test\n")
    (path / "control" / "routes").write_text(f"* [127.0.0.1]:{port} tls=off\n")
    return Home(str(path))


def _send(driver: Callable[..., Any], home: Home, text: bytes = b"Subject: x\n\nhello\n", times: int = 1) -> list[Outcome]:
    fd = os.memfd_create("message")
    os.write(fd, text)

    async def work() -> list[Outcome]:
        found: list[Outcome] = []
        try:
            for _ in range(times):
                found += await remote.attempt(home, "x.test", "a@x.test", [Recipient("b@x.test")], fd, 0, {})
        finally:
            await remote.close()
        return found

    try:
        return list(driver(work))
    finally:
        os.close(fd)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of a fraction of a second."""
    short = Limits(command=0.3, start=0.3, block=0.3, end=0.3, total=10)
    monkeypatch.setattr(outside.Outside, "limits", lambda self: short)


HELLO = (b"220 mx\r\n", b"250-mx\r\n250 SIZE\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n")


@pytest.mark.usefixtures("impatient")
def test_a_server_that_stops_reading(tmp_path: Path, driver: Callable[..., Any]) -> None:
    with serving(answering(*HELLO)) as port:
        (found,) = _send(driver, _home(tmp_path, port), LARGE)
    assert found.status == "temp"
    assert "stopped reading during message" in found.text


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("replies", [HELLO[:0], HELLO[:1], HELLO[:2], HELLO[:4]], ids=["nothing", "220", "EHLO", "RCPT"])
def test_a_server_that_says_no_more(tmp_path: Path, driver: Callable[..., Any], replies: tuple[bytes, ...]) -> None:
    with serving(answering(*replies) if replies else lambda end: None) as port:
        (found,) = _send(driver, _home(tmp_path, port))
    assert found.status == "temp" and "took too long" in found.text


def refuse_in_the_middle(end: socket.socket) -> None:
    """The message has begun."""
    answering(*HELLO)(end)
    end.recv(1000)
    end.sendall(b"552 5.3.4 too big\r\n")


def test_a_server_that_refuses_in_the_middle_of_a_message_and_hangs_up(
    tmp_path: Path, driver: Callable[..., Any]
) -> None:
    def talk(end: socket.socket) -> None:
        refuse_in_the_middle(end)
        end.shutdown(socket.SHUT_WR)
        while end.recv(1 << 20):
            pass

    with serving(talk) as port:
        (found,) = _send(driver, _home(tmp_path, port), LARGE)
    assert (found.status, found.code) == ("perm", "5.3.4")


def test_a_server_that_refuses_in_the_middle_of_a_message_and_is_gone(
    tmp_path: Path, driver: Callable[..., Any]
) -> None:
    def talk(end: socket.socket) -> None:
        refuse_in_the_middle(end)
        for _ in range(20):
            end.recv(100_000)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        end.close()

    with serving(talk) as port:
        (found,) = _send(driver, _home(tmp_path, port), LARGE)
    assert (found.status, found.code) == ("perm", "5.3.4")


def test_a_server_that_is_gone_when_the_message_comes(tmp_path: Path, driver: Callable[..., Any]) -> None:
    def talk(end: socket.socket) -> None:
        answering(*HELLO)(end)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        end.close()

    with serving(talk) as port:
        (found,) = _send(driver, _home(tmp_path, port), LARGE)
    assert found.status == "temp" and "closed the connection" in found.text


def test_nobody_listens(tmp_path: Path, driver: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (found,) = _send(driver, _home(tmp_path, port))
    assert (found.status, found.code) == ("temp", "4.4.1")
    assert "refused" in found.text


def test_one_connection_for_several_messages_then_quit(tmp_path: Path, driver: Callable[..., Any]) -> None:
    talk = taking(3)
    with serving(talk) as port:
        found = _send(driver, _home(tmp_path, port), times=3)
        assert [one.status for one in found] == ["ok"] * 3
        assert talk.ended.wait(10)  # type: ignore[attr-defined]
    assert talk.quits == [0]  # type: ignore[attr-defined]


def test_kept_connections_end_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "IDLE_S", 0.02)
    monkeypatch.setattr(outside, "_TIDY_S", 0.01)
    talk = taking(1)
    fd = os.memfd_create("message")
    os.write(fd, b"Subject: x\n\n")

    async def work() -> None:
        home = _home(tmp_path, port)
        (found,) = await remote.attempt(home, "x.test", "a@x.test", [Recipient("b@x.test")], fd, 0, {})
        assert found.ok
        shared = remote.shared(home)
        assert len(shared.kept) == 1
        async with asyncio.timeout(10):
            while len(shared.kept):
                await asyncio.sleep(0.005)
        await remote.close()

    with serving(talk) as port:
        loop.run(work)
        assert talk.ended.wait(10)  # type: ignore[attr-defined]
    os.close(fd)
    assert talk.quits == [0]  # type: ignore[attr-defined]


def test_name_servers_are_asked_in_threads_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Watched(zones.Zones):
        def __call__(self, name: str, kind: str) -> Answer:
            seen.append(threading.current_thread().name)
            return super().__call__(name, kind)

    records = {"x.test": {"MX": [(10, "mx.x.test")]}, "mx.x.test": {"A": ["203.0.113.251"]}}

    async def work() -> list[str]:
        resolver = Resolver(Watched(records))
        world = outside.Outside(_home(tmp_path, 1), Pool(), resolver=resolver)
        places = await world.places(STRAIGHT, "x.test")
        monkeypatch.setattr(world, "offload", None)
        places += await world.places(STRAIGHT, "x.test")  # what is in the cache needs no thread
        await world.close()
        return [place.ip for place in places]

    assert loop.run(work) == ["203.0.113.251"] * 2
    assert seen and all(name.startswith("dns") for name in seen)


@contextlib.contextmanager
def deaf(port: int) -> Iterator[str]:
    """An address where connections to `port` are never made, and never refused."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.2", port))
        listener.listen(0)
        for _ in range(2):  # what the kernel keeps for it; whoever comes then is not answered
            end = stack.enter_context(socket.socket())
            end.setblocking(False)
            end.connect_ex(("127.0.0.2", port))
        yield "127.0.0.2"


def test_the_address_that_answers_wins_and_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "STAGGER_S", 0.01)
    records = {"x.test": {"MX": [(10, "mx.x.test")]}, "mx.x.test": {"A": ["127.0.0.2", "127.0.0.1"]}}

    async def work() -> tuple[list[Outcome], list[str]]:
        resolver = Resolver(zones.Zones(records))
        world = outside.Outside(home, Pool(), resolver=resolver, ours=lambda ip: False)
        to = [Recipient("b@x.test")]
        found = await remote.attempt(home, "x.test", "a@x.test", to, fd, 0, {}, outside=world)
        places = await world.places(routes.choose(home, "", "x.test"), "x.test")
        await world.close()
        return found, [place.ip for place in places]

    fd = os.memfd_create("message")
    os.write(fd, b"Subject: x\n\n")
    talk = taking(1)
    with serving(talk) as port, deaf(port):
        home = _home(tmp_path, port)
        (tmp_path / "control" / "routes").write_text(f"* x.test:{port} tls=off\n")
        found, places = loop.run(work)
        assert talk.ended.wait(10)  # type: ignore[attr-defined]
    os.close(fd)
    assert found[0].ok
    assert places == ["127.0.0.1", "127.0.0.2"]


def test_one_outside_for_a_home_and_a_loop(tmp_path: Path) -> None:
    home = _home(tmp_path, 1)

    async def work() -> None:
        assert remote.shared(home) is remote.shared(home)
        seen.append(remote.shared(home))

    seen: list[Any] = []
    loop.run(work)
    loop.run(work)
    assert seen[0] is not seen[1]
    blocking.run(remote.close())
