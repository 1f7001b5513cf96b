"""A stand-in for the process that syncs (net.syncer), in the loop of the test."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailkit import clock, files
from mailkit.net import commit, loop, syncer
from tests.harness.crash import Dead


class Syncer:
    """The other end. answers: what it says, one after the other; the last for ever."""

    def __init__(self, answers: list[Callable[[], float]]) -> None:
        ours, self.end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours = syncer.End(ours)
        self.answers = answers
        self.asked = 0

    def listen(self) -> None:
        asyncio.get_running_loop().add_reader(self.end, self._answer)

    def _answer(self) -> None:
        data, fds, _, _ = socket.recv_fds(self.end, syncer._REQUEST.size, 16)
        for fd in fds:
            os.close(fd)
        _, number = syncer._REQUEST.unpack(data)
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        self.end.send(syncer._ANSWER.pack(number, answer()))

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.end)
        self.end.close()


def run(work: Callable[[], Any], *answers: Callable[[], float]) -> tuple[Any, Syncer]:
    """The result of `work()` in a loop whose syncer answers so."""
    other = Syncer(list(answers))

    async def main() -> Any:
        other.listen()
        try:
            return await work()
        finally:
            other.close()

    return loop.run(main, syncer=other.ours), other


def trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system of the test is one of those whose syncfs is trusted."""
    monkeypatch.setattr(commit, "_opened", lambda path: os.open(path, os.O_RDONLY | os.O_DIRECTORY))


def syncs(*directories: Path, relied: bool = True) -> Callable[[], float]:
    """An answer for crash tests: all that is in these directories is on disk. relied: and it says so.

    The file systems that are trusted bring a rename to disk as a whole. The disk of the crash tests does not: the
    directories are to be named in such an order that a file comes to the next one before it leaves the last.
    """

    def sync() -> float:
        began = clock.monotonic()
        try:
            for path in [path for directory in directories for path in directory.iterdir()]:
                _sync(path)
            for directory in directories:
                if files.fault is not None:
                    files.fault("sync_dir", str(directory))
        except (Dead, OSError):
            return 0.0  # the fsyncs that follow die as well, or tell whose error it is
        return began if relied else 0.0

    return sync


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        if files.fault is not None:
            files.fault("sync", fd)
    finally:
        os.close(fd)
