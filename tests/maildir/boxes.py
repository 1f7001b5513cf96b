"""Maildirs for tests, and what other programs do to them: nothing here goes through mailkit but `deliver`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mailkit.maildir import save
from mailkit.maildir.folder import Folder
from mailkit.maildir.reading import Reading
from mailkit.net import blocking

TEXT = b"From: a@example.test\nSubject: %d\n\nbody of %d\n"


def make(path: Path) -> str:
    """An empty Maildir."""
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True, exist_ok=True)
    return str(path)


def deliver(directory: str, count: int = 1, flags: str = "") -> list[str]:
    """Deliver messages through mailkit; their paths."""
    paths = []
    for number in range(count):
        with save.Delivery(directory) as delivery:
            delivery.write(TEXT % (number, number))
            paths.append(blocking.run(delivery.commit(flags)))
    return paths


def append(folder: Folder, count: int = 1, marks: int = 0) -> list[int]:
    """APPEND as imap does it; UIDs."""
    messages = []
    for number in range(count):
        delivery = save.Delivery(folder.directory)
        delivery.write(TEXT % (number, number))
        messages.append((delivery, marks, None))
    return blocking.run(folder.append(messages))


def alone(directory: str) -> Folder:
    """A Folder as another process would have it: shares nothing with those of `folder.open`."""
    folder = Folder(directory)
    folder.users = 1
    return folder


def files_in(directory: str) -> list[str]:
    """Names in cur/ and new/, sorted, new ones as "new/..."."""
    return sorted(os.listdir(f"{directory}/cur")) + sorted("new/" + n for n in os.listdir(f"{directory}/new"))


def flags_of(folder: Folder) -> dict[int, bytes]:
    """UID -> flags as IMAP writes them."""
    return {uid: folder.flags[marks] for uid, marks in zip(folder.table.uids, folder.table.marks, strict=True)}


def file_of(folder: Folder, uid: int) -> str:
    """The path of a message."""
    return folder.path(uid)


def build(message: Reading, made: list[bytes], kinds: Sequence[int]) -> None:
    """Pieces that say what they were made from; all of them, whatever is asked for."""
    made[:] = made_of(message.data)


def made_of(data: bytes) -> list[bytes]:
    """What `build` makes."""
    return [b" K%d %d" % (kind, len(data)) for kind in range(7)] + [data[:40]]
