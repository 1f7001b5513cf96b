"""mailkit-moduser: change what the passwd file says of a user, but the password."""

from __future__ import annotations

import os

import click

from mailkit.control import Home
from mailkit.exits import Perm
from mailkit.programs import options, person
from mailkit.users import edit
from mailkit.users.passwd import Passwd, User

_EXAMPLE = """
Example:

    mailkit-moduser --quota 10G --name "Alice Miller" alice@example.org
"""


@click.command(epilog=_EXAMPLE)
@options.common
@options.dry_run
@click.option("--name", metavar="TEXT", help="The person's name.")
@person.settings
@click.option("--home-dir", metavar="DIR", help='The user\'s directory; "" for the usual one. Nothing is moved.')
@click.option("--login/--no-login", default=None, help="Let the user log in, or not; mail is delivered in any case.")
@click.option("--enable/--disable", default=None, help="Disabled users cannot log in and mail to them is refused.")
@click.option("--set", "sets", metavar="KEY=VALUE", multiple=True, help="Set an extra field, see mailkit-passwd(5).")
@click.option("--unset", "unsets", metavar="KEY", multiple=True, help="Remove an extra field.")
@click.argument("address")
def command(
    home: Home,
    dry_run: bool,
    name: str | None,
    quota: str | None,
    messages: int | None,
    uid: str | None,
    gid: str | None,
    home_dir: str | None,
    login: bool | None,
    enable: bool | None,
    sets: tuple[str, ...],
    unsets: tuple[str, ...],
    address: str,
) -> None:
    """Change the user with the e-mail address ADDRESS. What is not named stays as it is."""

    def update(user: User) -> None:
        user.gecos = user.gecos if name is None else name
        user.home = user.home if home_dir is None else home_dir
        person.set_settings(user, quota, messages, uid, gid)
        _mark(user, "nologin", login)
        _mark(user, "disabled", enable)
        for text in sets:
            key, _, value = text.partition("=")
            user.fields[key] = value
        for key in unsets:
            user.fields.pop(key, None)

    user = Passwd(home).lookup(person.address(address))
    if user is None:
        raise Perm(f"there is no user {address}")
    before = user.line()
    update(user)
    if person.told(user.line) == before:
        click.echo("nothing to change", err=True)
        return
    if not dry_run:
        user = edit.change(home, user.address, update)
    click.echo(f"{'would change' if dry_run else 'changed'} {user.address}", err=True)
    if not os.path.isdir(user.maildir):
        click.echo(f"note: {user.maildir} does not exist yet", err=True)


def _mark(user: User, key: str, is_allowed: bool | None) -> None:
    if is_allowed is True:
        user.fields.pop(key, None)
    elif is_allowed is False:
        user.fields[key] = "yes"


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
