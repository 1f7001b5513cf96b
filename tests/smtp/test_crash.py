"""A crash while a message is taken in: either 250 was said and the message is there, or it was not said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailkit.control import Home
from mailkit.deliver import route
from mailkit.smtp import session as smtp_session
from mailkit.smtp import settings
from tests.harness.crash import crashes
from tests.harness.transcript import FakeConn, run
from tests.smtp.worlds import queued, world

DIALOGUE = [
    b"EHLO client.example.net\r\n",
    b"MAIL FROM:<carol@example.net>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n",
    b"Subject: one\r\n\r\nfirst\r\n.\r\n",
    b"MAIL FROM:<carol@example.net> BODY=BINARYMIME\r\nRCPT TO:<bob@example.test>\r\n",
    b"BDAT 26 LAST\r\nSubject: two\r\n\r\nsecond\r\n\0\n",
]


@pytest.mark.parametrize("policy", ["relay", "command"])
def test_no_250_without_the_message(policy: str, tmp_path: Path) -> None:
    said: list[FakeConn] = []

    def prepare(directory: Path) -> None:
        home = world(directory, {"policy": [policy], "policycommand": ["data /bin/true"]})
        # The user files are opened here: what is open before the crash stays open after it.
        route.judge(home, "bob@example.test")

    def scenario(directory: Path) -> Any:
        settings.forget()
        conn = FakeConn(list(DIALOGUE))
        said.append(conn)
        run(smtp_session.session(conn, Home(str(directory))))

    runs = 0
    for crash in crashes(tmp_path, scenario, prepare):
        runs += 1
        accepted = said[-1].output.count(b"queued as")
        messages = b"".join(message for _, message in queued(Home(str(crash.directory))))
        for subject in (b"one", b"two")[:accepted]:
            assert b"Subject: " + subject in messages, crash
        for _, message in queued(Home(str(crash.directory))):
            assert message.endswith((b"first\n", b"second\n\n")), crash
    assert runs > 8
