"""How many passwords are checked at once on this machine, by all processes together.

    run/verify/0 ... run/verify/N-1        a check holds the flock(2) of one of them

A hash check takes 19 MiB and a processor for 25 ms; a hundred at once would push a small machine into swap. The locks
die with their holders, so a killed process frees its slot.
"""

from __future__ import annotations

import os

from mailkit import clock, files, log
from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from mailkit.control import Home


class Slot:
    """`with Slot(home): verify.check(...)`; blocks, so offload it. Temp when none is free for `wait_s`."""

    __slots__ = ("_fd", "_home", "_wait_s")

    def __init__(self, home: Home, wait_s: float = 10.0) -> None:
        self._home = home
        self._wait_s = wait_s
        self._fd = -1

    def __enter__(self) -> Slot:
        most = self._home.control.number("verifications")
        if not most:
            return self
        try:
            self._wait(os.path.join(self._home.run, "verify"), most)
        except OSError as error:
            log.event("slots", error=f"{error.filename}: {error.strerror}")  # better without a limit than nobody
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _wait(self, directory: str, most: int) -> None:
        files.mkdir(directory)
        until = clock.monotonic() + self._wait_s
        while not any(self._taken(os.path.join(directory, str(i))) for i in range(most)):
            if clock.monotonic() >= until:
                raise Temp("too many people are logging in", code="4.3.2", detail=f"{directory}: {most} slots taken")
            clock.sleep(0.002 + 0.004 * clock.random())

    def _taken(self, path: str) -> bool:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if files.lock(fd):
            self._fd = fd
            return True
        os.close(fd)
        return False
