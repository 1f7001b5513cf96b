"""What is in tmp/ and has no writer any more: whole entries go to new/, the rest is removed in time.

An entry is accepted when it is on disk, whole, under one of two names (queue.inject). After a power failure that may be
the one in tmp/, which says how many octets the file must have and with which checksum (queue.name). If it has, it gets
its name in new/. Its writer may not have come to say that it was accepted: then its sender comes again, as after every
answer that is lost. What a runner has marked in the file meanwhile does not count against it.

A writer holds the lock of the file until it is on disk. It lets go a moment before it renames it; should we rename it
in that moment, it tells the sender to come again, and the message is sent twice.

What is on disk if we die: the entry, under the one name or the other.
"""

from __future__ import annotations

import os
from zlib import crc32

from mailkit import clock, files, log
from mailkit.control import Home
from mailkit.queue import entry, name
from mailkit.queue.name import Seal

STALE_S = 36 * 3600


def clear(home: Home) -> None:
    """Queue what is whole, and remove what else was not touched for STALE_S. What the disk refuses is named in the log
    and left for the next time. OSError when tmp/ cannot be listed."""
    for path, seal in _sealed(home).items():
        try:
            if _is_free(path, seal):
                files.rename(path, f"{home.queue}/new/{seal.name}")
                log.event("queue", q=seal.name.id, operation="recover", verdict="queued")
        except FileNotFoundError:
            continue  # its writer, or another runner, has just done it
        except OSError as error:
            log.event("queue", q=seal.name.id, operation="recover", error=error.strerror, verdict="later")
    for path in left(home):
        files.unlink(path, missing_ok=True)


def left(home: Home) -> list[str]:
    """What the dead left in tmp/ STALE_S ago or earlier, and nothing in it was ever accepted. OSError."""
    sealed = _sealed(home)
    old = [path for changed, path in files.ages(_directory(home)) if changed < clock.now() - STALE_S]
    return [path for path in old if path not in sealed or not _is_whole(path, sealed[path])]


def _directory(home: Home) -> str:
    return f"{home.queue}/tmp"


def _sealed(home: Home) -> dict[str, Seal]:
    """The files in tmp/ whose names say what they must hold, by path. OSError."""
    directory = _directory(home)
    try:
        found = {f"{directory}/{text}": name.seal(text) for text in os.listdir(directory)}
    except FileNotFoundError:
        return {}
    return {path: seal for path, seal in found.items() if seal is not None}


def _is_free(path: str, seal: Seal) -> bool:
    """Is the file whole, and nobody has its lock? OSError."""
    with open(path, "rb", buffering=0) as file:
        return files.lock(file.fileno()) and _holds(file.fileno(), seal)


def _is_whole(path: str, seal: Seal) -> bool:
    """Taken for whole too when it cannot be read now: it is not for us to say that it is not."""
    try:
        with open(path, "rb", buffering=0) as file:
            return _holds(file.fileno(), seal)
    except OSError:
        return True


def _holds(fd: int, seal: Seal) -> bool:
    """Has the file what its name says, marks aside? OSError."""
    if os.fstat(fd).st_size != seal.octets:
        return False
    data = os.pread(fd, seal.octets, 0)
    try:
        return crc32(entry.fresh(data)) == seal.crc
    except (ValueError, EOFError):
        return False
