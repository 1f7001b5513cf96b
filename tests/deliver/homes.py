"""Homes for delivery tests: files only, so that crash tests can make hundreds of them."""

from __future__ import annotations

from pathlib import Path

from mailkit.control import Home
from mailkit.deliver import route
from mailkit.net.blocking import run
from mailkit.queue import inject, listing
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.inject import Spool
from mailkit.queue.name import Name

MESSAGE = b"From: alice@example.net\nSubject: hello\n\nbody\n"


def make(path: Path, users: str = "alice bob", aliases: str = "", **control: str) -> Home:
    """A home of the domains example.test and second.test; `users` are of the first, or full addresses."""
    home = Home(str(path))
    for name in ("control", "users", "run"):
        (path / name).mkdir(parents=True, exist_ok=True)
    inject.prepare(home)
    values = {"me": "mail.example.test", "domains": "example.test\nsecond.test", **control}
    for name, value in values.items():
        (path / "control" / name).write_text(value + "\n")
    addresses = [user if "@" in user else f"{user}@example.test" for user in users.split()]
    Path(home.passwd).write_text("".join(f"{address}:{{PLAIN}}secret::::::\n" for address in addresses))
    Path(home.aliases).write_text(aliases)
    route.judge(home, addresses[0])  # what the look-up keeps open is open before a crash test begins
    return home


def queue(
    home: Home,
    *recipients: str | Recipient,
    sender: str = "alice@example.net",
    message: bytes = MESSAGE,
    params: dict[str, str] | None = None,
) -> str:
    """Queue a message; its id."""
    spool = Spool(home)
    spool.begin(
        Envelope(sender, [Recipient(one) if isinstance(one, str) else one for one in recipients], dict(params or {}))
    )
    spool.write(message)
    return run(spool.commit())


def mailbox(home: Home, user: str, folder: str = "") -> list[bytes]:
    """The messages in new/ and cur/ of a user's folder."""
    local, _, domain = user.partition("@")
    maildir = Path(home.domains, domain or "example.test", local, "Maildir", f".{folder}" if folder else "")
    return [path.read_bytes() for part in ("new", "cur") for path in sorted((maildir / part).glob("*"))]


def waiting(home: Home) -> list[tuple[str, Name]]:
    """Every entry in the queue with its directory."""
    return [(part, one) for part in ("new", "cur", "hold", "failed") for one in listing.entries(home, part)]
