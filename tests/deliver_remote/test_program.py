"""mailkit-remote: arguments, output and exit statuses."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mailkit.deliver.outcome import Outcome
from mailkit.deliver.remote.outside import Outside
from mailkit.programs import remote as program
from tests.harness import zones
from tests.smtp_client.server import Server


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Servers by address, with the zones of example.org; standard input holds a message."""
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_text("me.example.test\n")
    servers: dict[str, Any] = {}
    records = {
        "example.org": {"MX": [(10, "a.example.org"), (20, "b.example.org")]},
        "a.example.org": {"A": ["198.51.100.201"]},
        "b.example.org": {"A": ["198.51.100.202"]},
    }

    async def dial(self: Outside, ip: str, port: int, timeout_s: float, source: str) -> Any:
        servers.setdefault("dialed", []).append((ip, port, source))
        return servers[ip]

    monkeypatch.setattr(Outside, "_connect", dial)
    monkeypatch.setattr(Outside, "resolver", lambda self: zones.resolver(records))
    monkeypatch.setenv("MAILKIT_HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "carol")
    return servers


@pytest.fixture
def stdin(tmp_path: Path) -> Any:
    """Puts octets on descriptor 0."""
    saved = os.dup(0)

    def put(data: bytes, pipe: bool) -> None:
        if pipe:
            reader, writer = os.pipe()
            os.write(writer, data)
            os.close(writer)
        else:
            path = tmp_path / "message"
            path.write_bytes(data)
            reader = os.open(path, os.O_RDONLY)
        os.dup2(reader, 0)
        os.close(reader)

    yield put
    os.dup2(saved, 0)
    os.close(saved)


@pytest.mark.parametrize("pipe", [True, False])
def test_sent(world: dict[str, Any], stdin: Any, capsys: pytest.CaptureFixture[str], pipe: bool) -> None:
    stdin(b"Subject: x\r\n\r\nhello\r\n", pipe)
    world["198.51.100.201"] = server = Server()
    assert program.main(["--to", "bob@example.org", "-t", "Dan@Example.org"]) == 0
    assert capsys.readouterr().out == (
        "ok bob@example.org a.example.org 250 2.0.0 queued as 4711\n"
        "ok Dan@Example.org a.example.org 250 2.0.0 queued as 4711\n"
    )
    assert server.messages == [b"Subject: x\r\n\r\nhello\r\n"]
    assert server.envelopes[0][0].startswith("MAIL FROM:<carol@me.example.test>")
    assert server.commands[-1] == "QUIT"


@pytest.mark.parametrize(
    ("say", "status", "word"),
    [
        ({"RCPT": ["550 5.1.1 no", "250 ok"]}, 100, "perm"),
        ({"RCPT": ["450 4.2.0 later", "550 5.1.1 no"]}, 111, "temp"),
    ],
)
def test_statuses(
    world: dict[str, Any], stdin: Any, capsys: pytest.CaptureFixture[str], say: Any, status: int, word: str
) -> None:
    stdin(b"Subject: x\n\n", True)
    world["198.51.100.201"] = Server(say=say)
    world["198.51.100.202"] = Server(say={"RCPT": "450 4.2.0 later"})
    assert program.main(["--to", "bob@example.org", "--to", "dan@example.org"]) == status
    assert capsys.readouterr().out.startswith(f"{word} bob@example.org ")


def test_where_to_can_be_said(world: dict[str, Any], stdin: Any) -> None:
    stdin(b"Subject: x\n\n", False)
    world["198.51.100.209"] = server = Server(["DSN"])
    words = ["--from", "", "--host", "[198.51.100.209]", "--port", "2525", "--source", "192.0.2.7", "--helo", "other.test"]
    words += ["--notify", "never", "--ret", "HDRS", "--envid", "Q1", "--tls", "off"]
    assert program.main([*words, "--to", "bob@nowhere.example"]) == 0
    assert world["dialed"] == [("198.51.100.209", 2525, "192.0.2.7")]
    assert server.commands[0] == "EHLO other.test"
    assert server.envelopes[0] == ["MAIL FROM:<> RET=HDRS ENVID=Q1", "RCPT TO:<bob@nowhere.example> NOTIFY=NEVER"]


def test_dry_run_prints_the_servers(world: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["-n", "--to", "bob@example.org", "--mx", "example.org", "--port", "26"]) == 0
    assert capsys.readouterr().out == "example.org a.example.org 198.51.100.201 26\nexample.org b.example.org 198.51.100.202 26\n"
    assert program.main(["-n", "--to", "bob@nowhere.example"]) == 100
    assert "nowhere.example does not exist" in capsys.readouterr().err
    assert "dialed" not in world


def test_verbose_shows_the_dialogue_without_control_octets(
    world: dict[str, Any], stdin: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin(b"Subject: x\n\n", False)
    world["198.51.100.201"] = Server(say={"RCPT": "250 fine \x1b[31mred"})
    program.main(["-v", "--to", "bob@example.org"])
    shown = capsys.readouterr().err
    assert "C: RCPT TO:<bob@example.org>" in shown and "S: 250 fine" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--to", "no address"],
        ["--to", "bob@example.org", "--from", "<>"],
        ["--to", "bob@example.org", "--port", "x"],
        ["--to", "bob@example.org", "--host", "a", "--mx", "b"],
    ],
)
def test_misuse(world: dict[str, Any], capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert program.main(words) == 100
    assert capsys.readouterr().err.startswith("mailkit-remote: ")


def test_an_unreadable_message(
    world: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(program, "_message", fail)
    assert program.main(["--to", "bob@example.org"]) == 111
    assert "Input/output error" in capsys.readouterr().err


def test_an_outcome_without_server_has_a_dash(
    world: dict[str, Any], stdin: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin(b"Subject: x\n\n", False)

    async def attempt(*args: Any, **options: Any) -> list[Outcome]:
        return [Outcome("temp", "4.4.1", "nobody answers")]

    monkeypatch.setattr(sys.modules["mailkit.deliver.remote"], "attempt", attempt)
    assert program.main(["--to", "bob@example.org"]) == 111
    assert capsys.readouterr().out == "temp bob@example.org - nobody answers\n"
