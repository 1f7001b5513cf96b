"""mailkit-setup: a complete home in one command. Safe to repeat: what is there stays as it is."""

from __future__ import annotations

import os
import shlex
import sys

import click

from mailkit import files
from mailkit.control import Home
from mailkit.deliver import route
from mailkit.exits import Perm
from mailkit.net.sockets import SOCKETS
from mailkit.programs import adduser, options, person
from mailkit.queue import inject
from mailkit.setup import certificate, records, units
from mailkit.setup.certificate import self_signed
from mailkit.users import edit, names, verify
from mailkit.users.passwd import Passwd, User

_EXAMPLE = """
Example:

    mailkit-setup --home ./demo --domain example.test --ports 10000 --yes
"""


class Wishes:
    """What is to be set up. ports: BASE, None for the usual ones. pair: certificate and key, None for a self-signed
    one. first_user: an address, "" for none."""

    __slots__ = ("domain", "first_user", "host", "pair", "ports", "systemd")

    def __init__(
        self,
        domain: str,
        host: str,
        ports: int | None = None,
        pair: tuple[str, str] | None = None,
        first_user: str = "",
        systemd: bool = False,
    ) -> None:
        self.domain = domain
        self.host = host
        self.ports = ports
        self.pair = pair
        self.first_user = first_user
        self.systemd = systemd


@click.command(epilog=_EXAMPLE)
@options.common_anywhere
@options.dry_run
@click.option("--domain", metavar="DOMAIN", help="The mail domain to host; asked for when missing.")
@click.option("--host", metavar="NAME", help="This machine's full name.  [default: control/me, or mail.DOMAIN]")
@click.option(
    "--ports",
    type=click.IntRange(0, 64000),
    metavar="BASE",
    help="Listen on 127.0.0.1 at BASE plus the usual port, instead of on every address at the usual ports.",
)
@click.option("--first-user", metavar="ADDRESS", help="Make this user; the password is made up and printed once.")
@click.option("--certificate", "chain", metavar="FILE", help="A certificate with its chain, PEM, to link to.")
@click.option("--key", metavar="FILE", help="The key of --certificate.")
@click.option("--systemd", is_flag=True, help="As root: make the account mailkit, install units, start the sockets.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(
    home: Home,
    dry_run: bool,
    domain: str | None,
    host: str | None,
    ports: int | None,
    first_user: str | None,
    chain: str | None,
    key: str | None,
    systemd: bool,
    yes: bool,
) -> None:
    """Write a home: directories, control values, a certificate, the first user. Print the DNS records it needs.

    What exists is left as it is, so the command can be repeated.
    """
    if domain is None:
        if yes:
            raise click.UsageError("--yes needs --domain")
        domain = click.prompt("Mail domain (what stands behind the @)")
    domain = _domain(domain)
    asking = not yes and not dry_run
    if host is None:
        usual = home.control.text("me") if home.control.set("me") else f"mail.{domain}"
        host = click.prompt("This machine's full name", default=usual) if asking else usual
    if first_user is None:
        first_user = click.prompt("First user, a whole address (empty: none)", default="") if asking else ""
    wishes = Wishes(domain, _domain(host), ports, _pair(chain, key), _user(first_user, domain), systemd)
    if systemd:
        units.allowed(home.path, _programs())
    if asking:
        click.confirm(f"Set up {home.path} for {domain} on {wishes.host}?", abort=True)
    Setup(home, dry_run).run(wishes)


def _domain(text: str) -> str:
    try:
        return names.domain(text)
    except ValueError as error:
        raise Perm(f"{text!r} is no domain name: {error}")


def _user(text: str, domain: str) -> str:
    if not text:
        return ""
    found = person.address(text)
    if found.rpartition("@")[2] != domain:
        raise Perm(f"{found} is not in {domain}")
    return found


def _pair(chain: str | None, key: str | None) -> tuple[str, str] | None:
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        raise click.UsageError("--certificate and --key go together")
    certificate.fitting(chain, key)
    return os.path.abspath(chain), os.path.abspath(key)


def _programs() -> str:
    """The directory our programs are in."""
    return os.path.dirname(os.path.realpath(sys.argv[0]))


class Setup:
    """Makes what is missing in a home, one line of output for each thing made."""

    def __init__(self, home: Home, dry_run: bool) -> None:
        self.home = home
        self.dry_run = dry_run
        self.made = 0
        self._owner: tuple[int, int] | None = None  # whose the new things are to be; None: ours

    def run(self, wishes: Wishes) -> None:
        """Make the whole home, and what belongs to it outside."""
        self._choose_owner(wishes.systemd)
        self._directories(wishes.domain)
        self._value("me", wishes.host)
        self._host_domain(wishes.domain)
        self._value("listen", *_listen(wishes.ports, wishes.systemd))
        self._file(self.home.passwd, b"", 0o600)
        if not wishes.systemd:
            self._file(self.home.join("log"), b"", 0o600)  # a shell would open it to everybody
        self._certificate(wishes.host, wishes.pair)
        if wishes.first_user:
            self._value("postmaster", wishes.first_user)  # RFC 5321 4.5.1: somebody has to be
            self._first_user(wishes.first_user)
        if wishes.systemd:
            self._units()
        click.echo(f"{self.home.path}: {self.made} things {'to make' if self.dry_run else 'made'}")
        if wishes.ports is None:
            self._tell_records(wishes)
        if not self.dry_run:
            self._tell_next(wishes)

    def _choose_owner(self, systemd: bool) -> None:
        if os.geteuid() != 0:
            return
        if systemd and (units.exists() or self._making(f"the account {units.ACCOUNT}")):
            self._owner = units.account(self.home.path)
        elif os.path.isdir(self.home.path):
            status = os.stat(self.home.path)
            self._owner = (status.st_uid, status.st_gid)

    def _directories(self, domain: str) -> None:
        self._directory(self.home.path, 0o755)
        for name in ("control", "users", "queue", "tls", "domains", "run"):
            self._directory(self.home.join(name), 0o755 if name == "control" else 0o700)
        for name in inject.DIRECTORIES:
            self._directory(self.home.join("queue", name), 0o700)
        drop = self.home.join("queue", "drop")
        if not os.path.isdir(drop) and self._making(drop):
            inject.prepare(self.home)  # which knows its modes
            self._give(drop)
        self._directory(self.home.join("domains", domain), 0o700)

    def _directory(self, path: str, mode: int) -> None:
        if not os.path.isdir(path) and self._making(path):
            files.mkdir(path, mode)
            self._give(path)

    def _value(self, name: str, *lines: str) -> None:
        text = "".join(line + "\n" for line in lines)
        self._file(self.home.join("control", name), text.encode(), 0o644)

    def _host_domain(self, domain: str) -> None:
        """Put the domain into control/domains; it may be one more of a home that hosts others."""
        path = self.home.join("control", "domains")
        if not self.home.control.set("domains"):
            self._value("domains", domain)
        elif domain not in route.hosted(self.home) and self._making(f"{domain} in {path}"):
            adduser.add_domain(self.home, domain)
            self._give(path)

    def _file(self, path: str, data: bytes, mode: int) -> None:
        if os.path.exists(path):
            return
        if self._making(path):
            files.replace(path, data, mode)
            self._give(path)
        else:
            for line in data.decode().splitlines():
                click.echo(f"    + {line}")

    def _certificate(self, host: str, pair: tuple[str, str] | None) -> None:
        directory = self.home.join("tls", host)
        self._directory(directory, 0o700)
        own = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
        chains = [path for path in (own[0], os.path.join(directory, "fullchain.pem")) if os.path.lexists(path)]
        if chains and pair is not None and os.path.realpath(chains[0]) != os.path.realpath(pair[0]):
            click.echo(f"kept {chains[0]}: remove it and its key to have {pair[0]} in its place", err=True)
        if chains or not self._making(own[0]):
            return
        if pair is not None:
            # The key first: half a pair is none, and the next run makes it whole.
            for path, target in ((own[1], pair[1]), (own[0], pair[0])):
                if not os.path.lexists(path):
                    files.symlink(target, path)
            return
        made, key = self_signed(host)
        files.replace(own[1], key, 0o600)
        self._give(own[1])
        files.replace(own[0], made, 0o644)
        self._give(own[0])

    def _first_user(self, address: str) -> None:
        if os.path.exists(self.home.passwd) and Passwd(self.home).lookup(address) is not None:
            return
        if not self._making(f"the user {address}"):
            return
        user = User(address, domains=self.home.domains)
        secret = person.password(address, password_stdin=False, generate=True)
        person.told(lambda: verify.set_password(user, secret, self.home.control.number("scramiterations")))
        # The mailbox first, as mailkit-adduser does it.
        adduser.make_maildir(self.home, user)
        edit.add(self.home, user)
        click.echo(f"password of {address}, shown this once: {secret}")

    def _units(self) -> None:
        for name, text in units.texts(self.home.path, _programs()).items():
            path = os.path.join(units.DIRECTORY, name)
            if not os.path.exists(path):
                if self._making(path):
                    files.mkdir(os.path.dirname(path), 0o755)
                    files.replace(path, text.encode(), 0o644)
            elif not _says(path, text):
                click.echo(f"kept {path}: it is not as we would write it", err=True)
        if not self.dry_run and not units.started():
            click.echo("systemd does not run here: nothing was started")

    def _tell_records(self, wishes: Wishes) -> None:
        click.echo("\nThe DNS is to say (MX, SPF, and where clients find their servers), ready to paste:\n")
        for line in records.lines(wishes.host, [wishes.domain], _listen(None, wishes.systemd), records.addresses()):
            click.echo(f"  {line}")
        click.echo()

    def _tell_next(self, wishes: Wishes) -> None:
        where = f"--home {shlex.quote(self.home.path)}"
        steps = [f"mailkit-adduser {where} NAME@{wishes.domain}"] if not wishes.first_user else []
        if not wishes.first_user and not self.home.control.text("postmaster"):  # RFC 5321 4.5.1: somebody has to be
            steps.append(f"echo NAME@{wishes.domain} >{shlex.quote(self.home.join('control', 'postmaster'))}")
        steps += [f"mailkit-up {where} 2>>{shlex.quote(self.home.join('log'))} &"] if not wishes.systemd else []
        canary = f" --canary {wishes.first_user}" if wishes.first_user else ""
        steps.append(f"mailkit-check {where}{canary}")
        click.echo("next: " + "\nthen: ".join(steps))

    def _making(self, path: str) -> bool:
        self.made += 1
        click.echo(f"{'would make' if self.dry_run else 'make'} {path}")
        return not self.dry_run

    def _give(self, path: str) -> None:
        if self._owner is not None and self._owner != (0, 0):
            files.chown(path, *self._owner)


def _says(path: str, text: str) -> bool:
    with open(path, "rb") as file:
        return file.read() == text.encode()


def _listen(ports: int | None, systemd: bool = False) -> list[str]:
    """The lines of control/listen. Under systemd LMTP is a Unix socket of its own."""
    if ports is not None:
        return [f"{name} 127.0.0.1 {ports + port}" for name, port, _ in SOCKETS]
    public = [(name, port) for name, port, _ in SOCKETS if name != "lmtp"]
    lines = [f"{name} {address} {port}" for name, port in public for address in ("0.0.0.0", "::")]
    return lines if systemd else [*lines, "lmtp 127.0.0.1 24"]


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
