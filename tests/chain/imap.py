"""An IMAP client that sends what it is told to."""

from __future__ import annotations

import socket

from tests.chain.mail import WAIT_S


class Imap:
    """One connection in the clear. Answers are lists of lines; the last is the tagged one, without its tag."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.open()

    def open(self) -> None:
        """Connect: once more, after `close`."""
        self.end = socket.create_connection(("127.0.0.1", self.port), WAIT_S)
        self.reader = self.end.makefile("rb")
        self.greeting = self.reader.readline()
        self.number = 0

    def login(self, user: str) -> None:
        assert self.do(f"LOGIN {user}@example.test secret")[-1].startswith(b"OK ")

    def do(self, line: str | bytes) -> list[bytes]:
        """Run one command."""
        self.number += 1
        tag = b"t%d " % self.number
        self.end.sendall(tag + (line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.answer(tag)

    def answer(self, tag: bytes) -> list[bytes]:
        """Everything up to the answer with this tag, or to the end of the connection."""
        lines: list[bytes] = []
        while line := self.reader.readline():
            if line.startswith(tag):
                return [*lines, line[len(tag) :]]
            lines.append(line)
        return lines

    def upload(self, mailbox: str, text: bytes) -> list[bytes]:
        """APPEND, with a literal that does not wait."""
        return self.do(b"APPEND %s {%d+}\r\n%s" % (mailbox.encode(), len(text), text))

    def close(self) -> None:
        """Vanish."""
        self.reader.close()
        self.end.close()

    def __enter__(self) -> Imap:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
