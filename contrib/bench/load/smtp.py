"""SMTP load: messages over many sessions, each to one recipient of many.

    python3 -m load.smtp HOST PORT --messages 2000 --sessions 20 --rcpt u%04d@example.test --spread 100

Message i goes to recipient --first plus i modulo --spread. One message per connection, or with --reuse each session
sends its share over one connection. Latency is from the opening of the connection (with --reuse from MAIL FROM) to
the 250 after the dot.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import measure

SENDER = "load@bench.example"
_LINE = b"The quick brown fox jumps over the lazy dog and counts 0123456789 stars.\r\n"


class Session(asyncio.Protocol):
    """One connection as a machine driven by replies: a client that costs little."""

    # What comes after the reply to each state, and the first digit that reply must have.
    WANTED = {"greeting": 2, "ehlo": 2, "mail": 2, "rcpt": 2, "data": 3, "dot": 2, "quit": 2}

    def __init__(self, load: Load) -> None:
        self.load = load
        self.buffer = b""
        self.state = "greeting"
        self.message = 0
        self.started = time.perf_counter()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.load.failed(f"lost in state {self.state}: {error}")
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            if line[3:4] != b"-":
                self.reply(line)

    def reply(self, line: bytes) -> None:
        if line[:1] != b"%d" % self.WANTED[self.state]:
            self.load.failed(f"{self.state}: {line!r}")
            return self.transport.abort()
        return getattr(self, "after_" + self.state)()

    def send(self, octets: bytes, state: str) -> None:
        self.state = state
        self.transport.write(octets)

    def after_greeting(self) -> None:
        self.send(b"EHLO bench.example\r\n", "ehlo")

    def after_ehlo(self) -> None:
        number = self.load.next()
        if number is None:
            return self.send(b"QUIT\r\n", "quit")
        self.message = number
        if self.load.options.reuse:
            self.started = time.perf_counter()
        return self.send(f"MAIL FROM:<{SENDER}>\r\n".encode(), "mail")

    def after_mail(self) -> None:
        self.send(f"RCPT TO:<{self.load.recipient(self.message)}>\r\n".encode(), "rcpt")

    def after_rcpt(self) -> None:
        self.send(b"DATA\r\n", "data")

    def after_data(self) -> None:
        self.send(self.load.content(self.message), "dot")

    def after_dot(self) -> None:
        self.load.latencies.append(time.perf_counter() - self.started)
        if self.load.options.reuse:
            self.after_ehlo()
        else:
            self.send(b"QUIT\r\n", "quit")

    def after_quit(self) -> None:
        self.done.set_result(None)
        self.transport.close()


class Load:
    """What all sessions share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.given = 0
        self.latencies: list[float] = []
        self.errors: list[str] = []
        self.body = _LINE * max(1, (options.size - 330) // len(_LINE)) + b".\r\n"
        self.run = int(time.time())

    def next(self) -> int | None:
        if self.given >= self.options.messages:
            return None
        self.given += 1
        return self.given - 1

    def recipient(self, number: int) -> str:
        return self.options.rcpt % (self.options.first + number % self.options.spread)

    def content(self, number: int) -> bytes:
        head = (
            f"From: Bench Sender <{SENDER}>\r\nTo: <{self.recipient(number)}>\r\n"
            f"Subject: load message {number:08d} of run {self.run}\r\n"
            "Date: Mon, 05 Jan 2026 10:00:00 +0000\r\n"
            f"Message-ID: <{self.run}.{number:08d}@bench.example>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        )
        return head.encode() + self.body

    def failed(self, why: str) -> None:
        self.errors.append(why)

    async def worker(self) -> None:
        while self.given < self.options.messages and len(self.errors) < 50:
            try:
                _, session = await asyncio.get_running_loop().create_connection(
                    lambda: Session(self), self.options.host, self.options.port
                )
                await asyncio.wait_for(session.done, 120)
            except (OSError, TimeoutError) as error:
                self.failed(repr(error))

    async def whole(self) -> None:
        await asyncio.gather(*(self.worker() for _ in range(self.options.sessions)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rcpt", default="u%04d@example.test")
    parser.add_argument("--spread", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="number of the first recipient")
    parser.add_argument("--reuse", action="store_true")
    load = Load(parser.parse_args())
    with measure.Stopwatch() as watch:
        asyncio.run(load.whole())
    accepted = len(load.latencies)
    measure.emit(
        accepted=accepted,
        errors=len(load.errors),
        first_error=load.errors[0] if load.errors else None,
        wall_s=watch.wall_s,
        per_s=accepted / watch.wall_s,
        client_cpu_s=watch.cpu_s,
        **measure.latency(load.latencies),
    )


if __name__ == "__main__":
    main()
