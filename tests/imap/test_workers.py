"""Sessions in several worker processes on one folder see one truth."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from tests.harness import servers
from tests.imap import mailboxes


class Line:
    """A client on a real socket."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.stream = self.socket.makefile("rwb")
        assert self.stream.readline().startswith(b"* OK")
        self.do("LOGIN alice@example.test secret")
        self.do("SELECT INBOX (CONDSTORE)")

    def do(self, command: str) -> list[str]:
        """The untagged lines and the tagged one, without its tag."""
        self.stream.write(f"t {command}\r\n".encode())
        self.stream.flush()
        lines: list[str] = []
        while not lines or not lines[-1].startswith(("OK", "NO", "BAD")):
            lines.append(self.stream.readline().decode().rstrip("\r\n").removeprefix("t "))
        return lines

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


def test_every_session_learns_of_every_change_and_numbers_only_grow(tmp_path: Path) -> None:
    home = mailboxes.make(tmp_path)
    with servers.serve(home, "imapd", "imap", workers=3) as server:
        clients = [Line(server.ports["imap"]) for _ in range(6)]
        last = 0
        for turn, writer in enumerate(clients * 2):
            sign = "+" if turn % 2 == 0 else "-"
            (said,) = re.findall(r"MODSEQ \((\d+)\)", "\n".join(writer.do(f"STORE 2 {sign}FLAGS (\\Answered)")))
            assert int(said) > last
            last = int(said)
            for reader in clients:
                if reader is not writer:
                    assert re.findall(r"UID 2 FLAGS .* MODSEQ \((\d+)\)", "\n".join(reader.do("NOOP"))) == [said]
        clients[0].do("STORE 1 +FLAGS.SILENT (\\Deleted)")
        clients[0].do("EXPUNGE")
        for reader in clients[1:]:
            assert "* 1 EXPUNGE" in reader.do("NOOP")
        for client in clients:
            client.close()
        assert server.stop() == 0, server.log
