"""What every program with click has alike: --home, --version, -n, an example, exit statuses.

The servers and the programs that run once per message do not use this: click costs them too much (see lean.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mailkit import VERSION
from mailkit.control import DEFAULT_HOME, Home
from mailkit.exits import OK, PERM, TEMP, Temp, Trouble

F = TypeVar("F", bound=Callable[..., Any])


def common(function: F) -> F:
    """--home DIR (given to the function as a Home named `home`) and --version. Temp where there is no home."""

    def as_home(context: click.Context, parameter: click.Parameter, value: str) -> Home:
        home = Home(value)
        home.check()
        return home

    return _common(function, as_home)


def common_anywhere(function: F) -> F:
    """The same, for a program that has something to say where there is no home yet."""

    def as_home(context: click.Context, parameter: click.Parameter, value: str) -> Home:
        return Home(value)

    return _common(function, as_home)


def _common(function: F, as_home: Callable[[click.Context, click.Parameter, str], Home]) -> F:

    home = click.option(
        "--home",
        metavar="DIR",
        default=lambda: os.environ.get("MAILKIT_HOME", DEFAULT_HOME),
        show_default=f"$MAILKIT_HOME or {DEFAULT_HOME}",
        callback=as_home,
        help="The mail system's home.",
    )
    version = click.version_option(VERSION, message="%(prog)s %(version)s")
    return home(version(function))


def dry_run(function: F) -> F:
    """-n, given to the function as `dry_run`."""
    return click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(function)


def run(command: click.Command, argv: list[str] | None, name: str = "") -> int:
    """Run a click command; the exit status: 0, 100 for wrong use and permanent trouble, 111 for temporary trouble."""
    name = name or os.path.basename(sys.argv[0])
    if command.epilog and "\b" not in command.epilog:
        # Click would fill the example to one paragraph; \b keeps its lines.
        command.epilog = "\b\n" + command.epilog.strip().replace("\n\n", "\n\n\b\n")
    try:
        status = command.main(argv, prog_name=name, standalone_mode=False)  # what click.exceptions.Exit carried
    except click.ClickException as wrong:
        wrong.show()
        return PERM
    except (click.Abort, KeyboardInterrupt):
        asked = any("--yes" in option.opts for option in command.params) and not sys.stdin.isatty()
        print(f"{name}: stopped{': --yes asks nothing' if asked else ''}", file=sys.stderr)
        return PERM
    except Trouble as trouble:
        print(f"{name}: {trouble}", file=sys.stderr)
        return TEMP if isinstance(trouble, Temp) else PERM
    except OSError as error:
        print(f"{name}: {error.filename}: {error.strerror}" if error.filename else f"{name}: {error}", file=sys.stderr)
        return TEMP
    return status if isinstance(status, int) else OK
