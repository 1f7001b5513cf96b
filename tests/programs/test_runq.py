"""mailkit-runq as a process: it wakes, ends, and dies without losing mail."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailkit import clock
from mailkit.control import Home
from mailkit.queue import drop
from mailkit.queue.entry import Envelope, Recipient
from tests.deliver.homes import MESSAGE, mailbox, make, queue, waiting
from tests.harness.servers import environment, program


@contextlib.contextmanager
def running(home: Home, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    log = Path(home.path, "log")
    with log.open("ab") as output:
        process = subprocess.Popen(
            program("runq", "--home", home.path, *words), stderr=output, stdin=subprocess.DEVNULL, env=environment()
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], object], home: Home) -> None:
    """What another process does can only be looked for."""
    end = clock.monotonic() + 20
    while not condition():
        assert clock.monotonic() < end, Path(home.path, "log").read_text()
        clock.sleep(0.005)


def log(home: Home) -> str:
    return Path(home.path, "log").read_text()


def test_once_delivers_and_ends(tmp_path: Path) -> None:
    home = make(tmp_path)
    queue(home, "bob@example.test", "alice@example.test")
    with running(home, "--once") as process:
        assert process.wait(20) == 0
    assert len(mailbox(home, "bob")) == len(mailbox(home, "alice")) == 1
    assert waiting(home) == []


def test_it_wakes_for_new_mail_and_ends_on_sigterm(tmp_path: Path) -> None:
    home = make(tmp_path, pollseconds="1h")
    with running(home) as process:
        until(lambda: "state=started" in log(home), home)
        for i in range(1, 4):
            queue(home, "bob@example.test")
            until(lambda count=i: len(mailbox(home, "bob")) == count, home)  # type: ignore[misc]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert "state=ended" in log(home)


def test_an_idle_runner_does_nothing(tmp_path: Path) -> None:
    home = make(tmp_path)
    with running(home) as process:
        until(lambda: "state=started" in log(home), home)
        queue(home, "bob@example.test")
        until(lambda: waiting(home) == [], home)

        def ticks() -> int:
            return sum(map(int, Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))

        before = ticks()
        end = clock.monotonic() + 1
        until(lambda: clock.monotonic() > end, home)
        assert ticks() - before <= 1


@pytest.mark.parametrize("runners", [1, 2])
def test_kill_9_again_and_again_loses_nothing_and_repeats_little(tmp_path: Path, runners: int) -> None:
    home = make(tmp_path, concurrencylocal="3", concurrencyremote="0")
    total, kills = 120, 0
    for i in range(total):
        queue(home, "bob@example.test", message=MESSAGE + b"%d\n" % i)
    while waiting(home):
        seen = len(mailbox(home, "bob"))
        with contextlib.ExitStack() as stack:
            processes = [stack.enter_context(running(home)) for _ in range(runners)]
            until(lambda seen=seen: len(mailbox(home, "bob")) >= seen + 25 or not waiting(home), home)  # type: ignore[misc]
            for process in processes:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            kills += 1
    found = mailbox(home, "bob")
    assert len(set(found)) == total
    assert len(found) - total <= kills * runners * 3  # what may be in flight at once


def test_the_dropped_message_of_a_user_is_taken_at_once(tmp_path: Path) -> None:
    home = make(tmp_path, pollseconds="1h")
    with running(home):
        until(lambda: "state=started" in log(home), home)
        drop.deposit(home, Envelope("alice@example.test", [Recipient("bob@example.test")]), [MESSAGE])
        until(lambda: mailbox(home, "bob"), home)


def test_a_home_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        program("runq", "--home", "/proc/nowhere", "--once"), env=environment(), capture_output=True, timeout=20
    )
    assert done.returncode in (100, 111)
    assert b"/proc/nowhere" in done.stderr


def test_programs_that_hang_hold_up_neither_the_others_nor_the_end(tmp_path: Path) -> None:
    home = make(tmp_path, stopgrace="0")
    directory = Path(home.domains, "example.test", "bob")
    directory.mkdir(parents=True, mode=0o700)
    (directory / ".qmail").write_text("|echo >>started; sleep 60\n")
    (directory / ".qmail-quick").write_text("|cat >quick\n")
    for file in directory.iterdir():
        file.chmod(0o600)
    for _ in range(20):
        queue(home, "bob@example.test")
    with running(home) as process:
        until(lambda: (directory / "started").exists() and (directory / "started").stat().st_size == 20, home)
        queue(home, "bob+quick@example.test")
        until((directory / "quick").exists, home)
        until(lambda: len(waiting(home)) == 20, home)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert len(waiting(home)) == 20
