"""A home for one test."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from mailkit import files
from mailkit.control import Home
from mailkit.programs import setup


@functools.cache
def _certificate() -> tuple[bytes, bytes]:
    return setup.self_signed("mail.example.test")


def make_home(
    path: Path,
    domains: Iterable[str] = ("example.test",),
    users: Iterable[str] = ("alice", "bob"),
    password: str = "secret",
    tls: bool = False,
) -> Home:
    """A complete home: directories, control values, users of the first domain with an empty Maildir each, a certificate if asked."""
    home = Home(str(path))
    domains = list(domains)
    for name in ("control", "users", "tls", "run", "queue"):
        files.mkdir(home.join(name))
    for name in ("tmp", "new", "cur", "hold", "failed", "ready"):
        files.mkdir(home.join("queue", name))
    set_control(home, "me", "mail.example.test")
    set_control(home, "domains", *domains)
    lines = [f"{user}@{domains[0]}:{{PLAIN}}{password}::::::\n" for user in users]
    files.replace(home.passwd, "".join(lines).encode(), durable=False)
    for user in users:
        for name in ("tmp", "new", "cur"):
            files.mkdir(home.join("domains", domains[0], user, "Maildir", name))
    if tls:
        certificate, key = _certificate()
        files.mkdir(home.join("tls", "mail.example.test"))
        files.replace(home.join("tls", "mail.example.test", "cert.pem"), certificate, durable=False)
        files.replace(home.join("tls", "mail.example.test", "key.pem"), key, durable=False)
    return home


def set_control(home: Home, name: str, *lines: str) -> None:
    """Write a control value."""
    files.replace(home.join("control", name), "".join(line + "\n" for line in lines).encode(), durable=False)
