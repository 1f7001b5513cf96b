"""The drop directory: how people without rights on the queue put messages into it (mailkit-sendmail(1)).

    queue/drop        drwx-wx-wt, of the mail system's user: anybody may add a file, nobody list or remove others'
    queue/drop/ID     an entry as in queue/new, readable for the mail system's user, its size in no name
    queue/drop/.ID    being written

The runner takes a file only if it is a regular file with one name. Who owns it sent it: that uid goes into the
Received line, whatever the file says. Only sender, recipients and the DSN wishes of its envelope are taken over.

A crash while taking leaves the dropped file, or the queue entry and perhaps the file too: then the message goes
out twice; none is lost.
"""

from __future__ import annotations

import errno
import os
import stat

from mailkit import clock, files, log
from mailkit.control import Home
from mailkit.exits import Temp
from mailkit.mail import date, dsn
from mailkit.queue import entry
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.inject import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# How each is read: ValueError for what would be another command where the message goes next.
_ENVELOPE_PARAMS: dict[str, Callable[[str], str]] = {
    "body": lambda text: _one_of(text, ("7BIT", "8BITMIME")),
    "envid": lambda text: dsn.envid(dsn.xtext(text)),
    "ret": dsn.ret,
    "smtputf8": lambda text: "yes",
}
_RECIPIENT_PARAMS: dict[str, Callable[[str], str]] = {"notify": lambda text: ",".join(dsn.notify(text))}
_STALE_S = 36 * 3600
_CHUNK = 256 << 10


def directory(home: Home) -> str:
    """The path of the drop directory."""
    return os.path.join(home.queue, "drop")


def deposit(home: Home, envelope: Envelope, chunks: Iterable[bytes]) -> str:
    """Leave a message for the runner; returns its name there. Durable when it returns. Temp when that failed."""
    id = clock.token(8)
    name, tmp = os.path.join(directory(home), id), os.path.join(directory(home), "." + id)
    try:
        fd = files.create(tmp, 0o644)
        try:
            os.fchmod(fd, 0o644)  # whatever the umask: in a directory nobody may list, the name is the secret
            files.write(fd, entry.encode(envelope))
            for chunk in chunks:
                files.write(fd, chunk)
            files.sync(fd)
            files.rename(tmp, name)
            _settle(fd, name)
        finally:
            os.close(fd)
    except OSError as error:
        files.withdraw(tmp)
        raise Temp("the message cannot be queued", code="4.3.0", detail=f"drop {tmp}: {error.strerror}")
    return id


def _settle(fd: int, name: str) -> None:
    """The name of a dropped file is on disk. OSError: it has none any more."""
    try:
        try:
            files.sync_dir(os.path.dirname(name))
        except PermissionError:
            # Who may not list a directory cannot open it, so cannot sync it. The file's own journal entry has its new
            # name, and goes to disk with the file (ext4, XFS, btrfs).
            files.sync(fd)
    except OSError:
        files.withdraw(name)
        raise


async def collect(home: Home) -> int:
    """Take what was dropped into the queue; returns how many. Temp when the queue has no room: the rest stays.

    What the disk refuses to read is left for the next time, and named in the log.
    """
    taken = 0
    try:
        found = sorted(os.listdir(directory(home)))
    except FileNotFoundError:
        return 0
    for filename in found:
        path = os.path.join(directory(home), filename)
        if filename.startswith("."):
            _clear(path)
            continue
        try:
            taken += await _take(home, path)
        except OSError as error:
            log.event("drop", file=filename, error=error.strerror, verdict="waits")
    return taken


async def _take(home: Home, path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ENOENT:
            _refuse(path, error.strerror or "")
        return False
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            _refuse(path, "not a file with one name")
            return False
        if not files.lock(fd) or not os.path.lexists(path):
            return False  # another runner has it
        return await _copied(home, path, fd, status)
    finally:
        os.close(fd)


async def _copied(home: Home, path: str, fd: int, status: os.stat_result) -> bool:
    most = home.control.octets("databytes")
    head = os.pread(fd, min(status.st_size, entry.LARGEST), 0)
    try:
        envelope, offset = entry.decode(head)
        envelope = _cleaned(envelope)
        if most and status.st_size - offset > most:
            raise ValueError(f"{status.st_size - offset} octets, more than control/databytes allows")
    except (ValueError, EOFError) as error:
        _refuse(path, str(error))
        return False
    spool = Spool(home)
    id = spool.begin(envelope)
    try:
        spool.write(received(home, id, status.st_uid))
        at = offset
        while chunk := os.pread(fd, _CHUNK, at):
            spool.write(chunk)
            at += len(chunk)
        await spool.commit()
    finally:
        spool.abort()
    files.unlink(path, missing_ok=True)
    log.event("drop", q=id, uid=status.st_uid, from_=f"<{envelope.sender}>", recipients=len(envelope.recipients))
    return True


def _cleaned(envelope: Envelope) -> Envelope:
    """The envelope with what its author may say. ValueError: it says what SMTP would not let through."""
    for address in (envelope.sender, *(one.address for one in envelope.recipients)):
        if not address.isprintable():
            raise ValueError(f"{address!r} is no address")
    recipients = [Recipient(one.address, params=_said(one.params, _RECIPIENT_PARAMS)) for one in envelope.recipients]
    return Envelope(envelope.sender, recipients, _said(envelope.params, _ENVELOPE_PARAMS))


def _said(params: dict[str, str], known: dict[str, Callable[[str], str]]) -> dict[str, str]:
    return {key: read(params[key]) for key, read in known.items() if key in params}


def _one_of(text: str, words: tuple[str, ...]) -> str:
    if text not in words:
        raise ValueError(f"{text!r} is none of {', '.join(words)}")
    return text


def received(home: Home, id: str, uid: int) -> bytes:
    """The Received line of a message that a local user queued (RFC 5321 4.4)."""
    now = date.text(int(clock.now()))
    return f"Received: by {home.control.text('me')} (mailkit, from uid {uid})\n\tid {id}; {now}\n".encode()


def _refuse(path: str, why: str) -> None:
    """What cannot be taken is removed: it never was in the queue, and its author may have put anything there."""
    log.event("drop", file=os.path.basename(path), verdict="removed", why=why)
    try:
        files.unlink(path, missing_ok=True)
    except OSError as error:
        log.event("drop", file=os.path.basename(path), error=error.strerror)


def _clear(path: str) -> None:
    try:
        if os.lstat(path).st_mtime < clock.now() - _STALE_S:
            files.unlink(path, missing_ok=True)
    except OSError:
        pass  # its writer has just finished it
