"""Programs that start once per connection or message import little: up to the greeting, none of the dear modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.homes import make_home
from tests.harness.servers import converse, environment

# What each would add to the CPU of a bare interpreter, measured on CPython 3.11: asyncio 48 ms, ssl 20, click 30,
# argparse 9, socket 7, re 6, signal 4, typing 3.
DEAR = {
    "argon2", "argparse", "asyncio", "click", "concurrent", "cryptography", "ctypes", "dataclasses", "dns", "email",
    "enum", "hashlib", "inotify_simple", "inspect", "json", "logging", "passlib", "pathlib", "random", "re", "shutil",
    "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "traceback", "typing", "urllib", "uvloop",
}  # fmt: skip

# What mailkit-local loads only for those who want it: a tenth of its time.
UNUSED = {
    "_socket", "binascii", "fcntl", "select", "mailkit.counters", "mailkit.deliver.duplicates",
    "mailkit.deliver.fullness", "mailkit.deliver.identity", "mailkit.deliver.instructions", "mailkit.mail.word",
    "mailkit.maildir.tree", "mailkit.net.blocking",
}  # fmt: skip

LEAN = {
    "smtpd": (b"QUIT\r\n", ()),
    "imapd": (b"a LOGOUT\r\n", ()),
    "pop3d": (b"QUIT\r\n", ()),
}


def imported(trace: str) -> set[str]:
    """The top-level packages in the output of -X importtime."""
    lines = [line for line in trace.splitlines() if line.startswith("import time:") and "|" in line]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def at_start() -> set[str]:
    """What this interpreter imports for nothing (site packages may pull in a lot)."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "pass"],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    return imported(run.stderr)


@pytest.mark.parametrize("name", sorted(LEAN))
def test_servers_greet_without_the_dear_modules(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_home(tmp_path)
    data, words = LEAN[name]
    tracing = {**environment(), "PYTHONPROFILEIMPORTTIME": "1"}
    monkeypatch.setattr("tests.harness.servers.environment", lambda: tracing)
    answer, trace, status = converse(home, name, data, *words)
    assert answer and status == 0, trace
    assert not imported(trace) & (DEAR - at_start())
    assert "mailkit.maildir.folder" not in trace, "the store is for those who have logged in"


def test_local_delivers_without_the_dear_modules(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    run = subprocess.run(
        [sys.executable, "-X", "importtime", os.path.join("bin", "mailkit-local"), "--home", home.path, "-d",
         "alice@example.test"],
        input=b"Subject: x\n\nhello\n",
        capture_output=True,
        env=environment(),
        check=False,
    )  # fmt: skip
    trace = run.stderr.decode()
    assert run.returncode == 0, trace
    assert not imported(trace) & (DEAR - at_start())
    here = {line.rpartition("|")[2].strip() for line in trace.splitlines()}
    assert not here & (UNUSED - at_start()), "a plain delivery needs none of these"
