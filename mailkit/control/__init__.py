"""Control values: one file per value in HOME/control, as qmail taught.

    control/me            mail.example.org
    control/databytes     50M
    control/domains       example.org
                          example.net

A missing file means the default of the table (control/table.py), which `mailkit-showctl` prints. The first line
counts for single values; lists take one entry a line; blank lines and lines that start with "#" do not count.
Values are read when they are asked for and kept until the file changes, so nothing needs a reload.
"""

from __future__ import annotations

import os

from mailkit import clock, log
from mailkit.control.table import TABLE, Value
from mailkit.exits import Perm, Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    _T = TypeVar("_T")

__all__ = ["DEFAULT_HOME", "Control", "Home"]

DEFAULT_HOME = "/var/lib/mailkit"

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_OCTETS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_FLAGS = {"yes": True, "on": True, "true": True, "1": True, "no": False, "off": False, "false": False, "0": False}


class Control:
    """The values of one control directory."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._kept: dict[str, tuple[tuple[int, int, int], object]] = {}
        self._looked: set[str] | None = None  # values that were looked at since `look`
        self._every_s = 0.0
        self._due = 0.0  # when to `look` again; monotonic
        self._frozen = False

    def text(self, name: str) -> str:
        """A single line, "" when there is none."""
        return _as(str, self._value(name))

    def number(self, name: str) -> int:
        """A whole number."""
        return _as(int, self._value(name))

    def flag(self, name: str) -> bool:
        """yes or no."""
        return _as(bool, self._value(name))

    def seconds(self, name: str) -> int:
        """A duration: "90", "5m", "4h", "5d", "1h30m"."""
        return _as(int, self._value(name))

    def octets(self, name: str) -> int:
        """A size: "4096", "64K", "50M", "2G" (powers of 1024)."""
        return _as(int, self._value(name))

    def lines(self, name: str) -> list[str]:
        """A list, one entry a line."""
        return _as(list, self._value(name))

    def set(self, name: str) -> bool:
        """Is there a file of this name?"""
        return os.path.exists(os.path.join(self.directory, name))

    def look(self, every_s: float = 0) -> None:
        """Look at each file once more, when its value is asked for next, and not again until the next `look`: for a
        process that asks thousands of times a second and knows when a change would matter, or looks `every_s`."""
        self._looked = set()
        self._every_s = every_s
        self._due = clock.monotonic() + every_s if every_s else float("inf")

    def freeze(self) -> None:
        """Read everything now and nothing later: for a process that gives up its rights on the directory. A value that
        is bad, and not safe, stays what was last read of it, or its default."""
        for name, entry in TABLE.items():
            try:
                self._value(name)
            except Perm:
                self._kept.setdefault(name, ((0, 0, 0), parse(entry.kind, entry.default)))
        self._frozen = True

    def raw(self, name: str) -> str | None:
        """The file's text, None when it is missing. Perm when it cannot be read."""
        path = os.path.join(self.directory, name)
        try:
            with open(path, "rb") as file:
                return file.read().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Perm("configuration cannot be read", code="4.3.5", detail=f"read {path}: {error.strerror}")

    def _value(self, name: str) -> object:
        if self._frozen:
            return self._kept[name][1]
        if self._looked is not None:
            if clock.monotonic() >= self._due:
                self.look(self._every_s)
            elif name in self._looked:
                return self._kept[name][1]
        try:
            stat = os.stat(f"{self.directory}/{name}")
            mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError:
            mark = (0, 0, 0)
        kept = self._kept.get(name)
        if kept is None or kept[0] != mark:
            kept = self._kept[name] = (mark, self._parsed(TABLE[name]))
        if self._looked is not None:
            self._looked.add(name)
        return kept[1]

    def _parsed(self, entry: Value) -> object:
        text = self.raw(entry.name)
        if text is None:
            return parse(entry.kind, entry.default)
        try:
            return parse(entry.kind, text)
        except ValueError as error:
            path = os.path.join(self.directory, entry.name)
            if not entry.safe:
                raise Perm(f"control/{entry.name} has a bad value", code="4.3.5", detail=f"{path}: {error}")
            log.event("control", file=path, error=str(error), wanted=entry.kind, used=entry.default)
            return parse(entry.kind, entry.default)


def parse(kind: str, text: str) -> object:
    """The value that `text`, a control file's contents, has as `kind`. ValueError says what is wrong with it."""
    entries = [line.strip() for line in text.splitlines()]
    entries = [line for line in entries if line and not line.startswith("#")]
    if kind == "list":
        return entries
    word = entries[0] if entries else ""
    if kind == "text":
        return word
    if kind == "flag":
        if word.lower() not in _FLAGS:
            raise ValueError(f"{word!r} is not yes or no")
        return _FLAGS[word.lower()]
    if kind == "seconds":
        return _seconds(word)
    if kind == "octets":
        return _octets(word)
    if not (word.isascii() and word.isdigit()):
        raise ValueError(f"{word!r} is not a whole number")
    return int(word)


def _seconds(word: str) -> int:
    total = 0
    digits = ""
    for char in word + ("s" if word[-1:].isdigit() else ""):
        if char.isascii() and char.isdigit():
            digits += char
        elif digits and char in _SECONDS:
            total += int(digits) * _SECONDS[char]
            digits = ""
        else:
            raise ValueError(f"{word!r} is not a duration such as 90, 5m, 4h or 5d")
    if digits or not word:
        raise ValueError(f"{word!r} is not a duration such as 90, 5m, 4h or 5d")
    return total


def _octets(word: str) -> int:
    digits = word.upper().removesuffix("B").rstrip("KMGT")
    unit = word.upper().removesuffix("B")[len(digits) :]
    if not (digits.isascii() and digits.isdigit()) or unit not in _OCTETS:
        raise ValueError(f"{word!r} is not a size such as 4096, 64K or 50M")
    return int(digits) * _OCTETS[unit]


def _as(kind: type[_T], value: object) -> _T:
    assert isinstance(value, kind)
    return value


class Home:
    """The one directory of a mail system: where everything is."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.control = Control(self.join("control"))
        self.passwd = self.join("users", "passwd")
        self.aliases = self.join("users", "aliases")
        self.queue = self.join("queue")
        self.tls = self.join("tls")
        self.dkim = self.join("dkim")
        self.domains = self.join("domains")
        self.run = self.join("run")

    def join(self, *parts: str) -> str:
        """The path of something in the home."""
        return os.path.join(self.path, *parts)

    def check(self) -> None:
        """Temp when no home is here: a misspelt one, or one that is not mounted, whose mail must not go into a queue
        that nobody finds."""
        try:
            os.stat(self.control.directory)
        except (FileNotFoundError, NotADirectoryError):
            raise Temp(f"{self.path} is no home of a mail system: mailkit-setup makes one, --home names another")
        except OSError:
            pass  # closed to us: whoever needs it will say so
