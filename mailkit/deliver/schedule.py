"""When to try again, when to tell the sender, when to give up. Pure: times in, times out.

After the n-th attempt failed the entry waits retryfirst * 2**(n-1) seconds, retrymost at the most, with up to a tenth
more or less so that what failed together does not come back together. The sender is told once, after delaynotice; the
last attempt is the first one at or after giveup.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.control import Control


class Schedule:
    """The four durations, in seconds. notice_s: 0 for never."""

    __slots__ = ("first_s", "giveup_s", "most_s", "notice_s")

    def __init__(
        self, first_s: int = 300, most_s: int = 4 * 3600, notice_s: int = 4 * 3600, giveup_s: int = 432000
    ) -> None:
        self.first_s = max(first_s, 1)
        self.most_s = max(most_s, self.first_s)
        self.notice_s = notice_s
        self.giveup_s = giveup_s

    def wait(self, attempts: int) -> float:
        """Seconds to wait after `attempts` failures."""
        wait = min(self.first_s * 2.0 ** min(max(attempts - 1, 0), 30), self.most_s)
        return wait * (0.9 + 0.2 * clock.random())

    def next(self, attempts: int, arrived: float, now: float) -> float:
        """Unix time of the attempt after the `attempts`-th; not long past giveup, so that the sender hears in time."""
        due = now + self.wait(attempts)
        last = arrived + self.giveup_s
        return due if due < last or now >= last else max(last, now + self.first_s)

    def within(self, by: str, arrived: float) -> Schedule:
        """The schedule for a message with a deadline, "UNIXSECONDS;MODE" (RFC 2852 4.1.3): R, it goes back at the
        deadline; N, the sender hears then that it is late, and not before: we tell of a delay once."""
        at, mode = deadline(by)
        if not mode:
            return self
        left = max(int(at - arrived), 1)
        if mode.startswith("R"):
            return Schedule(self.first_s, self.most_s, self.notice_s, min(self.giveup_s, left))
        return Schedule(self.first_s, self.most_s, left if left < self.giveup_s else self.notice_s, self.giveup_s)

    def overdue(self, arrived: float, now: float) -> bool:
        """Is a failure now the last one?"""
        return now >= arrived + self.giveup_s

    def notice_due(self, arrived: float, now: float) -> bool:
        """Should the sender hear that it is delayed?"""
        return bool(self.notice_s) and now >= arrived + self.notice_s


def deadline(by: str) -> tuple[int, str]:
    """Unix seconds and mode (R, RT, N or NT) of "UNIXSECONDS;MODE" (RFC 2852 4); (0, "") where there is none."""
    text, _, mode = by.partition(";")
    return (int(text), mode) if text.lstrip("-").isdigit() and mode else (0, "")


def of(control: Control) -> Schedule:
    """The schedule of this home."""
    return Schedule(
        control.seconds("retryfirst"),
        control.seconds("retrymost"),
        control.seconds("delaynotice"),
        control.seconds("giveup"),
    )
