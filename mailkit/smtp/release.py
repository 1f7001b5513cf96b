"""The dates of FUTURERELEASE (RFC 4865, RFC 3339): "2027-01-01T08:00:00Z" and Unix seconds."""

from __future__ import annotations

import time

from mailkit import clock


def parse(text: str) -> float:
    """Unix seconds of an RFC 3339 date and time. ValueError."""
    import calendar

    text = text.upper()
    head, zone = (text[:-1], "+00:00") if text.endswith("Z") else (text[:-6], text[-6:])
    seconds = head.partition(".")[0]
    try:
        at = calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S"))
        hours, minutes = int(zone[1:3]), int(zone[4:6])
    except ValueError:
        raise ValueError("no date of RFC 3339")
    if zone[0] not in "+-" or zone[3:4] != ":":
        raise ValueError("no date of RFC 3339")
    east = (hours * 60 + minutes) * 60
    return at - east if zone[0] == "+" else at + east


def latest(interval_s: int) -> str:
    """The date `interval_s` from now, for the EHLO line."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.now() + interval_s))
