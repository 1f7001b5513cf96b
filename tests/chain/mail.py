"""Messages that can be told from each other and from torn ones, a client that sends them, a look at where they arrived."""

from __future__ import annotations

import hashlib
import os
import socket
from collections import Counter
from pathlib import Path

from mailkit.control import Home
from mailkit.queue import listing

WAIT_S = 20.0


def message(token: str, octets: int) -> bytes:
    """A message that names itself and whose last line proves the rest."""
    line = b"%s " % token.encode() * 6 + b"\r\n"
    text = b"Subject: %s\r\n\r\n" % token.encode() + line * (octets // len(line) + 1)
    return text + proof(text.replace(b"\r\n", b"\n")) + b"\r\n"


def proof(text: bytes) -> bytes:
    """The last line of a message whose other lines, with LF, are `text`."""
    return b"end " + hashlib.sha256(text).hexdigest().encode()


def token_of(stored: bytes) -> str:
    """Which message it is. AssertionError when it is not whole."""
    begin = stored.index(b"Subject: ")
    text, _, last = stored[begin:].rstrip(b"\n").rpartition(b"\n")
    assert last == proof(text + b"\n"), "a torn message"
    return stored[begin + 9 :].partition(b"\n")[0].decode()


def arrived(home: Home, user: str) -> Counter[str]:
    """How often each message is in the user's INBOX."""
    maildir = Path(home.path, "domains", "example.test", user, "Maildir")
    return Counter(token_of(path.read_bytes()) for place in ("new", "cur") for path in (maildir / place).iterdir())


def waiting(home: Home) -> list[str]:
    """What is in the queue, wherever."""
    return [f"{place}/{name}" for place in listing.ALL for name in os.listdir(f"{home.queue}/{place}")]


class Client:
    """One SMTP or LMTP connection, lines in and out. OSError and EOFError when the server dies."""

    def __init__(self, port: int, hello: str = "EHLO", timeout_s: float = WAIT_S) -> None:
        self.end = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.reader = self.end.makefile("rb")
        try:
            self.reply()
            self.command(f"{hello} client.example")
        except (OSError, EOFError):
            self.close()
            raise

    def reply(self) -> bytes:
        """The last line of the next reply."""
        while line := self.reader.readline():
            if line[3:4] == b" ":
                return line
        raise EOFError

    def command(self, line: str | bytes) -> bytes:
        """Send a line; its reply."""
        self.end.sendall((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def send(self, recipients: list[str], text: bytes, lmtp: bool = False) -> list[bytes]:
        """Send a message, its dots not stuffed; the replies to its end."""
        for line in ("MAIL FROM:<carol@example.net>", *[f"RCPT TO:<{one}>" for one in recipients], "DATA"):
            answer = self.command(line)
            if answer[:1] not in b"23":
                return [answer]
        self.end.sendall(text + b".\r\n")
        return [self.reply() for _ in range(len(recipients) if lmtp else 1)]

    def close(self) -> None:
        """Vanish."""
        self.reader.close()
        self.end.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
