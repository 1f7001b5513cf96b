"""mailkit-alias: addresses that stand for others."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

import click

from mailkit.check import people
from mailkit.control import Home
from mailkit.deliver import route
from mailkit.exits import Perm
from mailkit.programs import options, person
from mailkit.users import aliases, names
from mailkit.users.aliases import Aliases
from mailkit.users.passwd import Passwd

_EXAMPLE = """
Examples:

    mailkit-alias add sales@example.org alice bob@example.org
    mailkit-alias add '*@old.example.org' '*@example.org'
    mailkit-alias test sales@example.org
"""


@click.command(epilog=_EXAMPLE)
@options.common
@options.dry_run
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.argument("action", type=click.Choice(["list", "add", "remove", "test"]))
@click.argument("words", nargs=-1, metavar="[ADDRESS [TARGET ...]]")
def command(home: Home, dry_run: bool, as_json: bool, action: str, words: tuple[str, ...]) -> None:
    """Show and change aliases.

    \b
    list [PATTERN ...]        the aliases whose address fits (with * and ?), or all
    add ADDRESS TARGET ...    let mail to ADDRESS go to these addresses (too)
    remove ADDRESS [TARGET ...]    not any more; without TARGET, to none of them
    test ADDRESS ...          where mail to ADDRESS goes, and why

    ADDRESS may be a pattern with one *, or @DOMAIN for whatever nothing else in the domain takes.
    """
    if action == "list":
        _list(home, words, as_json)
        return
    if not words:
        raise click.UsageError(f"{action} needs an ADDRESS")
    if action == "test":
        for word in words:
            _test(home, person.address(word), as_json)
    elif action == "add":
        if len(words) < 2:
            raise click.UsageError("add needs an ADDRESS and a TARGET")
        _add(home, words[0], list(words[1:]), dry_run)
    else:
        _remove(home, words[0], list(words[1:]), dry_run)


def _list(home: Home, patterns: tuple[str, ...], as_json: bool) -> None:
    for alias in Aliases(home).every():
        if not patterns or any(fnmatchcase(alias.key, pattern.lower()) for pattern in patterns):
            fact = {"alias": alias.key, "targets": alias.targets}
            click.echo(json.dumps(fact, ensure_ascii=False) if as_json else alias.line().decode("utf-8", "replace"))


def _add(home: Home, key: str, targets: list[str], dry_run: bool) -> None:
    alias = person.told(lambda: aliases.wanted(key, targets))
    _check_circle(home, alias)
    if dry_run:
        click.echo(f"would add {alias.line().decode()}", err=True)
        return
    alias = aliases.add(home, key, targets)
    click.echo(alias.line().decode(), err=True)
    for text, mend in people.doubts(home, alias):
        click.echo(f"note: {text}; {mend}", err=True)
    if Passwd(home).lookup(alias.key) is not None and alias.key not in alias.targets:
        click.echo(f"note: the user {alias.key} gets this mail no more; add {alias.key} as a target", err=True)


def _check_circle(home: Home, alias: aliases.Alias) -> None:
    """Refuse an alias whose targets lead back to it."""
    for target in alias.targets:
        if target.lower() == alias.key or "*" in target:
            continue
        for name, _, _ in Aliases(home).steps(target):
            if name.lower() == alias.key:
                raise Perm(f"{target} leads back to {alias.key}")


def _remove(home: Home, key: str, targets: list[str], dry_run: bool) -> None:
    if dry_run:
        wanted = person.told(lambda: aliases.wanted(key, targets))
        click.echo(f"would remove {', '.join(wanted.targets) or 'all'} from {wanted.key}", err=True)
        return
    left = person.told(lambda: aliases.remove(home, key, targets))
    click.echo(left.line().decode() if left is not None else f"removed {key}", err=True)


def _test(home: Home, address: str, as_json: bool) -> None:
    found = Aliases(home).expand(address)
    if as_json:
        click.echo(json.dumps({"address": address, "targets": found}, ensure_ascii=False))
        return
    domain = address.rpartition("@")[2]
    if domain not in route.hosted(home):
        click.echo(f"note: {domain} is not in control/domains: mail for it is not taken here", err=True)
    passwd = Passwd(home)
    for name, targets, depth in Aliases(home).steps(address):
        if targets is not None:
            told = [f"{names.readable(name)} leads to"]
        elif passwd.lookup(name) is not None:
            told = [f"{names.readable(name)} is a user"]
        else:
            told = _end(home, name)
        for line in told:
            click.echo("  " * depth + line)


def _end(home: Home, name: str) -> list[str]:
    """What becomes of an address that is neither alias nor user: others take it, by an extension, dot files, ..."""
    verdict = route.judge(home, name, expanded=True)
    return verdict.steps if verdict.deliverable else [f"{names.readable(name)} is no user and no alias here"]


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
