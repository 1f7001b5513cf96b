"""mailkit-check: is everything right?"""

from __future__ import annotations

import json

import click

from mailkit import check, log
from mailkit.check.finding import BAD, GOOD, UNSURE, Finding, Site
from mailkit.control import Home
from mailkit.exits import PERM, TEMP
from mailkit.programs import options, person

_EXAMPLE = """
Example:

    mailkit-check --canary postmaster@example.org
"""
_FOUND = ("aliases ", "control ", "passwd ")  # words of lines about damage
_MARKS = {"good": " ", "note": " ", "warn": "!", "bad": "X", "unsure": "?"}


@click.command(epilog=_EXAMPLE)
@options.common_anywhere
@options.dry_run
@click.option("--no-network", is_flag=True, help="Ask nobody outside this machine: leave out dns.")
@click.option("--canary", metavar="ADDRESS", default="", help="Send this user a message, see it arrive, remove it.")
@click.option("--repair", is_flag=True, help="Put right what is safe: modes, missing directories, stale files in tmp/.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.argument("checks", nargs=-1, metavar="[CHECK ...]")
def command(
    home: Home, dry_run: bool, no_network: bool, canary: str, repair: bool, as_json: bool, checks: tuple[str, ...]
) -> None:
    """Look at a mail system from all sides; say in one line each what is wrong and how to mend it.

    CHECKs: home control policy users certificates ports queue disk clock dns canary; all of them unless named. Exit
    status 100 when something is bad, 111 when nothing is but something could not be found out.
    """
    for name in checks:
        if name not in check.CHECKS:
            raise click.UsageError(f"there is no check {name!r}; there are {', '.join(check.CHECKS)}")
    site = Site(home, person.address(canary) if canary else "")
    levels = set()
    for name in checks or [name for name in check.CHECKS if not (no_network and name in check.NETWORK)]:
        for found in check.made(name, site):
            mended = repair and found.repair is not None and _repaired(found, dry_run)
            levels.add(GOOD if mended else found.level)
            click.echo(_record(name, found, mended) if as_json else _row(name, found, mended))
    if BAD in levels:
        raise click.exceptions.Exit(PERM)
    if UNSURE in levels:
        raise click.exceptions.Exit(TEMP)


def _repaired(found: Finding, dry_run: bool) -> bool:
    """Do what mends it; whether it is mended. OSError."""
    assert found.repair is not None
    if not dry_run:
        found.repair()
    return not dry_run


def _record(name: str, found: Finding, mended: bool) -> str:
    record = {
        "check": name,
        "level": found.level,
        "text": found.text,
        "mend": found.mend,
        "repairable": found.repair is not None,
        "mended": mended,
    }
    return json.dumps(record, ensure_ascii=False)


def _row(name: str, found: Finding, mended: bool) -> str:
    """A row of the table; what to do stands below it."""
    text = f"{_MARKS[found.level]} {name:12} {found.level:6} {found.text}"
    if mended:
        return f"{text}\n{'':22}mended"
    return f"{text}\n{'':22}-> {found.mend}" if found.mend else text


def main(argv: list[str] | None = None) -> int:
    """The program. Lines of the log are told, unless they are about what a finding says better."""
    sink = log.sink
    log.sink = lambda line: None if line.startswith(_FOUND) else sink(line)
    try:
        return options.run(command, argv)
    finally:
        log.sink = sink
