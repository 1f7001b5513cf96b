"""Lock files that also work between machines on a shared file system, as Dovecot and mutt make them."""

from __future__ import annotations

import os

from mailkit import clock, files, log
from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_FIRST_SPACE = "pid:[4026531836]"  # of the machine itself: PROC_PID_INIT_INO of linux/proc_ns.h


class DotLock:
    """A lock file that also works between machines on a shared file system: `with DotLock(path): ...`.

    The lock is held by whoever could link(2) the name, as Dovecot and mutt do it; it says "PID:HOST". One whose
    process is gone from this host is broken at once; one that was not touched for `stale_s` seconds was left by a
    process that died elsewhere. Temp when it is not had within `wait_s`. A holder who may need longer than `stale_s`
    calls `touch`; one who did not, and lost the lock, leaves that of the next holder alone.

    kept: the file stays beside it, to be linked again, until `close`: for who takes it often. To make one costs more
    than all the rest (ext4 gives no inode away that was freed in the last minutes, and looks at all of these).
    """

    __slots__ = ("_fd", "_own", "kept", "path", "stale_s", "wait_s")

    def __init__(self, path: str, stale_s: float = 120, wait_s: float = 60, kept: bool = False) -> None:
        self._fd = -1  # the file that is ours, open so that no other can have its inode
        self._own = ""  # its other name
        self.kept = kept
        self.path = path
        self.stale_s = stale_s
        self.wait_s = wait_s

    def __enter__(self) -> DotLock:
        until = clock.monotonic() + self.wait_s
        while not self._taken():
            self._break_stale()
            if clock.monotonic() >= until:
                raise Temp("mailbox is locked", code="4.2.0", detail=f"lock {self.path}: held for {self.wait_s} s")
            clock.sleep(0.01 + 0.02 * clock.random())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            is_ours = os.path.samestat(os.fstat(self._fd), os.stat(self.path))
        except FileNotFoundError:
            is_ours = False
        if not self.kept:
            self.close()
        if not is_ours:
            log.event("lock", file=self.path, verdict="lost", stale_s=self.stale_s)
            return
        try:
            files.unlink(self.path, missing_ok=True)
        except OSError as failure:  # what was done under it is done: the next one waits till it is stale
            log.event("lock", file=self.path, verdict="stays", error=failure.strerror)

    def touch(self) -> None:
        """Say that the holder is alive."""
        files.utime(self.path, clock.now())

    def close(self) -> None:
        """Give up the file, not the lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._own:
            files.withdraw(self._own)
            self._own = ""

    def _taken(self) -> bool:
        taken = False
        try:
            self._make_ready()
            files.link(self._own, self.path)
            taken = True
        except FileExistsError:
            return False
        finally:
            if not taken and not self.kept:
                self.close()
        if not self.kept:
            files.withdraw(self._own)
            self._own = ""
        return True

    def _make_ready(self) -> None:
        """Our file is there, and young."""
        if self._own:
            try:
                files.utime(self._own, clock.now())
                return
            except FileNotFoundError:  # whoever cleaned up took it for one of a dead process
                self.close()
        own = f"{self.path}.{clock.host()}.{clock.pid()}.{clock.token(4)}"
        self._fd = files.create(own, 0o600)
        self._own = own
        _say_whose(self._fd)

    def _break_stale(self) -> None:
        """Break a lock nobody holds: by rename, so that of two breakers only one removes it, and checked again
        after the rename, so that a lock taken in between is put back."""
        try:
            if not self._is_stale(self.path):
                return
            aside = f"{self.path}.{clock.token(4)}.stale"
            files.rename(self.path, aside)
            try:
                if not self._is_stale(aside):
                    files.link(aside, self.path)
            except FileExistsError:
                pass  # a third one has it already: whose it was will notice
            files.unlink(aside)
        except FileNotFoundError:
            return

    def _is_stale(self, path: str) -> bool:
        """FileNotFoundError: it was given back meanwhile."""
        if clock.now() - os.stat(path).st_mtime >= self.stale_s:
            return True
        with open(path, "rb", buffering=0) as file:
            pid, _, where = file.read(300).decode("utf-8", "replace").strip().partition(":")
        return where == _where() and pid.isascii() and pid.isdigit() and not _lives(int(pid))


def _say_whose(fd: int) -> None:
    try:
        files.write(fd, b"%d:%s\n" % (clock.pid(), _where().encode()))
    except OSError:
        pass  # a full disk; what it says is for people, and a lock is needed to make room


def _where() -> str:
    """Whose process numbers ours are: the host, and in a namespace of its own (a container, a sandbox) that as well."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = "pid:[unknown]"
    return clock.host() if space == _FIRST_SPACE else f"{clock.host()}-{space[5:-1]}"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # somebody else's
    return True
