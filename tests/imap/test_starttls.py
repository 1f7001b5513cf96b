"""What was said in the clear does not count after STARTTLS (RFC 9051 section 11.1)."""

from __future__ import annotations

from pathlib import Path

from mailkit.imap.session import session
from tests.harness.transcript import FakeConn, run
from tests.imap import mailboxes


def test_commands_sent_along_with_starttls_are_not_run(tmp_path: Path) -> None:
    home = mailboxes.make(tmp_path)
    conn = FakeConn([b"a STARTTLS\r\nb LOGOUT\r\nc NO", b"OP\r\nd NOOP\r\n"], service="imap")
    run(session(conn, home))
    assert conn.events == ["starttls"]
    assert b"\r\na OK " in conn.output
    assert b"b OK" not in conn.output
    assert b"c OK" not in conn.output
    assert b"d OK NOOP completed\r\n" in conn.output
