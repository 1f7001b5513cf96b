"""mailkit-passwd: a new password for a user."""

from __future__ import annotations

import click

from mailkit.control import Home
from mailkit.exits import Perm
from mailkit.programs import options, person
from mailkit.users import edit, verify
from mailkit.users.passwd import Passwd, User

_EXAMPLE = """
Example:

    mailkit-passwd alice@example.org
"""


@click.command(epilog=_EXAMPLE)
@options.common
@options.dry_run
@person.password_source
@click.option("--check", is_flag=True, help="Change nothing: say whether the password is right.")
@click.argument("address")
def command(home: Home, dry_run: bool, password_stdin: bool, generate: bool, check: bool, address: str) -> None:
    """Set the password of the user with the e-mail address ADDRESS.

    The password is asked for, twice, unless --password-stdin or --generate is given. It is in force at once. With
    --check the exit status is 0 for the right password and 100 for another.
    """
    user = Passwd(home).lookup(person.address(address))
    if user is None:
        raise Perm(f"there is no user {address}")
    if check:
        if not verify.check(user, person.asked(user.address, password_stdin)):
            raise Perm(f"that is not the password of {user.address}")
        click.echo("right", err=True)
        return
    secret = person.password(user.address, password_stdin, generate)
    iterations = home.control.number("scramiterations")

    def update(now: User) -> None:
        person.told(lambda: verify.set_password(now, secret, iterations))

    update(user)
    if dry_run:
        click.echo(f"would set the password of {user.address}", err=True)
        return
    edit.change(home, user.address, update)
    if generate:
        click.echo(secret)
    click.echo(f"password of {user.address} set", err=True)


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
