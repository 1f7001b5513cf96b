"""A home and a session for the tests of the SMTP server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mailkit.control import Home
from mailkit.queue import entry, ready
from mailkit.queue.entry import Envelope
from mailkit.smtp import session as smtp_session
from mailkit.smtp import settings
from tests.harness.homes import make_home, set_control
from tests.harness.transcript import FakeConn, run


def world(path: Path, controls: dict[str, list[str]] | None = None, **kwargs: Any) -> Home:
    """A home with alice and bob in example.test, without checks that wait or ask the DNS."""
    home = make_home(path, **kwargs)
    for name, lines in {"policy": ["relay"], "tarpit": ["0"], **(controls or {})}.items():
        set_control(home, name, *lines)
    settings.forget()
    return home


def talk(home: Home, *sent: Any, **conn_kwargs: Any) -> FakeConn:
    """One session in which the client sends these octets, each when the server asks for more."""
    settings.forget()
    conn = FakeConn(list(sent), **conn_kwargs)
    run(smtp_session.session(conn, home))
    return conn


def replies(conn: FakeConn) -> list[str]:
    """The reply lines without ids."""
    return [line.split(" [c0ffee")[0] for line in conn.output.decode().split("\r\n")[:-1]]


def codes(conn: FakeConn) -> list[str]:
    """The codes of the replies."""
    return [line[:3] for line in conn.output.decode().split("\r\n")[:-1] if line[3:4] == " "]


def queued(home: Home) -> list[tuple[Envelope, bytes]]:
    """Every message in the queue, oldest name first; what is ready for a mailbox without the lines of its delivery."""
    found = []
    for one in ready.entries(home):
        if (data := ready.whole(home, one)) is not None:
            envelope, at = ready.envelope(data)
            found.append((envelope, data[at:]))
    for path in sorted(Path(home.queue, "new").iterdir()):
        data = path.read_bytes()
        envelope, at = entry.decode(data)
        found.append((envelope, data[at:]))
    return found


def left_over(home: Home) -> list[str]:
    """Names in queue/tmp."""
    return os.listdir(os.path.join(home.queue, "tmp"))


def dotted(text: bytes) -> bytes:
    """Text with LF line ends as it goes on the wire after DATA, with its end."""
    lines = text.split(b"\n")
    ended = lines[-1] == b""
    stuffed = [b"." + line if line.startswith(b".") else line for line in (lines[:-1] if ended else lines)]
    return b"".join(line + b"\r\n" for line in stuffed) + b".\r\n"
