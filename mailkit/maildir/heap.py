"""Memory of a first look at a folder of 100,000 messages, which makes and forgets millions of small objects.

They hold no cycles, but the collector of cycles looks at them again and again, which doubles the time. And the C
library keeps what it freed in the middle of the heap for later, which a process that goes on for weeks with idle
sessions has no use for. glibc has a call for it; other C libraries do without.
"""

from __future__ import annotations

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_M_TRIM_THRESHOLD = -1  # malloc.h


class Uncollected:
    """`with Uncollected():` the collector of cycles waits. Several threads may be here: whoever found it running
    starts it again, which for the others only is too early."""

    __slots__ = ("_running",)

    def __enter__(self) -> None:
        self._running = gc.isenabled()
        gc.disable()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._running:
            gc.enable()


def keep(octets: int) -> None:
    """From now on this process keeps so much of what it freed last: slices of answers come and go, and the pages of
    each would be had and given back anew."""
    import ctypes

    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_TRIM_THRESHOLD, octets)


def give_back() -> None:
    """Return freed memory to the system; takes some milliseconds."""
    import ctypes  # only here: it is slow to load, and most processes never come by

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
