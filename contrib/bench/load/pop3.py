"""POP3 load.

    python3 -m load.pop3 HOST PORT USER PASSWORD retr [--pipeline] [--tls]   all messages of the maildrop
    python3 -m load.pop3 HOST PORT USER PASSWORD lists                       all but the messages
    python3 -m load.pop3 HOST PORT USER PASSWORD login --count 200 --sessions 10 --spread 100

`retr` times login, STAT, LIST with UIDL, and RETR of every message apart. Nothing is deleted. For `login` USER holds
a printf integer.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import threading
import time

import measure

_AHEAD = 50  # RETRs on their way at once with --pipeline


class Pop3:
    """A blocking client that counts octets and parses little."""

    def __init__(self, options: argparse.Namespace, user: str) -> None:
        self.socket = socket.create_connection((options.host, options.port), timeout=300)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if options.tls:
            self.socket = measure.client_tls().wrap_socket(self.socket)
        self.file = self.socket.makefile("rb", buffering=262144)
        self.reply()
        self.command(b"USER " + user.encode())
        self.command(b"PASS " + options.password.encode())

    def reply(self) -> bytes:
        line = self.file.readline()
        if not line.startswith(b"+OK"):
            raise RuntimeError(repr(line))
        return line

    def command(self, words: bytes) -> bytes:
        self.socket.sendall(words + b"\r\n")
        return self.reply()

    def lines(self) -> int:
        """Octets of a multi-line response."""
        octets = 0
        while True:
            line = self.file.readline()
            if line == b".\r\n":
                return octets
            if not line:
                raise RuntimeError("closed")
            octets += len(line)

    def quit(self) -> None:
        self.command(b"QUIT")
        self.file.close()
        self.socket.close()


def retr(options: argparse.Namespace) -> dict[str, object]:
    marks = [time.perf_counter()]
    client = Pop3(options, options.user)
    marks.append(time.perf_counter())
    messages = int(client.command(b"STAT").split()[1])
    marks.append(time.perf_counter())
    for word in (b"LIST", b"UIDL"):
        client.command(word)
        client.lines()
    marks.append(time.perf_counter())
    octets = 0
    if options.what == "retr":
        octets = _pipelined(client, messages) if options.pipeline else _one_by_one(client, messages)
    marks.append(time.perf_counter())
    client.quit()
    login, stat, lists, fetch = (after - before for before, after in itertools.pairwise(marks))
    return {
        "messages": messages, "login_ms": login * 1e3, "stat_ms": stat * 1e3, "open_ms": (login + stat) * 1e3,
        "lists_ms": lists * 1e3, "per_s": messages / fetch, "mb_per_s": octets / fetch / 1e6,
    }  # fmt: skip


def _one_by_one(client: Pop3, messages: int) -> int:
    octets = 0
    for number in range(1, messages + 1):
        client.command(b"RETR %d" % number)
        octets += client.lines()
    return octets


def _pipelined(client: Pop3, messages: int) -> int:
    octets = 0
    for first in range(1, messages + 1, _AHEAD):
        numbers = range(first, min(messages, first + _AHEAD - 1) + 1)
        client.socket.sendall(b"".join(b"RETR %d\r\n" % number for number in numbers))
        for _ in numbers:
            client.reply()
            octets += client.lines()
    return octets


def login(options: argparse.Namespace) -> dict[str, object]:
    latencies: list[float] = []
    errors: list[str] = []
    numbers = iter(range(options.count))
    lock = threading.Lock()

    def worker() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            started = time.perf_counter()
            try:
                client = Pop3(options, options.user % (number % options.spread))
                latencies.append(time.perf_counter() - started)
                client.quit()
            except (OSError, RuntimeError) as error:
                errors.append(repr(error))

    started = time.perf_counter()
    threads = [threading.Thread(target=worker) for _ in range(options.sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "messages": len(latencies), "per_s": len(latencies) / (time.perf_counter() - started), "errors": len(errors),
        "first_error": errors[0] if errors else None, **measure.latency(latencies),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("what", choices=("retr", "lists", "login"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--spread", type=int, default=100)
    parser.add_argument("--pipeline", action="store_true")
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    with measure.Stopwatch() as watch:
        fields = login(options) if options.what == "login" else retr(options)
    measure.emit(wall_s=watch.wall_s, client_cpu_s=watch.cpu_s, **fields)


if __name__ == "__main__":
    main()
