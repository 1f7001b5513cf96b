"""The same message only once: the Message-IDs that came lately, one file for each user, where control/duplicates asks.

    1763768464 <20261121.1@example.net>          in HOME/mailkit-delivered: when, and what

A message is one that came before when it has the same Message-ID for the same address within control/duplicates
seconds (as RFC 7352 has it). An id is written down after its message is on disk: a crash in between lets a copy
through, and none is ever lost. The file may be deleted at any time.
"""

from __future__ import annotations

import os

from mailkit import clock, files
from mailkit.deliver.task import Task
from mailkit.mail import header

_NAME = "mailkit-delivered"
_LONGEST = 128 << 10  # octets; then what is too old is dropped
_ID_LONGEST = 500


def key(task: Task) -> bytes:
    """What two copies have in common, b"" when nothing can be said."""
    ids = header.values(task.message.header, b"Message-ID")
    id = b"".join(ids[0].split()) if len(ids) == 1 else b""
    if not id or len(id) > _ID_LONGEST:
        return b""
    return id + b" " + task.verdict.address.encode("utf-8", "surrogateescape")


def seen(directory: str, key: bytes, within_s: int) -> bool:
    """Did it come to this user lately? False when the file cannot be read: a copy too many is better than none."""
    since = clock.now() - within_s
    return any(line.endswith(b" " + key) and _when(line) > since for line in _lines(directory))


def note(directory: str, key: bytes, within_s: int) -> None:
    """It came. OSError."""
    path = os.path.join(directory, _NAME)
    line = b"%d %s\n" % (clock.now(), key)
    try:
        if os.stat(path).st_size > _LONGEST:
            since = clock.now() - within_s
            kept = [old for old in _lines(directory) if _when(old) > since]
            files.replace(path, b"".join(old + b"\n" for old in kept) + line, durable=False)
            return
    except FileNotFoundError:
        pass
    files.append(path, line)


def _lines(directory: str) -> list[bytes]:
    try:
        with open(os.path.join(directory, _NAME), "rb") as file:
            return file.read(4 * _LONGEST).split(b"\n")
    except OSError:
        return []


def _when(line: bytes) -> int:
    word = line.partition(b" ")[0]
    return int(word) if word.isdigit() else 0
