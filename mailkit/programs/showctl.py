"""mailkit-showctl: every control value, what it means, who uses it, and which files nobody knows."""

from __future__ import annotations

import json
import os

import click

from mailkit.control import Home, parse
from mailkit.control.table import ROWS, TABLE, Value
from mailkit.programs import options

_EXAMPLE = """
Example:

    mailkit-showctl --home ./demo databytes
"""


@click.command(epilog=_EXAMPLE)
@options.common_anywhere
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
def command(home: Home, as_json: bool, names: tuple[str, ...]) -> None:
    """Show control values: all of them, or those named.

    A "*" marks the values that a file in control/ sets. Exit status 100 when a file has a bad value or an unknown name.
    """
    for name in names:
        if name not in TABLE:
            raise click.UsageError(f"there is no control value {name!r}")
    facts = [_fact(home, row) for row in ROWS if not names or row.name in names]
    if not names:
        facts += [_unknown(name) for name in _unknown_names(home)]
    for fact in facts:
        click.echo(json.dumps(fact, ensure_ascii=False) if as_json else _readable(fact))
    if any(fact["problem"] for fact in facts):
        raise click.exceptions.Exit(100)


def _fact(home: Home, row: Value) -> dict[str, object]:
    text = home.control.raw(row.name)
    problem = ""
    try:
        value = parse(row.kind, row.default if text is None else text)
    except ValueError as error:
        value = text
        problem = f"{error}; " + ("the default is used" if row.safe else "the programs that need it refuse to work")
    return {
        "name": row.name,
        "value": value,
        "set": text is not None,
        "default": row.default,
        "kind": row.kind,
        "meaning": row.meaning,
        "users": row.users,
        "problem": problem,
    }


def _unknown_names(home: Home) -> list[str]:
    try:
        return sorted(name for name in os.listdir(home.control.directory) if name not in TABLE and name[0] != ".")
    except FileNotFoundError:
        return []


def _unknown(name: str) -> dict[str, object]:
    problem = "no program reads this file: is the name spelt right?"
    return {"name": name, "value": None, "set": True, "default": "", "kind": "", "meaning": "", "users": "",
            "problem": problem}  # fmt: skip


def _readable(fact: dict[str, object]) -> str:
    mark = "*" if fact["set"] else " "
    value = fact["value"]
    if isinstance(value, list):
        shown = ", ".join(map(str, value))
    elif isinstance(value, bool):
        shown = "yes" if value else "no"
    else:
        shown = str(value)
    if fact["problem"]:
        return f"!{mark} {fact['name']}: {fact['problem']}"
    default = "" if not fact["set"] else f" (default {fact['default'] or 'empty'})"
    return f" {mark} {fact['name']} = {shown}{default}\n       {fact['meaning']} [{fact['users']}]"


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
