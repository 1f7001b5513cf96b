"""Several sessions side by side, each stopped wherever it waits for its client: races at will, no threads, no clock."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from mailkit.control import Home
from mailkit.imap.session import session
from mailkit.users.passwd import Passwd
from tests.harness.transcript import FakeConn


class Pause:
    """What a session waits on."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class WaitingConn(FakeConn):
    """A connection that really waits for its client."""

    def __init__(self) -> None:
        super().__init__((), service="imap", peer="", can_starttls=False)
        self.given: list[bytes | None] = []
        self.before_offload: Callable[[], None] | None = None

    async def more(self, wake: bool = False) -> bytes | None:
        self._push()
        while not self.given or (self.given[0] is None and not wake):
            if self.given:
                self.given.pop(0)
            await Pause()
        return self.given.pop(0)

    async def offload(self, function: Callable[..., Any], *args: Any) -> Any:
        if self.before_offload is not None:
            before, self.before_offload = self.before_offload, None
            before()
        return function(*args)


class Client:
    """A session of alice or another user, driven line by line."""

    def __init__(self, home: Home, select: str = "INBOX", user: str = "alice") -> None:
        self.conn = WaitingConn()
        self.running: Coroutine[Any, Any, None] = session(self.conn, home, Passwd(home).lookup(f"{user}@example.test"))
        self.seen = 0
        self.number = 0
        self.over = False
        _clients.add(self)
        self._run()
        if select:
            self.do(f"SELECT {select}")

    def _run(self) -> list[str]:
        try:
            self.running.send(None)
        except StopIteration:
            self.over = True
        self.conn._push()
        said = bytes(self.conn.output[self.seen :]).decode("utf-8", "surrogateescape")
        self.seen = len(self.conn.output)
        return said.split("\r\n")[:-1]

    def send(self, octets: bytes) -> list[str]:
        """Give the server octets; the lines it answers before it waits again."""
        self.conn.given.append(octets)
        return self._run()

    def do(self, command: str) -> list[str]:
        """A command with a tag of its own; the untagged lines, and the tagged answer without its tag."""
        self.number += 1
        tag = f"t{self.number}"
        return [line.removeprefix(f"{tag} ") for line in self.send(f"{tag} {command}\r\n".encode())]

    def news(self) -> list[str]:
        """What NOOP tells."""
        lines = self.do("NOOP")
        assert lines.pop() == "OK NOOP completed"
        return lines

    def wake(self) -> list[str]:
        """A watched directory changed."""
        self.conn.given.append(None)
        return self._run()

    def close(self) -> None:
        if not self.over:
            self.send(b"")


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def hang_up() -> None:
    """End every session that a test left open, while what it says in the log is still the test's."""
    for client in list(_clients):
        client.running.close()
    _clients.clear()
