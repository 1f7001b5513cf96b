"""mailkit-setup: a complete home in one command. Safe to repeat: what is there stays as it is."""

from __future__ import annotations

import datetime
import os

import click

from mailkit import clock, files
from mailkit.control import Home
from mailkit.exits import Perm
from mailkit.net.sockets import SOCKETS
from mailkit.programs import options
from mailkit.users import names

_EXAMPLE = """
Example:

    mailkit-setup --home ./demo --domain example.test --ports 10000 --yes
"""

_DAYS = 3650  # a self-signed certificate is pinned by people, not renewed by a program


@click.command(epilog=_EXAMPLE)
@options.common
@options.dry_run
@click.option("--domain", metavar="DOMAIN", help="The mail domain to host; asked for when missing.")
@click.option("--host", metavar="NAME", help="This machine's full name.  [default: mail.DOMAIN]")
@click.option(
    "--ports",
    type=click.IntRange(0, 64000),
    metavar="BASE",
    help="Listen on 127.0.0.1 at BASE plus the usual port, instead of on every address at the usual ports.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(home: Home, dry_run: bool, domain: str | None, host: str | None, ports: int | None, yes: bool) -> None:
    """Write a home: directories, control values, a self-signed certificate.

    What exists is left as it is, so the command can be repeated.
    """
    if domain is None:
        if yes:
            raise click.UsageError("--yes needs --domain")
        domain = click.prompt("Mail domain (what stands behind the @)")
    domain = _domain(domain)
    host = _domain(host or f"mail.{domain}")
    if not yes and not dry_run:
        click.confirm(f"Set up {home.path} for {domain} on {host}?", abort=True)
    Setup(home, dry_run).run(domain, host, ports)


def _domain(text: str) -> str:
    try:
        return names.domain(text)
    except ValueError as error:
        raise Perm(f"{text!r} is no domain name: {error}")


class Setup:
    """Makes what is missing in a home, one line of output for each thing made."""

    def __init__(self, home: Home, dry_run: bool) -> None:
        self.home = home
        self.dry_run = dry_run
        self.made = 0

    def run(self, domain: str, host: str, ports: int | None) -> None:
        """Make the whole home."""
        for name in ("control", "users", "queue", "tls", "domains", "run"):
            self._directory(self.home.join(name), 0o755 if name == "control" else 0o700)
        for name in ("tmp", "new", "cur", "hold", "failed"):
            self._directory(self.home.join("queue", name), 0o700)
        self._directory(self.home.join("domains", domain), 0o700)
        self._value("me", host)
        self._value("domains", domain)
        self._value("listen", *_listen(ports))
        self._file(self.home.passwd, b"", 0o600)
        self._certificate(host)
        click.echo(f"{self.home.path}: {self.made} things {'to make' if self.dry_run else 'made'}")
        if not self.dry_run:
            where = f"--home {self.home.path}"
            click.echo(f"next: mailkit-adduser {where} NAME@{domain}; mailkit-up {where}")

    def _directory(self, path: str, mode: int) -> None:
        if not os.path.isdir(path) and self._making(path):
            files.mkdir(path, mode)

    def _value(self, name: str, *lines: str) -> None:
        text = "".join(line + "\n" for line in lines)
        self._file(self.home.join("control", name), text.encode(), 0o644)

    def _file(self, path: str, data: bytes, mode: int) -> None:
        if not os.path.exists(path) and self._making(path):
            files.replace(path, data, mode)

    def _certificate(self, host: str) -> None:
        directory = self.home.join("tls", host)
        self._directory(directory, 0o700)
        chains = (os.path.join(directory, name) for name in ("cert.pem", "fullchain.pem"))
        if not any(map(os.path.exists, chains)) and self._making(os.path.join(directory, "cert.pem")):
            certificate, key = self_signed(host)
            files.replace(os.path.join(directory, "key.pem"), key, 0o600)
            files.replace(os.path.join(directory, "cert.pem"), certificate, 0o644)

    def _making(self, path: str) -> bool:
        self.made += 1
        click.echo(f"{'would make' if self.dry_run else 'make'} {path}")
        return not self.dry_run


def _listen(ports: int | None) -> list[str]:
    if ports is not None:
        return [f"{name} 127.0.0.1 {ports + port}" for name, port, _ in SOCKETS]
    public = [(name, port) for name, port, _ in SOCKETS if name != "lmtp"]
    lines = [f"{name} {address} {port}" for name, port in public for address in ("0.0.0.0", "::")]
    return [*lines, "lmtp 127.0.0.1 24"]


def self_signed(host: str) -> tuple[bytes, bytes]:
    """(certificate, key) as PEM, for `host` and localhost: enough for STARTTLS and for a first try."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    start = datetime.datetime.fromtimestamp(clock.now(), datetime.UTC) - datetime.timedelta(hours=1)
    names = x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=_DAYS))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
