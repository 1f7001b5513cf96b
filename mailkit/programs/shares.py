"""mailkit-shares: who shares which folders with whom, as the dovecot-acl of each folder says."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from mailkit.control import Home
from mailkit.maildir import acl
from mailkit.maildir.tree import Tree
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
    found = _found(home, _users(home, owners), damaged)
    if rebuild:
        if owners:
            raise click.UsageError("--rebuild is for all users")
        pairs = ((owner, entry.identifier) for owner, _, entry in found if not entry.negative)
        click.echo(f"{shares.rebuild(home, pairs)} entries in {home.join('run', shares.DIRECTORY)}")
    else:
        for owner, folder, entry in found:
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


def _found(home: Home, users: Iterator[User], damaged: list[str]) -> Iterator[tuple[User, str, acl.Entry]]:
    """Every entry for somebody else, folder by folder; what cannot be read goes to `damaged`."""
    for user in users:
        try:
            tree = Tree(user.maildir)
            for folder in tree.names():
                yield from ((user, folder, entry) for entry in _entries(tree.path(folder), damaged))
        except (OSError, ValueError) as error:
            damaged.append(f"{user.maildir}: {error}")


def _entries(directory: str, damaged: list[str]) -> list[acl.Entry]:
    try:
        return [entry for entry in acl.read(directory) or () if entry.identifier != "owner"]
    except (OSError, ValueError) as error:
        damaged.append(f"{directory}/{acl.NAME}: {error}")
        return []


def _shown(owner: User, folder: str, entry: acl.Entry, as_json: bool) -> str:
    identifier = "-" * entry.negative + entry.identifier
    if not as_json:
        return f"{owner.address}\t{folder}\t{identifier}\t{entry.rights}"
    fact = {"owner": owner.address, "folder": folder, "identifier": identifier, "rights": entry.rights}
    return json.dumps(fact, ensure_ascii=False)


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
