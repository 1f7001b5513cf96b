"""mailkit-deluser: users go; their mail stays unless it is to go too."""

from __future__ import annotations

import os
import stat
import sys

import click

from mailkit import files
from mailkit.control import Home
from mailkit.exits import Perm
from mailkit.programs import options, person
from mailkit.users import edit
from mailkit.users.aliases import Aliases
from mailkit.users.passwd import Passwd, User

_EXAMPLE = """
Example:

    mailkit-deluser alice@example.org
"""


@click.command(epilog=_EXAMPLE)
@options.common
@options.dry_run
@click.option("--purge", is_flag=True, help="Remove the user's directory with all mail in it, too.")
@click.option("--yes", is_flag=True, help="Do not ask before removing mail.")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS ...")
def command(home: Home, dry_run: bool, purge: bool, yes: bool, addresses: tuple[str, ...]) -> None:
    """Remove users. They can log in no more, and mail to them is refused, at once.

    The mail stays where it is unless --purge is given; mailkit-adduser takes it over again.
    """
    users = [_user(home, person.address(address)) for address in addresses]
    for user in users:
        if purge:
            _check_place(home, user)
        _name_aliases(home, user)
        if dry_run:
            also = f" and {user.directory}" if purge else ""
            click.echo(f"would remove {user.address}{also}", err=True)
            continue
        if purge and not yes:
            if not sys.stdin.isatty():
                raise click.UsageError("standard input is no terminal: --purge needs --yes")
            click.confirm(f"Remove all mail of {user.address} in {user.directory}?", abort=True, err=True)
        edit.remove(home, user.address)
        click.echo(f"removed {user.address}", err=True)
        if purge and os.path.lexists(user.directory):
            remove_tree(user.directory)
            click.echo(f"removed {user.directory}", err=True)


def remove_tree(top: str) -> None:
    """Remove a directory and all in it; links are removed, not followed, also those that a user puts there just now."""
    for directory, folders, found, at in os.fwalk(top, topdown=False):
        for name in found + folders:
            path = os.path.join(directory, name)
            if stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                files.rmdir(path, at)
            else:
                files.unlink(path, at=at)
    files.rmdir(top)


def _user(home: Home, address: str) -> User:
    user = Passwd(home).lookup(address)
    if user is None:
        raise Perm(f"there is no user {address}")
    return user


def _check_place(home: Home, user: User) -> None:
    """Only a directory of the mail home is removed: a named one may be a person's real home."""
    inside = os.path.realpath(user.directory).startswith(os.path.realpath(home.domains) + os.sep)
    if user.home or not inside:
        raise Perm(f"{user.directory} is not under {home.domains}: remove it by hand")


def _name_aliases(home: Home, user: User) -> None:
    for alias in Aliases(home).every():
        if user.address in (target.lower() for target in alias.targets):
            click.echo(f"the alias {alias.key} still leads to {user.address}", err=True)


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
