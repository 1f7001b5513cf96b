"""Waiting for a descriptor: by poll(2), which knows those beyond 1,023, too."""

from __future__ import annotations

import select


def readable(fd: int, within_s: float) -> bool:
    """Wait until there is something to read, the end of a process (pidfd) included; False when nothing came in time."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(1000 * within_s))
