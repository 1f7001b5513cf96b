"""The queue: is somebody working on it, what is stuck, and what did dead writers leave behind?"""

from __future__ import annotations

from mailkit import clock
from mailkit.check.finding import BAD, GOOD, NOTE, WARN, Finding, Site
from mailkit.queue import inspection, listing, ready, recovery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.control import Home

OVERDUE_S = 15 * 60  # a busy runner may be late by this


def check(site: Site) -> Iterator[Finding]:
    """What waits, what lies aside, what is left over."""
    home = site.home
    now = clock.now()
    dues = [name.due for directory in listing.DUE for name in listing.entries(home, directory)]
    late = now - min(dues, default=now)
    if late > OVERDUE_S:
        text = f"{len(dues)} messages wait, one of them was due {_span(late)} ago: no runner is at work"
        yield Finding(BAD, text, "start mailkit-runq (mailkit-up, or systemctl start mailkit-runq)")
    else:
        oldest = f"{len(dues)} messages wait, the oldest for {_span(inspection.oldest(home))}"
        yield Finding(GOOD, oldest if dues else "nothing waits")
    yield from _aside(home)
    yield from _stale(home)


def _aside(home: Home) -> Iterator[Finding]:
    held = sum(1 for _ in listing.entries(home, "hold"))
    if held:
        yield Finding(NOTE, f"{held} messages are held", "mailkit-mailq list --state held")
    failed = sum(1 for _ in listing.entries(home, "failed"))
    if failed:
        yield Finding(WARN, f"{failed} entries are damaged and wait for somebody", "mailkit-mailq show --state failed")


def _stale(home: Home) -> Iterator[Finding]:
    old = [*recovery.left(home), *ready.left(home)]
    if old:
        text = f"{len(old)} files in {home.join('queue')} were left by writers that died"
        advice = "they are cleared away; what may have been accepted goes to queue/failed"
        yield Finding(WARN, text, advice, lambda: _clear(home))


def _clear(home: Home) -> None:
    recovery.clear(home)
    ready.clear(home)


def _span(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"
