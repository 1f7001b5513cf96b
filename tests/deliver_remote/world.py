"""A network in memory: zones as a dict, servers by address."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mailkit.control import Home
from mailkit.deliver import remote
from mailkit.deliver.outcome import Outcome
from mailkit.deliver.remote import Outside
from mailkit.exits import Temp
from mailkit.queue.entry import Recipient
from tests.harness import zones
from tests.harness.transcript import run
from tests.smtp_client.server import Server

TEXT = b"Subject: hi\n\nhello\n"
ZONES = {
    "example.org": {"MX": [(10, "a.example.org"), (20, "b.example.org")]},
    "a.example.org": {"A": ["192.0.2.1"]},
    "b.example.org": {"A": ["192.0.2.2"]},
    "null.example": {"MX": [(0, "")]},
    "slow.example": "timeout",
    "dual.example": {"AAAA": ["2001:db8::1"], "A": ["192.0.2.1"]},
}


class World:
    """A home, its Outside, and what is reachable. servers: address -> servers, one for each connection (the last one
    for ever), or the Temp that connecting gives."""

    def __init__(self, tmp_path: Path, servers: dict[str, Any], records: Any = None, **options: Any) -> None:
        self.path = tmp_path
        (tmp_path / "control").mkdir(exist_ok=True)
        self.control(me="me.example.test")
        self.home = Home(str(tmp_path))
        self.servers = {ip: list(s) if isinstance(s, list) else [s] for ip, s in servers.items()}
        self.dialed: list[tuple[str, int, float, str]] = []
        self.zones = zones.Zones(ZONES if records is None else records)
        options.setdefault("ours", {"127.0.0.1", "192.0.2.25"}.__contains__)
        options.setdefault("resolver", zones.Resolver(self.zones))
        self.outside = Outside(self.home, dial=self._dial, **options)

    def control(self, **values: str) -> None:
        """Write control values."""
        for name, text in values.items():
            (self.path / "control" / name).write_text(text + "\n")

    async def _dial(self, ip: str, port: int, timeout_s: float, source: str) -> Any:
        self.dialed.append((ip, port, timeout_s, source))
        found = self.servers.get(ip)
        if not found:
            raise Temp("connection failed: connection refused", code="4.4.1", detail=f"connect {ip}:{port}")
        server = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(server, Exception):
            raise server
        if isinstance(server, Server):
            assert not server.closed, "a closed server was dialled again"
        return server

    def send(
        self,
        *recipients: str | Recipient,
        domain: str = "example.org",
        sender: str = "alice@example.test",
        text: bytes = TEXT,
        params: dict[str, str] | None = None,
    ) -> list[Outcome]:
        """One attempt."""
        to = [one if isinstance(one, Recipient) else Recipient(one) for one in recipients or ("bob@example.org",)]
        fd = os.memfd_create("message")
        try:
            os.write(fd, b"envelope\n\n" + text)
            work = remote.attempt(
                self.home, domain, sender, to, fd, 10, params or {}, outside=self.outside, q="deadbeef"
            )
            return list(run(work))
        finally:
            os.close(fd)

    @property
    def ips(self) -> list[str]:
        """The addresses dialled, in order."""
        return [dialed[0] for dialed in self.dialed]
