"""mailkit-fulltext: see, fill and delete the full-text indexes of folders."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator

import click

from mailkit import VERSION
from mailkit.control import Home
from mailkit.exits import Perm
from mailkit.fulltext import store
from mailkit.fulltext.draft import OCTETS_MOST
from mailkit.imap.searching.filling import Filling
from mailkit.maildir import folder as folders
from mailkit.maildir.folder import Folder
from mailkit.maildir.tree import Tree
from mailkit.programs import options, person
from mailkit.users.passwd import Passwd, User

_EXAMPLE = """
Examples:

    mailkit-fulltext show alice@example.org
    mailkit-fulltext fill --all
    mailkit-fulltext delete --folder Archive alice@example.org
"""
_SLICE_S = 0.2


class Chosen:
    """A folder that is meant: whose, its name, its directory."""

    def __init__(self, home: Home, user: User, name: str, directory: str) -> None:
        self.home = home
        self.user = user
        self.name = name
        self.directory = directory

    def __str__(self) -> str:
        return f"{self.user.address}\t{self.name}"

    @contextlib.contextmanager
    def opened(self) -> Iterator[Folder]:
        """The folder as it is now, while we are whoever it belongs to."""
        with person.acting_as(self.home, self.user):
            folder = folders.open(self.directory)
            try:
                folder.view(readonly=True).close()
                yield folder
            finally:
                folder.close()


def choosing(function: Callable[..., None]) -> Callable[..., None]:
    """Users, --all and --folder, given to the function as a list of Chosen."""

    def chosen(home: Home, users: tuple[str, ...], everybody: bool, name: str | None, **own: object) -> None:
        if bool(users) == everybody:
            raise click.UsageError("say which users: addresses, or --all")
        function(list(_chosen(home, users, name)), **own)

    chosen.__doc__ = function.__doc__
    chosen.__name__ = function.__name__
    for option in (
        click.argument("users", nargs=-1, metavar="[USER ...]"),
        click.option("--folder", "name", metavar="NAME", help="Only the folder of this name, as INBOX or Sent/2024."),
        click.option("--all", "everybody", is_flag=True, help="All users."),
    ):
        chosen = option(chosen)
    return options.common(chosen)


def _chosen(home: Home, addresses: tuple[str, ...], name: str | None) -> Iterator[Chosen]:
    passwd = Passwd(home)
    for user in [_known(passwd, address) for address in addresses] or passwd.users():
        tree = Tree(user.maildir)
        names = tree.names() if name is None else [name] if tree.exists(name) else []
        for each in names:
            if os.path.isdir(f"{tree.path(each)}/cur"):
                yield Chosen(home, user, each, tree.path(each))


def _known(passwd: Passwd, address: str) -> User:
    user = passwd.lookup(person.address(address))
    if user is None:
        raise Perm(f"there is no user {address}")
    return user


@click.group(epilog=_EXAMPLE)
@click.version_option(VERSION, message="%(prog)s %(version)s")
@click.option("--home", metavar="DIR", help="The mail system's home.")
@click.pass_context
def command(context: click.Context, home: str | None) -> None:
    """See, fill and delete the full-text indexes of folders, also while they are used.

    Nobody has to do this: searches fill an index when there is none, and do without when it is not there.
    """
    if home is not None:
        context.default_map = {name: {"home": home} for name in command.commands}


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@choosing
def show(found: list[Chosen], as_json: bool) -> None:
    """One line for each folder: user, folder, messages, how many of them are indexed, octets of text, of the index."""
    for chosen in found:
        with chosen.opened() as folder:
            fact = _fact(chosen, folder)
        click.echo(json.dumps(fact, ensure_ascii=False) if as_json else "\t".join(map(str, fact.values())))


def _fact(chosen: Chosen, folder: Folder) -> dict[str, object]:
    text = octets = 0
    covered: set[int] = set()
    for segment in store.Store(folder.directory, folder.uidvalidity).segments():
        covered.update(segment.uids)
        text += segment.octets
        octets += segment.size_octets
    return {
        "user": chosen.user.address,
        "folder": chosen.name,
        "messages": len(folder.table.uids),
        "indexed": len(covered.intersection(folder.table.uids)),
        "text": text,
        "index": octets,
    }


@command.command()
@choosing
def fill(found: list[Chosen]) -> None:
    """Put into the index what is missing in it, and take out what was expunged.

    Exit status 111 when a folder was left alone because somebody else is filling it.
    """
    busy = False
    for chosen in found:
        work = _filled(chosen)
        if not work.begun:
            click.echo(f"{chosen}\tbusy: somebody is filling it; left alone", err=True)
            busy = True
        elif work.added:
            click.echo(f"{chosen}\t{work.added}")
    if busy:
        raise click.exceptions.Exit(111)


def _filled(chosen: Chosen) -> Filling:
    """What was done. The bar is made while we are ourselves: others may not be allowed to read what it imports."""
    with (
        click.progressbar(length=1, label=str(chosen), file=sys.stderr, hidden=not sys.stderr.isatty()) as bar,
        chosen.opened() as folder,
    ):
        work = Filling(folder, OCTETS_MOST)
        try:
            more = work.advance(_SLICE_S)
            bar.length = work.added + work.left
            while more:
                bar.update(work.added - bar.pos)
                more = work.advance(_SLICE_S)
            return work
        finally:
            work.close()


@command.command()
@options.dry_run
@choosing
def delete(found: list[Chosen], dry_run: bool) -> None:
    """Remove indexes. Searches will fill them again, unless control/fulltext says no."""
    for chosen in found:
        with person.acting_as(chosen.home, chosen.user):
            there = os.path.isdir(f"{chosen.directory}/{store.NAME}") and (dry_run or store.delete(chosen.directory))
        if there:
            click.echo(f"{chosen}\t{'would be deleted' if dry_run else 'deleted'}")


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
