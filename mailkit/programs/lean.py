"""The command line of programs that start once per connection or message.

argparse costs as much CPU as the bare interpreter; these programs have a handful of plain options, so a table of rows
does.

    OPTIONS = (Option("home", "DIR", "the mail system's home"), Option("verbose", "", "say more"))
    options = parse("mailkit-local", "Deliver ...", OPTIONS, example, argv)
    options.one("home")   options.flag("verbose")   options.all("to")   options.operands
"""

from __future__ import annotations

import os
import sys

from mailkit import VERSION
from mailkit.control import DEFAULT_HOME, Home
from mailkit.exits import OK, PERM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Option:
    """One row: `--name VALUE` (or `-s VALUE`); with an empty `value`, a switch."""

    __slots__ = ("choices", "meaning", "name", "short", "value")

    def __init__(
        self, name: str, value: str, meaning: str, short: str = "", choices: tuple[str, ...] | None = None
    ) -> None:
        self.name = name
        self.value = value
        self.meaning = meaning
        self.short = short
        self.choices = choices


HOME = Option("home", "DIR", f"the mail system's home ($MAILKIT_HOME or {DEFAULT_HOME})")


class Options:
    """What a command line said."""

    __slots__ = ("_given", "operands")

    def __init__(self) -> None:
        self._given: dict[str, list[str]] = {}
        self.operands: list[str] = []

    def add(self, name: str, value: str) -> None:
        self._given.setdefault(name, []).append(value)

    def one(self, name: str, default: str = "") -> str:
        """The last value given."""
        return self._given.get(name, [default])[-1]

    def all(self, name: str) -> list[str]:
        """Every value given."""
        return self._given.get(name, [])

    def flag(self, name: str) -> bool:
        """Was the switch given?"""
        return name in self._given

    def home(self) -> Home:
        """The home that --home or the environment names."""
        return Home(self.one("home") or os.environ.get("MAILKIT_HOME", DEFAULT_HOME))


def parse(
    program: str,
    about: str,
    rows: tuple[Option, ...],
    example: str,
    argv: list[str] | None = None,
    operands: str = "",
    misuse: int = PERM,
) -> Options:
    """Parse a command line. SystemExit: 0 after --help and --version, `misuse` with one line that says what is wrong.

    operands: how the usage line shows them; "" when there are none. "--" ends the options.
    """
    argv = sys.argv[1:] if argv is None else argv
    options = Options()
    words = list(reversed(argv))
    while words:
        word = words.pop()
        if word == "--":
            options.operands += reversed(words)
            break
        if word in ("-h", "--help"):
            sys.stdout.write(usage(program, about, rows, example, operands))
            raise SystemExit(OK)
        if word == "--version":
            print(program, VERSION)
            raise SystemExit(OK)
        if len(word) < 2 or word[0] != "-":
            options.operands.append(word)
            continue
        name, equals, value = word.partition("=")
        row = next((row for row in rows if name in ("--" + row.name, "-" + row.short)), None)
        if row is None:
            _wrong(program, f"there is no option {name}", misuse)
        if row.value and not equals:
            if not words:
                _wrong(program, f"{name} wants {row.value}", misuse)
            value = words.pop()
        if row.choices is not None and value not in row.choices:
            _wrong(program, f"{name} is one of {', '.join(row.choices)}, not {value!r}", misuse)
        options.add(row.name, value)
    if options.operands and not operands:
        _wrong(program, f"what is {options.operands[0]!r}?", misuse)
    return options


def leave(status: int) -> NoReturn:
    """End this process now. What CPython would do before, taking down every module, costs a tenth of a delivery."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _wrong(program: str, what: str, status: int) -> NoReturn:
    print(f"{program}: {what}; {program} --help shows what there is", file=sys.stderr)
    raise SystemExit(status)


def usage(program: str, about: str, rows: tuple[Option, ...], example: str, operands: str) -> str:
    """The text of --help."""
    lines = [f"usage: {program} [options]{' ' + operands if operands else ''}", "", about, ""]
    for row in (*rows, Option("help", "", "this text", "h"), Option("version", "", "the version")):
        left = (f"-{row.short}, " if row.short else "") + f"--{row.name}" + (f" {row.value}" if row.value else "")
        lines.append(f"  {left:<22} {row.meaning}")
    return "\n".join([*lines, "", "example:", f"    {example}", ""])
