r"""The log: one line on standard error per event, the event's word first.

    rcpt c=8f2a to=<bob@example.test> verdict=reject by=quota code=5.2.2 ms=31

A value with blanks, quotes or nothing in it is put in double quotes; control octets are escaped (\n, \x1b), so
one event is always one line whatever a peer sent. No time: whoever reads our standard error (the journal,
multilog) stamps the line, unless MAILKIT_STAMP says that nobody does (mailkit-up sets it to the program's name):

    2026-11-22T02:54:16.003Z smtpd: rcpt c=8f2a ...

Words and fields are listed in mailkit-log(7).
"""

from __future__ import annotations

import os
import time

from mailkit import clock

_stamp = os.environ.pop("MAILKIT_STAMP", "")  # not for programs that we start: what they say is not always for the log
_second = (0, "")  # the last second that was written, and how

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST = 1000  # characters of one value: a peer must not be able to flood the log with one line


def _stderr(line: str) -> None:
    if _stamp:
        line = f"{stamp(_stamp)}{line}"
    try:
        os.write(2, line.encode("utf-8", "backslashreplace") + b"\n")
    except OSError:
        pass  # nobody reads the log any more: mail goes on


def stamp(program: str) -> str:
    """What stands before a line in a log that nobody else stamps: time and program."""
    global _second
    now = clock.now()
    if _second[0] != int(now):
        _second = (int(now), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)))
    return f"{_second[1]}.{int(now % 1 * 1000):03d}Z {program}: "


def stamp_as(program: str) -> None:
    """Stamp our own lines from now on."""
    global _stamp
    _stamp = program


sink = _stderr

counting: Callable[[str, Mapping[str, object]], None] | None = None
"""Told of each line before it is written: mailkit.counters."""


def event(word: str, /, **fields: object) -> None:
    """Write one line. Fields that are None are left out; a trailing "_" of a name is dropped (from_=...)."""
    if counting is not None:
        counting(word, fields)
    sink(_line(word, fields))


def trace(word: str, error: BaseException, /, **fields: object) -> None:
    """Write one line for an error nobody expected, with its traceback in the field `trace`."""
    import traceback

    if counting is not None:
        counting(word, fields)
    text = "".join(traceback.format_exception(error))
    sink(_line(word, fields) + " trace=" + _escaped(text[-8000:]))


def _line(word: str, fields: Mapping[str, object]) -> str:
    """Most lines have nothing to escape: looking once at the whole costs a third of looking at each value."""
    line, own = word, 0  # own: quotes that we put there
    for name, value in fields.items():
        if value is not None:
            if value.__class__ is not int:
                if value.__class__ is not str:
                    value = quoted(value)
                elif " " in value or not value:
                    value = f'"{value}"'
                    own += 2
            line += f" {_NAMES[name]}={value}"
    if line.isascii() and line.isprintable() and line.count('"') == own and "\\" not in line and len(line) <= _LONGEST:
        return line
    return " ".join([word, *[f"{_NAMES[name]}={quoted(value)}" for name, value in fields.items() if value is not None]])


class _Names(dict[str, str]):
    """Names of fields as they are written."""

    def __missing__(self, name: str) -> str:
        self[name] = name.rstrip("_")
        return self[name]


_NAMES = _Names()


def _is_plain(text: str) -> bool:
    """Can these characters stand in a line as they are, but for blanks? Nor is it long."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text and len(text) <= _LONGEST


def quoted(value: object) -> str:
    """`value` as it stands in a log line."""
    if value is True:
        return "yes"
    if value is False:
        return "no"
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    if text and _is_plain(text) and " " not in text:
        return text
    return _escaped(text if len(text) <= _LONGEST else text[:_LONGEST] + "...")


def _escaped(text: str) -> str:
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char == "\n":
            out.append("\\n")
        elif char.isprintable():
            out.append(char)
        elif ord(char) < 256:
            out.append(f"\\x{ord(char):02x}")
        else:
            out.append(f"\\u{ord(char):04x}" if ord(char) < 65536 else f"\\U{ord(char):08x}")
    return '"' + "".join(out) + '"'
