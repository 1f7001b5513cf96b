"""Time, identity and chance: the one seam through which tests hold them still.

Call through the module (`clock.now()`), never import the names.
"""

from __future__ import annotations

import os
import time


def now() -> float:
    """Seconds since 1970, UTC."""
    return time.time()


def now_ns() -> int:
    """Nanoseconds since 1970, UTC."""
    return time.time_ns()


def monotonic() -> float:
    """Seconds of a clock that is never set: for time-outs and durations."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Block for `seconds`."""
    time.sleep(seconds)


def pid() -> int:
    """The process id."""
    return os.getpid()


_host = ""


def host() -> str:
    """The machine's name, safe in file names and Maildir unique names ('/' and ':' written \\057 and \\072)."""
    global _host
    if not _host:
        _host = os.uname().nodename.replace("/", "\\057").replace(":", "\\072") or "localhost"
    return _host


def token(octets: int = 8) -> str:
    """`octets` random octets from the kernel, as hexadecimal digits."""
    return os.urandom(octets).hex()


def random() -> float:
    """A number in [0, 1), from the kernel."""
    return int.from_bytes(os.urandom(7), "big") / (1 << 56)
