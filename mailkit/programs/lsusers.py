"""mailkit-lsusers: who has a mailbox here."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

import click

from mailkit.control import Home
from mailkit.deliver import quota
from mailkit.programs import options, person
from mailkit.users import keys, schemes
from mailkit.users.passwd import Passwd, User

_EXAMPLE = """
Examples:

    mailkit-lsusers --json '*@example.org'
    mailkit-lsusers --usage | sort -n -k 4
"""


@click.command(epilog=_EXAMPLE)
@options.common
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--usage", is_flag=True, help="Count what each one has: octets, messages and per cent of the quota.")
@click.option("--damaged", is_flag=True, help="List the lines that do not count, and why; exit status 100 if any.")
@click.argument("patterns", nargs=-1, metavar="[PATTERN ...]")
def command(home: Home, as_json: bool, usage: bool, damaged: bool, patterns: tuple[str, ...]) -> None:
    """List users, in the order of the passwd file: all, or those whose address fits a PATTERN (with * and ?).

    Each line is address, state (ok, nologin or disabled), quota, Maildir and name, with tabs in between; with --usage
    octets, messages and per cent stand behind the quota.
    """
    if damaged:
        lines = Passwd(home).damaged()
        for number, why in lines:
            click.echo(json.dumps({"line": number, "error": why}) if as_json else f"{number}\t{why}")
        if lines:
            raise click.exceptions.Exit(100)
        return
    for user in Passwd(home).users():
        if not patterns or any(fnmatchcase(user.address, pattern.lower()) for pattern in patterns):
            fact = _fact(user) | (_usage(user) if usage else {})
            click.echo(json.dumps(fact, ensure_ascii=False) if as_json else _readable(fact))


def _fact(user: User) -> dict[str, object]:
    octets, messages = user.quota
    return {
        "address": user.address,
        "state": "ok" if user.may_log_in else "nologin" if user.may_receive else "disabled",
        "quota": octets,
        "messages": messages,
        "maildir": user.maildir,
        "name": user.gecos,
        "uid": user.uid,
        "gid": user.gid,
        "scheme": schemes.split(user.hash)[0],
        "scram": all(field in user.fields for field in keys.FIELDS.values()),
    }


def _usage(user: User) -> dict[str, object]:
    """Counted, not read from the file that deliveries keep: that one only has who has a quota."""
    found = quota.count(user)
    return {
        "used": found.octets,
        "count": found.messages,
        "percent": found.percent() if quota.limited(user) else None,
    }


def _readable(fact: dict[str, object]) -> str:
    limit = fact["quota"]
    parts = [fact["address"], fact["state"], person.size(limit) if isinstance(limit, int) else "-"]
    if "used" in fact:
        percent = fact["percent"]
        parts += [fact["used"], fact["count"], "-" if percent is None else f"{percent}%"]
    return "\t".join(str(part) for part in (*parts, fact["maildir"], fact["name"]))


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
