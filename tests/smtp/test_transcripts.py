"""Every dialogue in transcripts/, replayed whole, octet by octet and cut at random.

Comment lines at the head of a file set the stage: `# service: lmtp`, `# tls`, `# no starttls`, `# control NAME: a | b`,
`# aliases: line`, `# queued: 2` (messages in the queue at the end), `# whole` (cutting changes what this shows).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mailkit.smtp import session as smtp_session
from mailkit.smtp import settings
from tests.harness.transcript import FakeConn, FakeTls, parse, replay, run
from tests.smtp.worlds import left_over, queued, world

FOLDER = Path(__file__).parent / "transcripts"


class Stage:
    def __init__(self, text: str) -> None:
        self.conn: dict[str, Any] = {}
        self.controls: dict[str, list[str]] = {"authdelay": ["0"]}
        self.aliases = ""
        self.queued: int | None = None
        self.whole = False
        for line in text.splitlines():
            if line.startswith("#"):
                self._line(line[1:].strip())

    def _line(self, line: str) -> None:
        word, _, value = line.partition(": ")
        if line == "tls":
            self.conn["tls"] = FakeTls()
        elif line == "no starttls":
            self.conn["can_starttls"] = False
        elif line == "whole":
            self.whole = True
        elif word == "service":
            self.conn["service"] = value
        elif word == "aliases":
            self.aliases = value + "\n"
        elif word == "queued":
            self.queued = int(value)
        elif word.startswith("control "):
            self.controls[word.removeprefix("control ")] = value.split(" | ")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_transcript(path: Path, tmp_path: Path) -> None:
    text = path.read_text("utf-8")
    stage = Stage(text)
    place = tmp_path / "home"
    home = world(place, stage.controls)

    def fresh() -> None:
        nonlocal home
        shutil.rmtree(place, ignore_errors=True)
        home = world(place, stage.controls)
        if stage.aliases:
            Path(home.aliases).write_text(stage.aliases)

    def session(conn: FakeConn) -> Any:
        return smtp_session.session(conn, home)

    if stage.whole:
        fresh()
        replay_whole(session, text, stage.conn)
    else:
        replay(session, text, fresh, **stage.conn)
    assert left_over(home) == []
    if stage.queued is not None:
        assert len(queued(home)) == stage.queued
    settings.forget()


def replay_whole(session: Any, text: str, conn_kwargs: dict[str, Any]) -> None:
    """Send each block in one piece only."""
    steps = parse(text)
    conn = FakeConn([step.send for step in steps if step.send], **conn_kwargs)
    run(session(conn))
    wanted = [line for step in steps for mark, line in step.expect if mark == "S:"]
    said = conn.output.decode().split("\r\n")
    assert [line for line in wanted if line not in said] == []
