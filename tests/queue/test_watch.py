"""What inotify tells of the queue: names that arrive, and that something was not told."""

from __future__ import annotations

import os
from collections import namedtuple
from pathlib import Path

import pytest
from inotify_simple import flags

from mailkit.control import Home
from mailkit.queue import inject
from mailkit.queue.watch import Arrivals
from tests.harness.waits import readable

NAME = "1763768464.0.6f1d2c7a90be3345,S=4123"


def told(arrivals: Arrivals) -> list[tuple[str, str]]:
    assert readable(arrivals.fileno(), 10)
    return [(directory, str(found)) for directory, found in arrivals.read()]


def test_entries_are_told_by_the_directory_they_come_to(home: Home) -> None:
    arrivals = Arrivals(home)
    Path(home.queue, "tmp", "x").touch()
    os.rename(Path(home.queue, "tmp", "x"), Path(home.queue, "new", NAME))
    assert told(arrivals) == [("new", NAME)]
    os.rename(Path(home.queue, "new", NAME), Path(home.queue, "cur", NAME))
    Path(home.queue, "cur", "somebody-else's").touch()
    assert told(arrivals) == [("cur", NAME)]
    assert not arrivals.missed and not arrivals.dropped
    arrivals.close()


def test_what_is_dropped_is_told_apart(home: Home) -> None:
    arrivals = Arrivals(home)
    Path(home.queue, "drop", NAME).touch()
    assert told(arrivals) == [] and arrivals.dropped and not arrivals.missed
    arrivals.close()


@pytest.mark.parametrize("lost", [flags.Q_OVERFLOW, flags.UNMOUNT, flags.IGNORED])
def test_what_was_not_told_is_said_to_be_missed(home: Home, lost: flags, monkeypatch: pytest.MonkeyPatch) -> None:
    arrivals = Arrivals(home)
    event = namedtuple("event", "wd mask cookie name")
    monkeypatch.setattr(arrivals._inotify, "read", lambda timeout: [event(-1, lost, 0, "")])
    assert arrivals.read() == [] and arrivals.missed
    arrivals.close()


def test_other_directories_in_their_places_are_seen(home: Home) -> None:
    arrivals = Arrivals(home)
    assert not arrivals.astray()
    os.rename(home.queue, home.queue + ".old")
    assert not arrivals.astray()  # there is nothing to watch instead
    inject.prepare(home)
    assert arrivals.astray()
    arrivals.close()
