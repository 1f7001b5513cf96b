"""Directories under watch: one inotify descriptor per process, however many sessions share it.

fs.inotify.max_user_instances is 128 per uid, so a session must not have its own. Where inotify cannot see (network file
systems, or no instance left) the directories' times are compared every `pollseconds`; both always run, because
another machine may write to a shared home.
"""

from __future__ import annotations

import os

from mailkit import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from inotify_simple import INotify


class Watch:
    """Some directories of one session. `fire` is called when a name in one of them changes."""

    __slots__ = ("_watcher", "directories", "fire", "seen")

    def __init__(self, watcher: Watcher, directories: list[str], fire: Callable[[], None]) -> None:
        self._watcher = watcher
        self.directories = directories
        self.fire = fire
        self.seen = tuple([_changed_at(path) for path in directories])

    def close(self) -> None:
        """Stop watching."""
        self._watcher.drop(self)


class Watcher:
    """All watches of a process."""

    def __init__(self) -> None:
        self.fd = -1  # the inotify descriptor; -1 where there is none
        self._watches: set[Watch] = set()
        self._by_wd: dict[int, list[Watch]] = {}
        self._wd: dict[str, int] = {}
        self._inotify: object = None

    def add(self, directories: list[str], fire: Callable[[], None]) -> Watch:
        """Watch directories; those that do not exist are noticed by polling when they appear."""
        watch = Watch(self, directories, fire)
        self._watches.add(watch)
        for path in directories:
            wd = self._wd.get(path)
            if wd is None:
                wd = self._started(path)
                if wd is None:
                    continue
                self._wd[path] = wd
            self._by_wd.setdefault(wd, []).append(watch)
        return watch

    def drop(self, watch: Watch) -> None:
        """Forget a watch; its directories too when nobody else watches them."""
        if watch not in self._watches:
            return
        self._watches.discard(watch)
        for path in watch.directories:
            wd = self._wd.get(path)
            if wd is None:
                continue
            users = self._by_wd.get(wd, [])
            if watch in users:
                users.remove(watch)
            if not users:
                self._by_wd.pop(wd, None)
                del self._wd[path]
                self._stopped(wd)

    def read(self) -> None:
        """The inotify descriptor is readable: fire whom it concerns."""
        from inotify_simple import INotify, flags

        assert isinstance(self._inotify, INotify)
        touched: set[Watch] = set()
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                touched |= self._watches
            touched.update(self._by_wd.get(event.wd, ()))
            if event.mask & flags.IGNORED:
                self._forget(event.wd)
        for watch in touched:
            watch.fire()

    def poll(self) -> None:
        """Fire those whose directories changed without inotify's word."""
        for watch in list(self._watches):
            now = tuple([_changed_at(path) for path in watch.directories])
            if now != watch.seen:
                watch.seen = now
                watch.fire()

    def close(self) -> None:
        """Give the descriptor back."""
        if self._inotify is not None:
            self._inotify.close()  # type: ignore[attr-defined]
            self._inotify = None
            self.fd = -1

    def _started(self, path: str) -> int | None:
        from inotify_simple import flags

        try:
            if self._inotify is None:
                self._inotify = _instance()
                self.fd = self._inotify.fileno()  # type: ignore[attr-defined]
            mask = flags.CREATE | flags.DELETE | flags.MOVED_FROM | flags.MOVED_TO | flags.ONLYDIR
            wd = self._inotify.add_watch(os.fsencode(path), mask)  # type: ignore[attr-defined]
            return int(wd)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                log.event("watch", directory=path, error=error.strerror, instead="polling")
            return None

    def _stopped(self, wd: int) -> None:
        try:
            self._inotify.rm_watch(wd)  # type: ignore[attr-defined]
        except OSError:
            pass  # the directory has gone and took the watch with it

    def _forget(self, wd: int) -> None:
        """The kernel dropped a watch: the directory is gone; polling notices when it comes back."""
        self._by_wd.pop(wd, None)
        for path in [path for path, known in self._wd.items() if known == wd]:
            del self._wd[path]


def _instance() -> INotify:
    """A new inotify descriptor. Left alone, the package starts a compiler to learn where the C library is that is
    loaded already: slow, and nothing for a confined process."""
    import ctypes

    import inotify_simple

    inotify_simple._libc = inotify_simple._libc or ctypes.CDLL(None, use_errno=True)
    return inotify_simple.INotify(nonblocking=True)


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
