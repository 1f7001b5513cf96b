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


def test_numbers_only_grow_while_others_write_and_the_index_goes(tmp_path: Path) -> None:
    home = mailboxes.make(tmp_path)
    maildir = Path(mailboxes.inbox(home))
    with servers.serve(home, "imapd", "imap", workers=2) as server:
        clients = [Line(server.ports["imap"]) for _ in range(6)]
        last = 0
        for turn, reader in enumerate(clients * 2):
            (path,) = (maildir / "cur").glob("*M2P1*")
            letters = "" if path.name.endswith("F") else "F"
            path.rename(path.with_name(f"{path.name.partition(':')[0]}:2,{letters}"))
            if turn % 4 == 3:
                for cache in maildir.glob("mailkit-*"):
                    cache.unlink()
            for each in (reader, clients[turn % 6 - 1]):
                told = re.findall(r"UID 2 FLAGS \((.*)\) MODSEQ \((\d+)\)", "\n".join(each.do("NOOP")))
                assert told, f"turn {turn}"
                assert ("\\Flagged" in told[-1][0]) == bool(letters)
                assert int(told[-1][1]) >= last
            assert int(told[-1][1]) > last
            last = int(told[-1][1])
            for each in clients:
                each.do("NOOP")
        for client in clients:
            client.close()
        assert server.stop() == 0, server.log


def test_followed_folders_are_told_of_across_workers(tmp_path: Path) -> None:
    home = mailboxes.make(tmp_path)
    with servers.serve(home, "imapd", "imap", workers=2) as server:
        writer, *readers = (Line(server.ports["imap"]) for _ in range(5))
        events = "(MessageNew MessageExpunge FlagChange)"
        for reader in readers:
            reader.do(f"NOTIFY SET (selected {events}) (mailboxes Archive {events}) (personal (MailboxName))")
        writer.do("STORE 1 +FLAGS.SILENT (\\Answered)")
        writer.do("COPY 1 Archive")
        writer.do("CREATE New")
        for reader in readers:
            said = sorted(reader.stream.readline().decode() for _ in range(3))
            assert re.match(r"\* 1 FETCH \(UID 1 FLAGS \(\\Answered \\Seen\) MODSEQ \(\d+\)\)", said[0])
            assert said[1] == '* LIST (\\HasNoChildren) "/" New\r\n'
            assert re.match(r"\* STATUS Archive \(MESSAGES 1 UIDNEXT 2 UIDVALIDITY \d+ HIGHESTMODSEQ \d+\)", said[2])
            assert reader.do("NOOP") == ["OK NOOP completed"]
            reader.close()
        writer.close()
        assert server.stop() == 0, server.log
