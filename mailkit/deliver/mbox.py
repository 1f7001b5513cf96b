"""Appending to an mbox file, as mutt, mail and procmail read it.

    From alice@example.net Sat Nov 21 23:41:04 2026
    Return-Path: <alice@example.net>
    Delivered-To: bob@example.test
    (the message; lines that begin with From or >From get one more ">", as mboxrd has it)
    (an empty line)

Locked with FILE.lock, fcntl(2) and flock(2): whatever the reader uses, one of them is it. If we die or the disk is
full in the middle, the file is cut back to what it was; after a power failure half a message may be left at its end.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time

from mailkit import clock, dotlock, files
from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_WAIT_S = 30


def append(path: str, sender: str, chunks: Iterable[bytes]) -> None:
    """Add one message, on disk when this returns. Temp when it cannot be locked or written: then nothing was added."""
    try:
        with dotlock.DotLock(path + ".lock", stale_s=300, wait_s=_WAIT_S):
            fd = _opened(path)
            try:
                _append(fd, path, sender, chunks)
            finally:
                os.close(fd)
    except OSError as error:
        raise Temp("the mailbox cannot be written now", code="4.2.0", detail=f"{path}: {error.strerror}")


def _opened(path: str) -> int:
    """The file, whose name is on disk before it holds anything that was taken over."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        os.close(files.create(path))
        files.sync_dir(os.path.dirname(path))
        return os.open(path, flags)


def _append(fd: int, path: str, sender: str, chunks: Iterable[bytes]) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise Temp("the mailbox is not a file", code="4.2.0", detail=path)
    _lock(fd, path)
    before = os.fstat(fd).st_size
    last = b"\n"
    try:
        when = time.asctime(time.gmtime(clock.now()))
        files.write(fd, f"From {_word(sender)} {when}\n".encode("utf-8", "surrogateescape"))
        for line in _lines(chunks):
            files.write(fd, line)
            last = line[-1:] or last
        files.write(fd, b"\n" if last == b"\n" else b"\n\n")
        files.sync(fd)
    except BaseException:
        files.truncate(fd, before)
        raise


def _lock(fd: int, path: str) -> None:
    until = clock.monotonic() + _WAIT_S
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if clock.monotonic() >= until:
                raise Temp("the mailbox is locked", code="4.2.0", detail=path)
            clock.sleep(0.05)
    if not files.lock(fd, max(until - clock.monotonic(), 0)):
        raise Temp("the mailbox is locked", code="4.2.0", detail=path)


def _word(sender: str) -> str:
    return "".join("-" if char in " \t\n" else char for char in sender) or "MAILER-DAEMON"


def _lines(chunks: Iterable[bytes]) -> Iterable[bytes]:
    """Whole lines with From quoted; a long line may come in pieces."""
    held = b""
    for chunk in chunks:
        lines = (held + chunk).split(b"\n")
        held = lines.pop()
        if lines:
            yield b"".join(_quoted(line) + b"\n" for line in lines)
    if held:
        yield _quoted(held)


def _quoted(line: bytes) -> bytes:
    return b">" + line if line.lstrip(b">").startswith(b"From ") else line
