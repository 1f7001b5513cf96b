"""Who sends a thousand commands ahead does not keep everybody else waiting till the last is done."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from mailkit.control import Home
from mailkit.imap.session import session as imap
from mailkit.pop3.session import session as pop3
from mailkit.smtp import settings
from mailkit.smtp.session import session as smtp
from tests.harness.homes import make_home, set_control
from tests.harness.transcript import FakeConn, run

Session = Callable[[FakeConn, Home], Coroutine[Any, Any, None]]
RCPT = b"RCPT TO:<bob@example.test>\r\n"


@pytest.mark.parametrize(
    ("session", "service", "sent", "answers"),
    [
        (smtp, "mx", b"EHLO x\r\nMAIL FROM:<carol@example.net>\r\n" + RCPT * 1000, b"250 2.1.5 "),
        (imap, "imap", b"a NOOP\r\n" * 1000, b"a OK "),
        (pop3, "pop3", b"CAPA\r\n" * 1000, b"+OK "),
    ],
)
def test_others_have_their_turn(tmp_path: Path, session: Session, service: str, sent: bytes, answers: bytes) -> None:
    home = make_home(tmp_path)
    set_control(home, "policy", "relay")
    settings.forget()
    conn = FakeConn([sent], service=service, peer="127.0.0.1")
    turns: list[float] = []

    async def turn(seconds: float) -> None:
        turns.append(seconds)

    conn.pause = turn  # type: ignore[method-assign]
    run(session(conn, home))
    assert bytes(conn.output).count(answers) >= 1000
    assert turns.count(0) >= 20
