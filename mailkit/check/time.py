"""The clock: certificates, retries, signatures and the order of mail go by it."""

from __future__ import annotations

import ctypes
import os

from mailkit import clock
from mailkit.check.finding import BAD, GOOD, NOTE, Finding, Site

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_WRITTEN = 1795305600  # this program is of November 2026: an earlier time is wrong
_AHEAD_S = 300
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_OCTETS = 512  # struct timex has 208, with room for more


def check(site: Site) -> Iterator[Finding]:
    """Does it go, and does somebody keep it right?"""
    now = clock.now()
    newest = max(_changed(site.home.join(name)) for name in ("control", "users", "queue/new", "run"))
    if now < _WRITTEN:
        yield Finding(BAD, f"the clock says {int(now)}: that is before this program was written", "set it")
    elif newest > now + _AHEAD_S:
        text = f"files of the home were changed {newest - now:.0f} s after now: the clock went back"
        yield Finding(BAD, text, "set it")
    elif _state() == _TIME_ERROR:
        mend = "run chrony or systemd-timesyncd, if nothing else keeps the clock right"
        yield Finding(NOTE, "the kernel hears of no time service", mend)
    else:
        yield Finding(GOOD, "the clock is kept right by a time service")


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _state() -> int:
    """What adjtimex(2) says of the clock; -1 where it may not be asked."""
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_OCTETS)))
