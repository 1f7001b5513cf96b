"""mailkit-smtpd --explain: the answer, and why, without a message taken."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.harness.servers import environment, program
from tests.smtp.worlds import queued, world


def explain(home: Home, *words: str, message: bytes = b"") -> tuple[list[str], int]:
    """(lines, exit status)."""
    command = program("smtpd", "--home", home.path, "--explain", *words)
    done = subprocess.run(command, input=message, capture_output=True, env=environment(), check=False)
    assert not done.stderr, done.stderr
    return done.stdout.decode().splitlines(), done.returncode


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return world(tmp_path, {"policy": ["relay", "helo", "command"], "policycommand": ["mail /bin/true"]})


def test_what_would_be_taken(home: Home) -> None:
    lines, status = explain(
        home, "--peer", "192.0.2.1", "--helo", "mx.example.net", "--from", "a@b", "--to", "bob@example.test"
    )
    assert status == 0
    assert "helo     helo     -" in lines
    assert "rcpt     route    bob@example.test is a user (users/passwd)" in lines
    assert "answer   250 2.1.5 <bob@example.test>" in lines
    assert queued(home) == []


def test_what_would_be_refused(home: Home) -> None:
    words = [
        "--peer",
        "192.0.2.1",
        "--helo",
        "mx.example.net",
        "--to",
        "x@elsewhere.example",
        "--to",
        "no@example.test",
    ]
    lines, status = explain(home, *words)
    assert status == 100
    assert "rcpt     relay    reject 550 5.7.1 we do not relay mail to that domain for you" in lines
    assert "answer   550 5.7.1 we do not relay mail to that domain for you" in lines
    assert "answer   550 5.1.1 <no@example.test>: no such user here" in lines


def test_name_that_is_ours(home: Home) -> None:
    lines, status = explain(home, "--peer", "192.0.2.1", "--helo", "mail.example.test", "--to", "bob@example.test")
    assert status == 100
    assert lines[-1] == "answer   550 5.7.1 that is our name, not yours"


@pytest.mark.parametrize("peer", [[], ["--peer", "192.0.2.1"], ["--peer", "2001:db8::1"]])
def test_a_name_need_not_be_given(home: Home, peer: list[str]) -> None:
    lines, status = explain(home, *peer, "--to", "bob@example.test")
    assert status == 0, lines


def test_message_on_standard_input_is_judged(home: Home) -> None:
    path = Path(home.path, "scan")
    path.write_text("#!/bin/sh\ngrep -q virus && { echo found a virus; exit 100; }\nexit 0\n")
    path.chmod(0o755)
    Path(home.path, "control", "policycommand").write_text(f"data {path}\n")
    lines, status = explain(home, "--helo", "x", "--to", "bob@example.test", message=b"Subject: x\n\na virus\n")
    assert (lines[-1], status) == ("answer   550 5.7.1 found a virus", 100)
    lines, status = explain(home, "--helo", "x", "--to", "bob@example.test", message=b"Subject: x\n\nharmless\n")
    assert (lines[-1], status) == ("data     command  -", 0)
    assert os.listdir(os.path.join(home.queue, "tmp")) == []


def test_trouble_is_temporary(home: Home) -> None:
    Path(home.aliases).write_text("one@example.test: two@example.test\ntwo@example.test: one@example.test\n")
    lines, status = explain(home, "--helo", "x", "--to", "one@example.test")
    assert status == 111 and lines[-1].startswith("answer   451 4.")
