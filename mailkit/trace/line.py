r"""One line of a log: octets to values.

    2026-11-22T01:00:02.169Z smtpd: accept c=63353e q=f9f00d0c6fd42f43 from=<a@b>      mailkit-up
    2026-11-22T01:00:02.169123+0100 host mailkit-smtpd[71]: accept c=63353e ...        journalctl -o short-iso-precise
    Nov 22 01:00:02 host mailkit-smtpd[71]: accept c=63353e ...                        syslog (RFC 3164): no year
    @400000006922d1b20a1b2c3d accept c=63353e ...                                      tai64n (multilog, s6-log)
    accept c=63353e ...                                                                nothing before it

A line that is none of these, or that another program wrote, is None.
"""

from __future__ import annotations

import datetime
import re

from mailkit import clock

_TAI_OFFSET_S = 10  # daemontools' tai64n counts from 1970-01-01 00:00:10 TAI and knows no leap seconds
_TAI_EPOCH = 1 << 62
_DAY_S = 86400

_PREFIX = re.compile(
    r"(?:@(?P<tai>[0-9a-f]{24})\s+"
    r"|(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)\s+"
    r"|(?P<bsd>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?)\s+)?"
    r"(?:(?P<host>[\w.-]+) (?=[\w.@/-]+\[\d+\]: ))?"
    r"(?:(?P<program>[\w.@/-]+)(?:\[\d+\])?: )?"
)
_FIELD = re.compile(r' ([a-z_][a-z0-9_-]*)=("(?:[^"\\]|\\.)*"|[^ ]*)')
_ESCAPE = re.compile(r"\\(n|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)")
_WORD = re.compile(r"[a-z][a-z0-9]*(?= |$)")


class Line:
    """time: Unix seconds, None when the line has none. program: "smtpd", "" when the line does not say."""

    __slots__ = ("fields", "program", "time", "word")

    def __init__(self, time: float | None, program: str, word: str, fields: dict[str, str]) -> None:
        self.time = time
        self.program = program
        self.word = word
        self.fields = fields

    def get(self, name: str) -> str:
        """A field, "" when the line has none of this name."""
        return self.fields.get(name, "")


def parse(octets: bytes) -> Line | None:
    """The event of a line without its line end, None when it is none."""
    text = octets.decode("utf-8", "backslashreplace")
    prefix = _PREFIX.match(text)
    assert prefix is not None  # every part of it may be missing
    word = _WORD.match(text, prefix.end())
    if word is None:
        return None
    fields = {name: _unquoted(value) for name, value in _FIELD.findall(text, word.end())}
    if not fields:
        return None
    program = (prefix["program"] or "").rpartition("/")[2].removeprefix("mailkit-")
    return Line(_time(prefix), program, word[0], fields)


def _time(prefix: re.Match[str]) -> float | None:
    try:
        if prefix["tai"]:
            seconds = int(prefix["tai"][:16], 16) - _TAI_EPOCH - _TAI_OFFSET_S
            return seconds + int(prefix["tai"][16:], 16) / 1e9
        if prefix["iso"]:
            return datetime.datetime.fromisoformat(prefix["iso"].replace(",", ".")).timestamp()
        if prefix["bsd"]:
            return _this_year(prefix["bsd"])
    except ValueError:
        pass  # the 30th of February: the event still counts
    return None


def _this_year(text: str) -> float:
    """RFC 3164 4.1.2 leaves the year out: the last one in which this time is not in the future."""
    now = clock.now()
    year = datetime.datetime.fromtimestamp(now).year
    form = "%Y %b %d %H:%M:%S.%f" if "." in text else "%Y %b %d %H:%M:%S"
    for guess in (year, year - 1):
        found = datetime.datetime.strptime(f"{guess} {text}", form).timestamp()
        if found <= now + _DAY_S:
            return found
    return found


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return _ESCAPE.sub(_meant, value[1:-1])


def _meant(escape: re.Match[str]) -> str:
    what = escape[1]
    if what == "n":
        return "\n"
    if what[0] in "xuU" and len(what) > 1:
        return chr(int(what[1:], 16)) if int(what[1:], 16) < 0x110000 else ""
    return what
