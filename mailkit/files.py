"""The only place that changes names on disk or makes them durable.

What lives here: create, write, rename, link, unlink, mkdir, truncate, fsync and flock, each a thin function, so
that the crash tests can break every one of them (`fault`), and so that a rule such as "fsync the file, rename it,
fsync the directory, then say 250" stands in one place. What does not: what a file means, and lock files (`dotlock`).

Invariant of `publish`: the final name never shows a file whose octets are not on disk, and when `publish` returns
both octets and name survive a power failure. `admit` keeps it too, but what survives may be the file's first name,
for whoever looks after such names to finish. OSError passes through unless a function says otherwise.

Under the event loop the publishes of many sessions share one round of fsync: `mailkit.net.loop` sets `committer`.
"""

from __future__ import annotations

import errno
import os

from mailkit import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType
    from typing import Protocol

    class Committer(Protocol):
        """Makes files and directories durable together with those of other sessions."""

        def publish(self, fd: int, tmp: str, final: str) -> Awaitable[None]: ...
        def admit(self, fd: int, tmp: str, final: str) -> Awaitable[None]: ...
        def secure(self, fd: int, path: str) -> Awaitable[None]: ...
        def settle(self, directories: Iterable[str]) -> Awaitable[None]: ...


fault: Callable[..., None] | None = None
"""Called with the name and arguments of each operation before it is done: the crash tests' way in."""

committer: Committer | None = None


def full(error: OSError) -> bool:
    """The disk, or somebody's quota on it, was full; every other error is one of rights, of the disk itself..."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def create(path: str, mode: int = 0o600) -> int:
    """A descriptor for writing a file that did not exist. FileExistsError when it did."""
    if fault is not None:
        fault("create", path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)


def write(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of `data`."""
    if fault is not None:
        fault("write", fd, data)
    done = os.write(fd, data)
    while done < len(data):
        done += os.write(fd, memoryview(data)[done:])


def sync(fd: int) -> None:
    """The octets of an open file are on disk."""
    if fault is not None:
        fault("sync", fd)
    os.fsync(fd)


def sync_dir(path: str) -> None:
    """The names in a directory are on disk."""
    if fault is not None:
        fault("sync_dir", path)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


async def publish(fd: int, tmp: str, final: str) -> None:
    """Make the file `fd`, written at `tmp`, appear durably as `final`; closes `fd`.

    On OSError neither name is left. A crash leaves `tmp`, or a whole file at `final`.
    """
    if committer is not None:
        await committer.publish(fd, tmp, final)
    else:
        publish_now(fd, tmp, final)


async def admit(fd: int, tmp: str, final: str) -> None:
    """`publish` for a file whose name `tmp` says how to tell that it is whole, so that it can be found after a crash.

    When it returns the file is at `final`, and on disk under that name or under `tmp`: so a sync shared with others
    serves octets and name at once. Alone, `publish` asks no more of the disk, and of no file system that it brings
    names to disk in the order they were given.
    """
    if committer is not None:
        await committer.admit(fd, tmp, final)
    else:
        publish_now(fd, tmp, final)


async def secure(fd: int, path: str) -> None:
    """Make an open file and the name it has durable, and close it then: who waits for that sees it whole and safe.

    On OSError it is gone, and was before it is closed.
    """
    if committer is not None:
        await committer.secure(fd, path)
        return
    try:
        sync(fd)
        sync_dir(os.path.dirname(path))
    except OSError:
        withdraw(path)
        raise
    finally:
        os.close(fd)


async def settle(directories: Iterable[str]) -> None:
    """Make the names in these directories durable (after rename, link, unlink)."""
    if committer is not None:
        await committer.settle(directories)
    else:
        for directory in directories:
            sync_dir(directory)


def publish_now(fd: int, tmp: str, final: str) -> None:
    """`publish`, blocking, for one file."""
    sync_and_appear(fd, tmp, final)
    try:
        sync_dir(os.path.dirname(final))
    except OSError:
        withdraw(final)
        raise


def sync_and_appear(fd: int, tmp: str, final: str) -> None:
    """The first half of `publish_now`: the name is not yet on disk."""
    try:
        sync(fd)
    except OSError:
        os.close(fd)
        withdraw(tmp)
        raise
    appear(fd, tmp, final)


def appear(fd: int, tmp: str, final: str) -> None:
    """Close a file whose octets are on disk and give it its name. On OSError neither name is left."""
    try:
        os.close(fd)
        rename(tmp, final)
    except OSError:
        withdraw(tmp)
        raise


def withdraw(path: str) -> None:
    """Remove a name, if that can be done: the cleaner of tmp/ gets it; the error that led here is the one to tell."""
    try:
        unlink(path)
    except OSError:
        pass


def replace(path: str, data: bytes, mode: int = 0o600, durable: bool = True) -> None:
    """Put `data` in the place of `path`, whole or not at all. A crash leaves the old file or the new one. OSError names
    `path`."""
    tmp = f"{path}.{clock.pid()}.{clock.token(4)}.tmp"
    try:
        fd = create(tmp, mode)
        try:
            write(fd, data)
            if durable:
                sync(fd)
        finally:
            os.close(fd)
        rename(tmp, path)
    except OSError as error:
        withdraw(tmp)
        error.filename = path  # writing knows of none, and the temporary name says nothing to anybody
        error.filename2 = None
        raise
    if durable:
        sync_dir(os.path.dirname(path))


def append(path: str, data: bytes, durable: bool = False, mode: int = 0o600) -> None:
    """Add `data` at the end of a file, made when missing, in one write."""
    if fault is not None:
        fault("append", path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode)
    try:
        write(fd, data)
        if durable:
            sync(fd)
    finally:
        os.close(fd)


def overwrite(fd: int, offset: int, data: bytes, durable: bool = True) -> None:
    """Rewrite octets in place, on disk when this returns unless not `durable`. For one octet: it cannot tear."""
    if fault is not None:
        fault("overwrite", fd, offset, data)
    os.pwrite(fd, data, offset)
    if durable:
        os.fdatasync(fd)


def rename(old: str, new: str, durable: bool = False) -> None:
    """Rename within one file system, replacing `new`."""
    if fault is not None:
        fault("rename", old, new)
    os.rename(old, new)
    if durable:
        for directory in {os.path.dirname(old), os.path.dirname(new)}:
            sync_dir(directory)


class Directory:
    """`with Directory(path) as directory:` for changing many names in it, octets as they are on disk: its path is
    looked up once. OSError."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> Directory:
        self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)

    def rename(self, old: bytes, new: bytes) -> None:
        """Rename within it, replacing `new`."""
        if fault is not None:
            fault("rename", f"{self.path}/{os.fsdecode(old)}", f"{self.path}/{os.fsdecode(new)}")
        os.rename(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def unlink(self, name: bytes) -> None:
        """Remove a name."""
        if fault is not None:
            fault("unlink", f"{self.path}/{os.fsdecode(name)}")
        os.unlink(name, dir_fd=self._fd)


def link(old: str, new: str) -> None:
    """A further name for a file. FileExistsError when it is taken."""
    if fault is not None:
        fault("link", old, new)
    os.link(old, new)


def symlink(target: str, path: str) -> None:
    """A name that stands for another path. FileExistsError when it is taken."""
    if fault is not None:
        fault("symlink", path)
    os.symlink(target, path)


def unlink(path: str, missing_ok: bool = False, at: int | None = None) -> None:
    """Remove a name. at: its directory, open, where others might put another one in that place."""
    if fault is not None:
        fault("unlink", path)
    try:
        os.unlink(path if at is None else os.path.basename(path), dir_fd=at)
    except FileNotFoundError:
        if not missing_ok:
            raise


def ages(directory: str) -> list[tuple[float, str]]:
    """When each file of a directory was last written (Unix seconds) and its path, oldest first.

    Nothing when there is no such directory. What goes while we look is left out: its owner is alive.
    """
    found = []
    try:
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            try:
                found.append((os.lstat(path).st_mtime, path))
            except FileNotFoundError:
                continue
    except FileNotFoundError:
        return []
    return sorted(found)


def thin(directory: str, keep_s: float, most: int | None = None) -> int:
    """Remove the files of a directory that were not written for `keep_s` seconds, and the oldest of those that are more
    than `most`. Returns how many. OSError."""
    found = ages(directory)
    extra = 0 if most is None else len(found) - most
    old = [path for i, (changed, path) in enumerate(found) if i < extra or clock.now() - changed >= keep_s]
    for path in old:
        unlink(path, missing_ok=True)
    return len(old)


def mkdir(path: str, mode: int = 0o700, exist_ok: bool = True) -> None:
    """Make a directory and those above it."""
    if os.path.isdir(path):
        if not exist_ok:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        return
    parent = os.path.dirname(path)
    if parent and not os.path.isdir(parent):
        mkdir(parent, mode)
    if fault is not None:
        fault("mkdir", path)
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not (exist_ok and os.path.isdir(path)):
            raise


def rmdir(path: str, at: int | None = None) -> None:
    """Remove an empty directory. at: as for `unlink`."""
    if fault is not None:
        fault("rmdir", path)
    os.rmdir(path if at is None else os.path.basename(path), dir_fd=at)


def truncate(fd: int, length: int) -> None:
    """Cut an open file to `length` octets."""
    if fault is not None:
        fault("truncate", fd, length)
    os.ftruncate(fd, length)


def chown(path: str | int, uid: int, gid: int) -> None:
    """Give a file, named or open, to somebody. Of a link it is the link that is given, not what it leads to."""
    if fault is not None:
        fault("chown", path)
    if isinstance(path, int):
        os.fchown(path, uid, gid)
    else:
        os.lchown(path, uid, gid)


def utime(path: str, seconds: float) -> None:
    """Set a file's times."""
    if fault is not None:
        fault("utime", path)
    os.utime(path, (seconds, seconds))


_ASK_AGAIN_S = 0.002  # who has much to do lets go of a lock for moments only


def lock(fd: int, wait_s: float = 0) -> bool:
    """Take the exclusive flock(2) of an open file, until it is closed. False when another has it for `wait_s`."""
    if fault is not None:
        fault("lock", fd)
    import fcntl  # a delivery locks nothing

    until = clock.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if clock.monotonic() >= until:
                return False
            clock.sleep(_ASK_AGAIN_S)
