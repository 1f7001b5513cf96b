"""mailkit-adduser: a new user, with a Maildir and a password."""

from __future__ import annotations

import contextlib
import os

import click

from mailkit import files
from mailkit.control import Home
from mailkit.deliver import route
from mailkit.exits import Perm
from mailkit.maildir import tree
from mailkit.programs import options, person
from mailkit.users import edit, verify
from mailkit.users.passwd import Passwd, User

_EXAMPLE = """
Example:

    mailkit-adduser --name "Alice Smith" --quota 5G alice@example.org
"""


@click.command(epilog=_EXAMPLE)
@options.common
@options.dry_run
@click.argument("address")
@person.password_source
@click.option("--name", metavar="TEXT", default="", help="The person's name.")
@person.settings
@click.option("--home-dir", metavar="DIR", default="", help="The user's directory, in place of the usual one.")
@click.option("--new-domain", is_flag=True, help="Put the domain into control/domains if it is not there.")
def command(
    home: Home,
    dry_run: bool,
    address: str,
    password_stdin: bool,
    generate: bool,
    name: str,
    quota: str | None,
    messages: int | None,
    uid: str | None,
    gid: str | None,
    home_dir: str,
    new_domain: bool,
) -> None:
    """Add a user with the e-mail address ADDRESS.

    Makes the Maildir with the folders Drafts, Sent, Junk, Trash and Archive, subscribed; one that is in use already
    is taken over as it is. The password is asked for, twice, unless --password-stdin or --generate is given.
    """
    user = User(person.address(address), gecos=name, home=home_dir, domains=home.domains)
    person.set_settings(user, quota, messages, uid, gid)
    hosted = user.domain in route.hosted(home)
    if not hosted and not new_domain:
        raise Perm(f"{user.domain} is not in control/domains; --new-domain puts it there")
    is_first = os.path.isdir(home.path) and not os.path.exists(home.passwd)
    if not is_first and Passwd(home).lookup(user.address) is not None:
        raise Perm(f"there is a user {user.address} already")
    secret = person.password(user.address, password_stdin, generate)
    person.told(lambda: verify.set_password(user, secret, home.control.number("scramiterations")))
    person.told(user.line)
    if dry_run:
        click.echo(f"would add {user.address} with {user.maildir}", err=True)
        return
    if not hosted:
        add_domain(home, user.domain)
    # The mailbox first: a crash in between leaves a Maildir without a user, not a user without a Maildir.
    make_maildir(home, user)
    edit.add(home, user)
    if generate:
        click.echo(secret)
    click.echo(f"added {user.address}", err=True)


def make_maildir(home: Home, user: User) -> None:
    """Make the user's Maildir, owned by whoever the user's files belong to; one in use stays as it is."""
    if _is_in_use(user.maildir):
        return
    uid, _ = person.owner(home, user)
    doors = _closed_doors(user.directory, uid)
    for door in doors if user.uid is not None else ():
        click.echo(f"note: {user.address} cannot enter {door}: chmod o+x it", err=True)
    missing = user.directory
    while not os.path.isdir(os.path.dirname(missing)):
        missing = os.path.dirname(missing)
    there = user.directory if os.path.isdir(user.directory) else os.path.dirname(missing)
    theirs = not doors and os.stat(there).st_uid == uid  # they may have put anything into it
    with person.acting_as(home, user) if theirs else contextlib.nullcontext():
        files.mkdir(user.directory)
        tree.create(user.maildir)
    if os.geteuid() == 0 and not theirs:
        _give(home, user, missing)


def _is_in_use(maildir: str) -> bool:
    """Has a server been at work here, or does it hold mail? (A half-made one, after a crash, is made again.)"""
    if any(os.path.exists(os.path.join(maildir, name)) for name in ("dovecot-uidlist", "courierimapuiddb")):
        return True
    folders = (os.path.join(maildir, name) for name in ("new", "cur"))
    return any(os.path.isdir(folder) and os.listdir(folder) for folder in folders)


def _closed_doors(directory: str, uid: int) -> list[str]:
    """Directories above it through which a system user cannot walk."""
    found = []
    above = os.path.dirname(directory)
    while above != "/":
        if os.path.isdir(above):
            status = os.stat(above)
            if status.st_uid != uid and not status.st_mode & 0o011:
                found.append(above)
        above = os.path.dirname(above)
    return found


def _give(home: Home, user: User, first: str) -> None:
    """Give the Maildir to whoever is meant, and the directories that we made, from `first` down; what is inside before
    the directory it is in, so that nobody puts a link where we come next."""
    uid, gid = person.owner(home, user)
    for directory, folders, found in os.walk(user.maildir, topdown=False):
        for name in folders + found:
            files.chown(os.path.join(directory, name), uid, gid)
    files.chown(user.maildir, uid, gid)
    files.chown(user.directory, uid, gid)
    place, above = person.place(home), os.path.dirname(user.directory)
    while len(above) >= len(first):
        files.chown(above, place.st_uid, place.st_gid)
        above = os.path.dirname(above)


def add_domain(home: Home, domain: str) -> None:
    """Put a domain at the end of control/domains."""
    old = home.control.raw("domains") or ""
    new = old + ("" if old.endswith("\n") or not old else "\n") + domain + "\n"
    files.mkdir(home.control.directory)
    files.replace(os.path.join(home.control.directory, "domains"), new.encode("utf-8", "surrogateescape"), mode=0o644)


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
