"""The runner where dot files start no programs: held to its rows, it delivers all the same."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.confine.sites import GID, UID, own, owners, site
from tests.deliver.homes import MESSAGE, queue, waiting
from tests.harness.homes import set_control
from tests.harness.servers import environment, program


@pytest.fixture
def home() -> Iterator[Home]:
    with site() as made:
        set_control(made, "dotprograms", "no")
        yield made


def run(home: Home) -> str:
    done = subprocess.run(
        program("runq", "--home", home.path, "--once"), env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")


def test_it_delivers(home: Home) -> None:
    set_control(home, "confinepaths", f"runq {own(home)} rw")
    queue(home, "bob@example.test", "carol@example.test", sender="")
    log = run(home)
    assert waiting(home) == [], log
    (there,) = Path(home.domains, "example.test", "bob", "Maildir", "new").iterdir()
    assert there.read_bytes().endswith(MESSAGE)
    assert owners(own(home)) == {(UID, GID, 0)}


def test_what_it_may_not_reach_waits(home: Home) -> None:
    queue(home, "carol@example.test", sender="")
    run(home)
    assert [directory for directory, _ in waiting(home)] == ["cur"]
