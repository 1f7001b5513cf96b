"""Delivery into a Maildir: tmp/, then new/ or cur/, durable before it is acknowledged.

A message is streamed into tmp/ under a unique name, fsynced, renamed into new/ (or cur/ when it has flags), and the
directory is fsynced (`files.publish`, shared with other sessions under the event loop). A crash leaves a file in tmp/,
which `clean` removes after 36 hours, or the whole message; never half a message where readers look.
The index and the list of UIDs are not touched: whoever opens the folder next finds the message.
"""

from __future__ import annotations

import errno
import os
import stat

from mailkit import clock, files
from mailkit.maildir import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

STALE_S = 36 * 3600  # cr.yp.to/proto/maildir.html: files in tmp/ untouched for 36 hours are left by the dead
_COPY_OCTETS = 256 * 1024


class Delivery:
    """One message on its way into one folder: `with Delivery(...) as d: d.write(...); await d.commit()`.

    maildir: path of the Maildir; folder: "" for INBOX, else a name as `tree.Tree` takes it. Missing directories are
    made. OSError (ENOSPC, EDQUOT ...) comes from the constructor, `write` and `commit`; nothing is left behind then.
    """

    __slots__ = ("_after_cr", "_bare", "_fd", "_tmp", "directory", "size", "unique")

    def __init__(self, maildir: str, folder: str = "") -> None:
        self.directory = _folder(maildir, folder)
        self.unique = names.unique()
        self._tmp = f"{self.directory}/tmp/{self.unique}"
        self._fd = _created(self.directory, self._tmp, self.directory != maildir)
        self.size = 0
        self._bare = 0  # line feeds without a carriage return before them
        self._after_cr = False

    @property
    def wire_size(self) -> int:
        """Octets when every line end is CRLF, as IMAP and POP3 send it."""
        return self.size + self._bare

    def write(self, data: bytes) -> None:
        """Take the next octets of the message."""
        if not data:
            return
        files.write(self._fd, data)
        self.size += len(data)
        self._bare += data.count(b"\n") - data.count(b"\r\n")
        if self._after_cr and data.startswith(b"\n"):
            self._bare -= 1
        self._after_cr = data.endswith(b"\r")

    def read(self) -> bytes:
        """What was written so far. OSError."""
        with open(self._tmp, "rb") as file:
            return file.read()

    async def commit(
        self, flags: str = "", keywords: Iterable[bytes] = (), internaldate: float | None = None, cur: bool = False
    ) -> str:
        """Publish the message and say where.

        flags: letters of file names; keywords: names, which get letters of the folder; cur: into cur/ in any case;
        internaldate: seconds since 1970, kept as the file's time (Dovecot does the same).
        """
        flags += self._letters(keywords)
        base = names.with_sizes(self.unique, self.size, self.wire_size)
        if flags or cur:
            final = f"{self.directory}/cur/{names.with_flags(base, flags)}"
        else:
            final = f"{self.directory}/new/{base}"
        try:
            if internaldate is not None:
                files.utime(self._tmp, internaldate)
            fd, self._fd = self._fd, -1
            await files.publish(fd, self._tmp, final)
        except OSError:
            self.abort()
            raise
        self._tmp = ""
        return final

    def settle(self, internaldate: float | None) -> str:
        """Make the octets durable where they are, in tmp/, and say where: `transfer` gives it UID and name.

        Blocking. OSError.
        """
        if internaldate is not None:
            files.utime(self._tmp, internaldate)
        fd, self._fd = self._fd, -1
        try:
            files.sync(fd)
        finally:
            os.close(fd)
        return self._tmp

    def publish_now(self, final: str, internaldate: float) -> None:
        """Publish under a given name, blocking. OSError."""
        files.utime(self._tmp, internaldate)
        fd, self._fd = self._fd, -1
        files.publish_now(fd, self._tmp, final)

    def abort(self) -> None:
        """Leave nothing. Harmless when the message was committed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._tmp:
            files.unlink(self._tmp, missing_ok=True)
            self._tmp = ""

    def _letters(self, keywords: Iterable[bytes]) -> str:
        wanted = list(keywords)
        if not wanted:
            return ""
        from mailkit.maildir.keywords import letters

        return letters(self.directory, wanted)

    def __enter__(self) -> Delivery:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.abort()


def _folder(maildir: str, folder: str) -> str:
    if folder in ("", "INBOX"):
        return maildir
    from mailkit.maildir.tree import Tree

    return Tree(maildir).path(folder)


def _created(directory: str, path: str, subfolder: bool) -> int:
    try:
        return files.create(path)
    except FileNotFoundError:
        make_directories(directory, subfolder)
        return files.create(path)


def ensure(maildir: str) -> None:
    """Make the directories of a Maildir where there is none. OSError."""
    if not os.path.isdir(f"{maildir}/cur"):
        make_directories(maildir, subfolder=False)


def make_directories(directory: str, subfolder: bool) -> None:
    """Make tmp/, new/ and cur/, and the mark of a Maildir++ folder, where they are missing; durable."""
    files.mkdir(directory)
    for name in ("cur", "new", "tmp"):
        files.mkdir(f"{directory}/{name}")
    if subfolder and not os.path.exists(f"{directory}/maildirfolder"):
        files.append(f"{directory}/maildirfolder", b"")
    files.sync_dir(directory)
    files.sync_dir(os.path.dirname(directory) or ".")


async def share(source: str, maildir: str, folder: str = "") -> str:
    """Give a message that is already on disk at `source` to a further Maildir; the path in new/.

    A link where the file system allows it, else a copy. The sizes in its name are kept.
    """
    directory = _folder(maildir, folder)
    base, _ = names.parse(os.path.basename(source))
    _, comma, sizes = base.partition(",")
    final = f"{directory}/new/{names.unique()}{comma}{sizes}"
    try:
        _linked(source, final, directory, directory != maildir)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.ENOTSUP):
            raise
        return await _copied(source, maildir, folder)
    await files.settle([os.path.dirname(final)])
    return final


def _linked(source: str, final: str, directory: str, subfolder: bool) -> None:
    try:
        files.link(source, final)
    except FileNotFoundError:
        make_directories(directory, subfolder)
        files.link(source, final)


async def _copied(source: str, maildir: str, folder: str) -> str:
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Delivery(maildir, folder) as delivery:
            while data := os.read(fd, _COPY_OCTETS):
                delivery.write(data)
            return await delivery.commit(internaldate=os.fstat(fd).st_mtime)
    finally:
        os.close(fd)


def remove_tree(path: str) -> None:
    """Remove a directory with all in it; what cannot be removed stays."""
    for directory, folders, found in os.walk(path, topdown=False):
        for name in found:
            _quietly(files.unlink, f"{directory}/{name}")
        for name in folders:
            _quietly(files.rmdir, f"{directory}/{name}")
    _quietly(files.rmdir, path)


def _quietly(function: Callable[[str], None], path: str) -> None:
    try:
        function(path)
    except OSError:
        pass  # `clean` comes again


def clean(folder_path: str) -> int:
    """Remove what dead processes left: files in tmp/, and in the folder itself files that were to replace others or to
    become locks. How many. A directory that is not there is clean."""
    removed = 0
    for entry in [*_entries(f"{folder_path}/tmp"), *filter(_is_leftover, _entries(folder_path))]:
        try:
            status = entry.stat(follow_symlinks=False)
            if max(status.st_mtime, status.st_ctime) >= clock.now() - STALE_S:
                continue
            if stat.S_ISREG(status.st_mode):
                files.unlink(os.fsdecode(entry.path), missing_ok=True)
            elif entry.name.endswith(b".deleted"):  # a folder that was deleted by half
                remove_tree(os.fsdecode(entry.path))
            else:
                continue
            removed += 1
        except OSError:
            continue
    return removed


def _entries(path: str) -> list[os.DirEntry[bytes]]:
    try:
        with os.scandir(os.fsencode(path)) as entries:
            return list(entries)
    except OSError:
        return []


def _is_leftover(entry: os.DirEntry[bytes]) -> bool:
    """NAME.PID.CHANCE.tmp of `files.replace`, NAME.lock.HOST.PID.CHANCE and .stale of `dotlock.DotLock`."""
    name = entry.name
    ours = name.startswith((b"mailkit-", b"dovecot-uidlist.", b"dovecot-keywords.", b"subscriptions."))
    return ours and (name.endswith((b".tmp", b".stale")) or b".lock." in name)
