"""A home whose alice has three messages with known sizes and unique names."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mailkit.control import Home
from tests.harness.homes import make_home

MESSAGES = (
    b"From: carol@example.net\nSubject: dots\n\n. one\n...two\n.\nend of the first\n",
    b"From: carol@example.net\nSubject: second\n\n" + b"x" * 70 + b"\n" + b"y" * 88 + b"\n",
    b"From: carol@example.net\nSubject: no line end\n\nthe last line of this message is not ended",
)
SIZES = tuple(len(message) + message.count(b"\n") for message in MESSAGES)
UIDVALIDITY = 12345


def make(path: Path) -> Home:
    """The home."""
    home = make_home(path)
    fill(home)
    return home


def fill(home: Home) -> str:
    """Alice's Maildir as new; its path."""
    maildir = inbox(home)
    shutil.rmtree(maildir, ignore_errors=True)
    shutil.rmtree(home.run, ignore_errors=True)
    for name in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(maildir, name))
    os.makedirs(home.run)
    lines = [f"3 V{UIDVALIDITY} N{len(MESSAGES) + 1} G00112233445566778899aabbccddeeff"]
    for uid, message in enumerate(MESSAGES, 1):
        name = f"{1700000000 + uid}.M1P1.host"
        Path(maildir, "cur", name + ":2,").write_bytes(message)
        lines.append(f"{uid} :{name}")
    Path(maildir, "dovecot-uidlist").write_text("\n".join(lines) + "\n")
    return maildir


def inbox(home: Home, user: str = "alice") -> str:
    """A user's Maildir."""
    return home.join("domains", "example.test", user, "Maildir")


def stored(home: Home) -> list[bytes]:
    """What lies in alice's Maildir, by name."""
    paths = [path for part in ("cur", "new") for path in Path(inbox(home), part).iterdir()]
    return [path.read_bytes() for path in sorted(paths, key=lambda path: path.name)]
