"""No acknowledged message is lost, whatever dies when."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest

from mailkit import files
from mailkit.control import Home
from mailkit.maildir import save
from mailkit.queue import recovery
from tests.chain.mail import Client, arrived, message, token_of, waiting
from tests.harness import fakeclock
from tests.harness.homes import make_home, set_control
from tests.harness.servers import Server, environment, listening, program, start

USERS = ("alice", "bob", "dave")
MESSAGES = 360
SENDERS = 6
KILLS = 9


class Load:
    """Senders side by side, until there are MESSAGES tries. acked: who must have what."""

    def __init__(self, ports: dict[str, int], seed: int) -> None:
        self.ports = ports
        self.random = random.Random(seed)
        self.acked: dict[str, set[str]] = {}
        self.tried = 0
        self.change = threading.Condition()
        self.threads = [threading.Thread(target=self._send_all) for _ in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def wait(self, tries: int) -> None:
        """Until so many messages were tried."""
        with self.change:
            assert self.change.wait_for(lambda: self.tried >= tries, 30)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()

    def _next(self) -> tuple[str, list[str], int, bool] | None:
        with self.change:
            self.tried += 1
            self.change.notify_all()
            if self.tried > MESSAGES:
                return None
            users = self.random.sample(USERS, self.random.choice((1, 1, 1, 2, 3)))
            octets = self.random.choice((50, 2_000, 2_000, 300_000))
            return f"m{self.tried:04d}", users, octets, self.random.random() < 0.3

    def _send_all(self) -> None:
        kept: dict[bool, Client] = {}
        while (job := self._next()) is not None:
            token, users, octets, lmtp = job
            try:
                if lmtp not in kept:
                    kept[lmtp] = Client(self.ports["lmtp" if lmtp else "mx"], "LHLO" if lmtp else "EHLO")
                answers = kept[lmtp].send([f"{user}@example.test" for user in users], message(token, octets), lmtp)
            except (OSError, EOFError):
                for client in kept.values():
                    client.close()
                kept.clear()
                continue
            good = {user for user, answer in zip(users, answers, strict=False) if answer.startswith(b"250")}
            with self.change:
                self.acked[token] = good if lmtp else set(users) if good else set()
        for client in kept.values():
            client.close()


class Chain:
    """smtpd on sockets that outlive it, and runq."""

    def __init__(self, home: Home, ends: dict[str, socket.socket]) -> None:
        self.home = home
        self.ends = ends
        self.servers = {name: self._started(name) for name in ("smtpd", "runq")}
        self.in_flight: set[str] = set()

    def _started(self, name: str) -> Server:
        return start(self.home, name, self.ends if name == "smtpd" else {})

    def kill(self, name: str) -> None:
        """SIGKILL smtpd with its workers or runq, and start it again. What runq had in hand may arrive twice."""
        process = self.servers[name].process
        if name == "runq":
            os.killpg(process.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            self.in_flight |= {token for path in self._claimed() if (token := _token(path))}
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.servers[name] = self._started(name)

    def kill_worker(self, choice: random.Random) -> None:
        """SIGKILL one worker of smtpd; its parent makes a new one. Or the process that syncs for them: they go on."""
        pid = self.servers["smtpd"].process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if workers:
            os.kill(int(choice.choice(workers)), signal.SIGKILL)

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()

    def _claimed(self) -> list[str]:
        return [
            path
            for place in ("new", "cur")
            for name in os.listdir(f"{self.home.queue}/{place}")
            if _locked(path := f"{self.home.queue}/{place}/{name}")
        ]


def _locked(path: str) -> bool:
    """Is somebody working on this entry?"""
    try:
        with open(path, "rb") as file:
            return not files.lock(file.fileno())
    except FileNotFoundError:
        return False


def _token(path: str) -> str:
    try:
        return token_of(Path(path).read_bytes())
    except FileNotFoundError:
        return ""


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_acknowledged_is_lost(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_home(tmp_path / "home", users=USERS)
    set_control(home, "policy", "relay")
    set_control(home, "workers", "2")
    choice = random.Random(seed)
    with listening("mx", "lmtp") as ends:
        chain = Chain(home, ends)
        try:
            load = Load(chain.servers["smtpd"].ports, seed)
            for number, tries in enumerate(sorted(choice.sample(range(20, MESSAGES - 20), KILLS))):
                load.wait(tries)
                if number % 3 == 2:
                    chain.kill_worker(choice)
                else:
                    chain.kill(("smtpd", "runq")[number % 3])
            load.join()
        finally:
            chain.stop()
    once = subprocess.run(
        program("runq", "--home", home.path, "--once"), env=environment(), capture_output=True, text=True, timeout=30
    )
    assert once.returncode == 0, once.stderr
    assert waiting(home) == []
    assert sum(map(bool, load.acked.values())) > MESSAGES // 2
    for user in USERS:
        got = arrived(home, user)
        assert not [token for token, wanted in load.acked.items() if user in wanted and not got[token]]
        assert {token for token, times in got.items() if times > 1} <= chain.in_flight
        assert max(got.values()) <= 1 + KILLS // 3
    _check_cleaning(home, monkeypatch)


def _check_cleaning(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that the dead left in a tmp/ goes when it is old."""
    fakeclock.install(monkeypatch, start=os.stat(home.path).st_mtime + 40 * 3600)
    recovery.clear(home)
    assert os.listdir(f"{home.queue}/tmp") == []
    for user in USERS:
        maildir = home.join("domains", "example.test", user, "Maildir")
        save.clean(maildir)
        assert os.listdir(f"{maildir}/tmp") == []


def test_tokens_tell_torn_messages() -> None:
    text = message("m1", 500).replace(b"\r\n", b"\n")
    assert token_of(b"Received: x\n" + text) == "m1"
    for cut in (text[:-1].rpartition(b"\n")[0], text.replace(b"m1 m1", b"m1 m", 1)):
        with pytest.raises(AssertionError):
            token_of(cut)
    assert Counter([token_of(text)]) == {"m1": 1}
