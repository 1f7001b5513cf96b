"""What the programs about people share: address, quota, owner and where a new password comes from."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from mailkit.control import Home
from mailkit.exits import Perm
from mailkit.users import identity, names
from mailkit.users.passwd import User

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that looks like something else
_GROUPS = 4
_GROUP = 5  # 4 groups of 5 letters out of 32: 100 bits
_RULE = "userdb_quota_rule"


def place(home: Home) -> os.stat_result:
    """Whose the mail of users is who have no uid of their own."""
    return os.stat(home.domains if os.path.isdir(home.domains) else home.path)


def owner(home: Home, user: User) -> tuple[int, int]:
    """uid and gid of the user's files: their own, or the mail system's. Perm: there is no such account."""
    own, (uid, gid) = place(home), told(lambda: (user.uid, user.gid))
    return own.st_uid if uid is None else uid, own.st_gid if gid is None else gid


@contextlib.contextmanager
def acting_as(home: Home, user: User) -> Iterator[None]:
    """Be whom the user's files belong to, where we are root: what we make is theirs, and a link that they have put
    there leads us where it leads them."""
    if os.geteuid() != 0:
        yield
        return
    uid, gid = owner(home, user)
    identity.preload(())  # they may not be allowed to read our Python
    groups, own = os.getgroups(), os.getegid()
    os.setgroups([gid])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(own)
        os.setgroups(groups)


def told(function: Callable[[], R]) -> R:
    """The function's result; its ValueError becomes the program's message."""
    try:
        return function()
    except ValueError as error:
        raise Perm(str(error))


def address(text: str) -> str:
    """An address in canonical form. Perm when it is none."""
    return told(lambda: names.canonical(text))


def settings(function: F) -> F:
    """--quota, --messages, --uid and --gid, given to the function as `quota`, `messages`, `uid` and `gid`."""
    for option in (
        click.option("--gid", metavar="GROUP", help='The system group, "" for our own.'),
        click.option("--uid", metavar="USER", help='The system user who owns the files, "" for our own.'),
        click.option("--messages", type=click.IntRange(0), metavar="N", help="Number of messages allowed; 0: any."),
        click.option("--quota", metavar="SIZE", help="Octets allowed, such as 500M or 5G; 0: any."),
    ):
        function = option(function)
    return function


def set_settings(user: User, quota: str | None, messages: int | None, uid: str | None, gid: str | None) -> None:
    """Put what `settings` collected into the user; None leaves a value as it is. Perm for what cannot be."""
    if uid is not None:
        user.uid_text = uid
    if gid is not None:
        user.gid_text = gid
    told(lambda: (user.uid, user.gid))
    if quota is not None or messages is not None:
        _set_quota(user, quota, messages)


def _set_quota(user: User, quota: str | None, messages: int | None) -> None:
    if quota is not None and not re.fullmatch(r"0|[1-9][0-9]*[KMGT]", quota.upper()):
        raise Perm(f"{quota!r} is not a quota such as 500M or 5G")
    old_octets, old_messages = user.quota
    storage = size(old_octets or 0) if quota is None else quota.upper()
    count = old_messages or 0 if messages is None else messages
    limits = ([f"storage={storage}"] if storage != "0" else []) + ([f"messages={count}"] if count else [])
    user.fields.pop(_RULE, None)
    if limits:
        user.fields[_RULE] = ":".join(["*", *limits])


def size(octets: int) -> str:
    """A size in the largest unit that fits it: "5G", "1500B"; "0"."""
    for exponent, unit in enumerate("TGMK"):
        whole = 1 << 10 * (4 - exponent)
        if octets and octets % whole == 0:
            return f"{octets // whole}{unit}"
    return f"{octets}B" if octets else "0"


def password_source(function: F) -> F:
    """--password-stdin and --generate, given to the function as `password_stdin` and `generate`."""
    stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")
    made_up = click.option("--generate", is_flag=True, help="Make a password up and print it on standard output.")
    return stdin(made_up(function))


def password(who: str, password_stdin: bool, generate: bool) -> str:
    """The new password: made up, read, or asked for twice. UsageError when there is no way to get one."""
    if password_stdin and generate:
        raise click.UsageError("--password-stdin and --generate exclude each other")
    if generate:
        return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return asked(who, password_stdin, twice=True)


def asked(who: str, password_stdin: bool, twice: bool = False) -> str:
    """A password from standard input or the terminal. UsageError when there is neither."""
    if password_stdin:
        line = sys.stdin.readline().rstrip("\n").removesuffix("\r")
        if not line:
            raise click.UsageError("there is no password on standard input")
        return line
    if not sys.stdin.isatty():
        raise click.UsageError("standard input is no terminal: give --password-stdin or --generate")
    if twice:
        return str(click.prompt(f"New password for {who}", hide_input=True, confirmation_prompt="Again", err=True))
    return str(click.prompt(f"Password of {who}", hide_input=True, err=True))
