"""Group commit: whoever is told that a message is on disk can rely on it, whichever way it got there."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailkit import clock, files
from mailkit.net import commit, loop, syncer
from tests.harness.crash import crashes
from tests.harness.servers import environment
from tests.harness.syncers import run, syncs, trust

TEXT = b"hello\n" * 100

# Publishes, has its syncer killed, publishes more; the names that are there at the end.
PROGRAM = """
import asyncio, os, pathlib, signal, sys
from mailkit import files
from mailkit.net import loop, syncer

home = sys.argv[1]

async def one(name):
    fd = files.create(f"{home}/tmp/{name}")
    files.write(fd, b"x")
    await files.publish(fd, f"{home}/tmp/{name}", f"{home}/new/{name}")

async def main():
    await asyncio.gather(*(one(i) for i in range(50)))
    me = os.getpid()
    children = pathlib.Path(f"/proc/{me}/task/{me}/children").read_text().split()
    assert len(children) == 1, children
    assert pathlib.Path(f"/proc/{children[0]}/stat").read_text().split()[2] != "Z", "it died by itself"
    os.kill(int(children[0]), signal.SIGKILL)
    await asyncio.gather(*(one(i) for i in range(50, 100)))

loop.run(main, syncer=syncer.start()[0])
print(len(os.listdir(f"{home}/new")), len(os.listdir(f"{home}/tmp")), flush=True)
if sys.argv[2:]:
    end = syncer.start(3)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make(tmp_path)
    return tmp_path


def make(directory: Path) -> None:
    for name in ("tmp", "new"):
        (directory / name).mkdir()


async def publish(directory: Path, name: str, where: str = "new", how: Callable[..., Any] = files.publish) -> None:
    tmp, final = str(directory / "tmp" / name), str(directory / where / name)
    fd = files.create(tmp)
    files.write(fd, TEXT)
    await how(fd, tmp, final)


@contextlib.contextmanager
def seen() -> Iterator[list[str]]:
    """The names of the operations of `files`."""
    calls: list[str] = []
    files.fault = lambda name, *args: calls.append(name)
    try:
        yield calls
    finally:
        files.fault = None


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch)


def ten(place: Path, how: Callable[..., Any] = files.publish) -> Callable[[], Any]:
    return lambda: asyncio.gather(*(publish(place, str(i), how=how) for i in range(10)))


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(("how", "syncs"), [(files.publish, 2), (files.admit, 1)])
def test_one_sync_serves_all(place: Path, how: Callable[..., Any], syncs: int) -> None:
    with seen() as calls:
        _, other = run(ten(place, how), clock.monotonic)
    assert other.asked == syncs  # octets, then names
    assert not {"sync", "sync_dir"} & set(calls)
    assert len(os.listdir(place / "new")) == 10 and not os.listdir(place / "tmp")


@pytest.mark.usefixtures("trusted")
def test_a_sync_that_began_too_early_does_not_count(place: Path) -> None:
    before = clock.monotonic()

    def early() -> float:
        assert not os.listdir(place / "new")
        return before

    run(ten(place), early, early, clock.monotonic)
    assert len(os.listdir(place / "new")) == 10


@pytest.mark.usefixtures("trusted")
def test_without_an_answer_to_rely_on_every_file_gets_its_fsync(place: Path) -> None:
    with seen() as calls:
        _, other = run(ten(place), lambda: 0.0)
    assert other.asked == 1 and calls.count("sync") == 10 and calls.count("sync_dir") == 1
    assert calls.index("rename") > calls.index("sync") and calls[-1] == "sync_dir"


def test_a_file_system_that_is_not_known_gets_its_fsyncs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "_TRUSTED", frozenset())
    with seen() as calls:
        _, other = run(ten(place), clock.monotonic)
    assert other.asked == 0 and calls.count("sync") == 10


@pytest.mark.usefixtures("trusted")
def test_whoever_is_alone_uses_fsync(place: Path) -> None:
    with seen() as calls:
        _, other = run(lambda: publish(place, "1"), clock.monotonic)
    assert other.asked == 0 and calls[-3:] == ["sync", "rename", "sync_dir"]


@pytest.mark.usefixtures("trusted")
def test_whoever_is_alone_and_admitted_has_one_sync(place: Path) -> None:
    with seen() as calls:
        _, other = run(lambda: publish(place, "1", how=files.admit), clock.monotonic)
    assert other.asked == 1 and calls == ["create", "write", "rename"]


@pytest.mark.usefixtures("trusted")
def test_octets_and_names_share_a_sync(place: Path) -> None:
    """The second round brings the names of those that were published to disk, and what came in meanwhile."""

    async def work() -> None:
        first = asyncio.ensure_future(publish(place, "1"))
        also = asyncio.ensure_future(publish(place, "2"))
        while not os.listdir(place / "new"):
            await asyncio.sleep(0)
        await asyncio.gather(first, also, publish(place, "3", how=files.admit))

    _, other = run(work, clock.monotonic)
    assert other.asked in (2, 3) and len(os.listdir(place / "new")) == 3


def test_group_commit_without_a_syncer_shares_rounds(place: Path) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(ten(place)(), files.settle([str(place / "new")]))

    with seen() as calls:
        loop.run(all_of_them)
    assert calls.count("sync") == 10 and calls.count("sync_dir") == 1


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("answer", [clock.monotonic, lambda: 0.0])
@pytest.mark.parametrize("how", [files.publish, files.admit])
def test_one_bad_file_does_not_spoil_the_round(
    place: Path, answer: Callable[[], float], how: Callable[..., Any]
) -> None:
    async def both() -> Any:
        bad = publish(place, "2", "nowhere", how)
        return await asyncio.gather(publish(place, "1", how=how), bad, return_exceptions=True)

    (place / "nowhere").mkdir()

    def gone() -> float:
        if (place / "nowhere").exists():
            (place / "nowhere").rmdir()
        return answer()

    (good, bad), _ = run(both, gone)
    assert good is None and isinstance(bad, FileNotFoundError)
    assert os.listdir(place / "new") == ["1"] and os.listdir(place / "tmp") == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("how", [files.publish, files.admit])
def test_octets_that_could_not_be_written_are_not_published(
    place: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[..., Any]
) -> None:
    class Libc:
        def sync_file_range(self, *_: object) -> int:
            ctypes.set_errno(5)
            return -1

    monkeypatch.setattr(commit, "_libc", Libc())

    async def both() -> Any:
        return await asyncio.gather(*(publish(place, name, how=how) for name in "12"), return_exceptions=True)

    errors, _ = run(both, clock.monotonic)
    assert [error.errno for error in errors] == [5, 5]
    assert os.listdir(place / "new") == os.listdir(place / "tmp") == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("relied", [True, False])
@pytest.mark.parametrize("how", [files.publish, files.admit])
def test_what_was_published_survives_death_at_any_step(tmp_path: Path, relied: bool, how: Callable[..., Any]) -> None:
    """What was admitted may have its first name, and is whole under that too."""

    done: list[str] = []

    def prepare(directory: Path) -> None:
        done.clear()
        make(directory)

    def scenario(directory: Path) -> None:
        async def one(name: str) -> None:
            await publish(directory, name, how=how)
            done.append(name)

        answer = syncs(directory / "new", directory / "tmp", relied=relied)
        run(lambda: asyncio.gather(*(one(str(i)) for i in range(3))), answer)

    places = ("new",) if how is files.publish else ("new", "tmp")
    partly = False
    for crash in crashes(tmp_path, scenario, prepare):
        for name in done:
            found = [crash.directory / part / name for part in places if (crash.directory / part / name).exists()]
            assert found and all(path.read_bytes() == TEXT for path in found), crash
        assert all(path.read_bytes() == TEXT for path in (crash.directory / "new").iterdir()), crash
        partly |= bool(done) and not crash.done
        assert not crash.done or sorted(done) == ["0", "1", "2"]
    assert partly or how is files.publish or not relied


def test_a_syncer_that_is_killed_costs_nothing_but_time(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(place)], env=environment(), capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "100 0\n", done.stderr
    assert done.stderr == "syncer state=gone instead=fsync\n"


def test_a_syncer_ends_with_those_it_serves(place: Path) -> None:
    """However they die: the pipes reach their end only when the last process has let go of them."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(place), "die"], env=environment(), capture_output=True, timeout=30
    )
    assert done.returncode == -9 and done.stdout == b"100 0\n"


class Served:
    """A _Server whose disk fails as told."""

    def __init__(self, results: list[int]) -> None:
        self.end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.theirs = theirs
        self.server = syncer._Server(lambda fd: results.pop(0), [theirs])  # type: ignore[arg-type]

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.end.close()
        self.theirs.close()

    def round(self, place: Path, shown: bool = True) -> float:
        """Ask once; `shown`: with a descriptor on the file system."""
        request = syncer._REQUEST.pack(1, 7) + syncer._DEVICE.pack(os.stat(place).st_dev)
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            socket.send_fds(self.end, [request], [fd] if shown else [])
        finally:
            os.close(fd)
        self.server._take(None)
        self.server._answer(self.server._synced())
        number, began = syncer._ANSWER.unpack(self.end.recv(100))
        assert number == 7
        return float(began)


def test_those_who_shared_a_sync_share_the_next(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first to come waits for the others; not for long, should they have gone."""
    monkeypatch.setattr(syncer, "dirty_kib", lambda: 0)
    synced: list[int] = []
    ours, theirs = zip(*(socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)), strict=True)
    ends = [syncer.End(end) for end in ours]
    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    devices = {os.fstat(fd).st_dev: fd}
    server = syncer._Server(lambda fd: synced.append(fd) or 0, [*theirs])  # type: ignore[arg-type, func-returns-value]
    for end in ends:
        assert end.ask(1, devices)
    thread = threading.Thread(target=server.run)
    thread.start()
    for end in ends:
        assert end.answer()
    monkeypatch.setattr(syncer, "_GATHER_S", 20.0)
    for end in ends:
        assert end.ask(1, devices)
    for end in ends:
        assert end.answer()
    assert len(synced) == 2
    monkeypatch.setattr(syncer, "_GATHER_S", 0.001)
    assert ends[0].ask(1, devices) and ends[0].answer()
    for end in ends:
        end.close()
    thread.join(20)
    for one in (fd, *server._known.values()):
        os.close(one)
    for other in theirs:
        other.close()
    assert len(synced) == 3 and not thread.is_alive()


def test_the_round_after_an_error_is_not_relied_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """syncfs tells of an error once: the files of the next round may have been written before it did."""
    monkeypatch.setattr(syncer, "dirty_kib", lambda: 0)
    with Served([0, -1, 0, 0]) as served:
        assert [bool(served.round(place)) for _ in range(4)] == [True, False, False, True]


def test_a_file_system_is_shown_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncer, "dirty_kib", lambda: 0)
    with Served([0, 0]) as served:
        assert [bool(served.round(place, shown)) for shown in (False, True, False)] == [False, False, True]
    with Served([0, 0]) as served:
        assert [bool(served.round(place, shown)) for shown in (True, False)] == [True, True]


def test_while_others_have_much_to_write_nobody_waits_for_them(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncer, "dirty_kib", lambda: 1 << 30)
    with Served([]) as served:
        assert served.round(place) == 0.0


def test_a_machine_that_hides_its_memory_is_taken_for_a_busy_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/proc/meminfo")

    monkeypatch.setattr(syncer, "open", nothing, raising=False)
    assert syncer.dirty_kib() > syncer._DIRTY_MOST_KIB


def test_what_waits_to_be_written_is_read_from_the_kernel() -> None:
    assert 0 <= syncer.dirty_kib() < 1 << 34


def test_stale_answers_are_not_taken(place: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end = syncer.End(ours)
    theirs.send(syncer._ANSWER.pack(1, 5.0))  # to a worker that died
    assert end.answer() is None
    theirs.close()
    with pytest.raises(EOFError):
        end.answer()
    end.close()
