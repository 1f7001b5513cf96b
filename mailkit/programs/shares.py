"""mailkit-shares: who shares which folders with whom, as the dovecot-acl of each folder says."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from mailkit.control import Home
from mailkit.imap.folders import sharing
from mailkit.maildir import acl
from mailkit.programs import options
from mailkit.users import shares
from mailkit.users.passwd import Passwd, User

_EXAMPLE = """
Example:

    mailkit-shares alice@example.org
"""


@click.command(epilog=_EXAMPLE)
@options.common
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--rebuild", is_flag=True, help="Make run/shared anew, after dovecot-acl files were changed by hand.")
@click.argument("owners", nargs=-1, metavar="[USER ...]")
def command(home: Home, as_json: bool, rebuild: bool, owners: tuple[str, ...]) -> None:
    """Show what is shared: by everybody, or by each USER.

    Each line is owner, folder, identifier (with a minus in front when it takes rights away) and rights, with tabs in
    between. A file that makes no sense is named on standard error; the exit status is 100 then.
    """
    damaged: list[str] = []
    if rebuild:
        if owners:
            raise click.UsageError("--rebuild is for all users")
        click.echo(f"{sharing.remake(home, damaged)} entries in {home.join('run', shares.DIRECTORY)}")
    else:
        for owner, folder, entry in sharing.grants(_users(home, owners), damaged):
            click.echo(_shown(owner, folder, entry, as_json))
    for line in damaged:
        click.echo(line, err=True)
    if damaged:
        raise click.exceptions.Exit(100)


def _users(home: Home, owners: tuple[str, ...]) -> Iterator[User]:
    passwd = Passwd(home)
    if not owners:
        yield from passwd.users()
    for address in owners:
        user = passwd.lookup(address)
        if user is None:
            raise click.UsageError(f"there is no user {address}")
        yield user


def _shown(owner: User, folder: str, entry: acl.Entry, as_json: bool) -> str:
    identifier = "-" * entry.negative + entry.identifier
    if not as_json:
        return f"{owner.address}\t{folder}\t{identifier}\t{entry.rights}"
    fact = {"owner": owner.address, "folder": folder, "identifier": identifier, "rights": entry.rights}
    return json.dumps(fact, ensure_ascii=False)


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
