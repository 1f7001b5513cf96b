"""The end of the process that syncs, as its parent sees it. What it does while it lives: test_commit."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from mailkit.net import syncer


def children() -> set[int]:
    path = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    return {int(pid) for pid in path.read_text().split()}


@pytest.mark.parametrize("count", [1, 3])
def test_one_that_was_killed_is_no_zombie(count: int) -> None:
    before = children()
    ends = syncer.start(count)
    (server,) = children() - before
    os.kill(server, signal.SIGKILL)
    for end in ends:
        assert end is not None
        with pytest.raises(EOFError):
            end.answer()
        assert not Path(f"/proc/{server}").exists()
        end.close()


def test_one_that_is_somebody_elses_child_is_left_to_them() -> None:
    ours, theirs = os.pipe()
    if not (child := os.fork()):
        (end,) = syncer.start()
        if not os.fork():  # a worker
            os.close(ours)
            assert end is not None
            os.kill(end._server, signal.SIGKILL)
            try:
                end.answer()
            except EOFError:
                os.write(theirs, b"told")
            os._exit(0)
        os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with open(ours, "rb") as told:
        assert told.read() == b"told"
