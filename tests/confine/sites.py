"""A home with a user who has a uid of their own, and what the processes that serve them may."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mailkit import clock
from mailkit.control import Home
from tests.harness.homes import make_home, set_control

UID, GID = 60123, 60124
PASSWORD = "secret"


@contextlib.contextmanager
def site() -> Iterator[Home]:
    """alice and bob are the mail system's own; carol has a uid and a home outside. Not in pytest's directory, which
    every run of pytest closes to others."""
    with tempfile.TemporaryDirectory(prefix="mailkit-site-") as directory:
        path = Path(directory)
        path.chmod(0o711)
        home = make_home(path / "home", tls=True)
        Path(home.path).chmod(0o711)
        Path(home.control.directory).chmod(0o755)  # as mailkit-setup makes it: mailkit-local reads it as the user
        theirs = path / "carol"
        theirs.mkdir(mode=0o700)
        os.chown(theirs, UID, GID)
        with open(home.passwd, "a", encoding="ascii") as file:
            file.write(f"carol@example.test:{{PLAIN}}{PASSWORD}:{UID}:{GID}::{theirs}::\n")
        set_control(home, "clearauth", "yes")
        yield home


def own(home: Home) -> Path:
    """Carol's home."""
    return Path(home.path).parent / "carol"


def owners(directory: Path) -> set[tuple[int, int, int]]:
    """uid, gid and the rights of others, of everything there."""
    return {(one.stat().st_uid, one.stat().st_gid, one.stat().st_mode & 0o077) for one in directory.rglob("*")}


def status(pid: int) -> dict[str, str]:
    """/proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def served_by(uid: int) -> list[int]:
    """The processes of a uid."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and status(int(name))["Uid"].split()[0] == str(uid):
                found.append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(what: object, seconds: float = 15) -> None:
    """Wait for a condition that other processes bring about."""
    assert callable(what)
    due = clock.monotonic() + seconds
    while not what():
        assert clock.monotonic() < due, "it does not come true"
        clock.sleep(0.02)
