"""The segments of one folder: files in the directory mailkit-fulltext of the folder's own.

    mailkit-fulltext/5f0c9a31e2d44b07     a segment
    mailkit-fulltext/5f0c...b07.tmp       one that is being written, or whose writer died
    mailkit-fulltext/lock                 flock(2) of who fills the index

Nothing is believed of a file but what its checksums say: what is damaged is removed, with a line in the log, and its
messages are to be read again. Invariant: whoever reads all segments knows of each message that some segment has all its
words, or none; files are written under another name, and those they replace are removed afterwards.
"""

from __future__ import annotations

import os

from mailkit import clock, files, log
from mailkit.fulltext.draft import OCTETS_MOST, Draft
from mailkit.fulltext.segment import MESSAGES_MOST, Damaged, Outdated, Segment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mailkit.fulltext.words import Query

NAME = "mailkit-fulltext"
_LOCK = "lock"
_TMP = ".tmp"
_STALE_S = 3600.0
_LARGER = 2  # a segment is joined with what is half its size or more
_GONE = 4  # one message in so many is expunged: time to write the segment anew
_LOOKS = 3  # how often a reader starts over with segments that came while others went


def delete(directory: str) -> bool:
    """Remove the index of a folder; whether there was one. OSError."""
    path = f"{directory}/{NAME}"
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return False
    for name in names:
        files.unlink(f"{path}/{name}", missing_ok=True)
    files.rmdir(path)
    return True


class Store:
    """See the package's docstring."""

    __slots__ = ("_fd", "directory", "uidvalidity")

    def __init__(self, directory: str, uidvalidity: int) -> None:
        self.directory = f"{directory}/{NAME}"
        self.uidvalidity = uidvalidity
        self._fd = -1

    # reading

    def segments(self) -> Iterator[Segment]:
        """Each segment, open as long as the caller is at it. Those that come while others go are found too."""
        seen: set[str] = set()
        for _ in range(_LOOKS):
            names = [name for name in self._names() if name not in seen]
            vanished = False
            for name in names:
                seen.add(name)
                segment = self._opened(name)
                if segment is None:
                    vanished = True
                    continue
                try:
                    yield segment
                finally:
                    segment.close()
            if not vanished:
                return

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.directory) if name != _LOCK and not name.endswith(_TMP))
        except OSError:
            return []

    def _opened(self, name: str) -> Segment | None:
        path = f"{self.directory}/{name}"
        try:
            segment = Segment(path)
        except Outdated:
            self._forget(path)
            return None
        except Damaged as error:
            self.remove_damaged(path, error)
            return None
        except FileNotFoundError:
            return None
        except OSError as error:
            self.unreadable(path, error)
            return None
        if segment.uidvalidity == self.uidvalidity:
            return segment
        segment.close()
        self._forget(path)
        return None

    def look(self, segments: Iterator[Segment], into: Callable[[Segment], None]) -> bool:
        """Call `into` with the next of `segments`; False when there is none. What it cannot read has to be read from
        the messages."""
        segment = next(segments, None)
        if segment is None:
            return False
        try:
            into(segment)
        except Damaged as error:
            self.remove_damaged(segment.path, error)
        except OSError as error:
            self.unreadable(segment.path, error)
        return True

    def remove_damaged(self, path: str, error: Damaged) -> None:
        """Its messages have to be read again."""
        log.event("fulltext", verdict="damaged", path=path, error=str(error))
        self._forget(path)

    def unreadable(self, path: str, error: OSError) -> None:
        """Its messages have to be read this time."""
        log.event("fulltext", verdict="unreadable", path=path, error=error.strerror)

    def _forget(self, path: str) -> None:
        try:
            files.unlink(path, missing_ok=True)
        except OSError:
            pass  # not ours to write: it is ignored again the next time

    def covered(self) -> set[int]:
        """UIDs of the messages that are in the index."""
        found: set[int] = set()
        for segment in self.segments():
            found.update(segment.uids)
        return found

    def search(self, queries: Iterable[Query]) -> Search:
        """Look for all of these at once. Each must have parts."""
        return Search(self, queries)

    # writing

    def lock(self) -> bool:
        """Become the one who fills it. False: somebody else does. OSError; FileNotFoundError: there is no folder."""
        os.stat(os.path.dirname(self.directory))
        files.mkdir(self.directory)
        self._fd = os.open(f"{self.directory}/{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if files.lock(self._fd):
            return True
        self.unlock()
        return False

    def unlock(self) -> None:
        """Let others; harmless when it is not locked."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def add(self, new: Draft, alive: set[int]) -> None:
        """Write what a draft holds, together with segments that are not much larger. OSError: nothing has changed.

        alive: UIDs of the folder's messages; of others nothing is copied.
        """
        joined = []
        for segment in sorted(self.segments(), key=lambda found: found.octets):
            octets, messages = new.octets + segment.octets, len(new.uids) + len(segment.uids)
            if new.full or octets > OCTETS_MOST or messages > MESSAGES_MOST or segment.octets > _LARGER * new.octets:
                break
            joined += self._absorbed(new, segment.path, alive)
        self._replace(joined, new)

    def _absorbed(self, new: Draft, path: str, alive: set[int]) -> list[str]:
        """[path] when the draft has all that is alive of the segment."""
        try:
            segment = Segment(path)
        except FileNotFoundError:
            return []
        except Damaged as error:
            self.remove_damaged(path, error)
            return []
        try:
            new.absorb(segment, alive.difference(new.uids))
        except Damaged as error:
            self.remove_damaged(path, error)
            return []
        finally:
            segment.close()
        return [path]

    def _replace(self, old: list[str], new: Draft) -> None:
        """Put a draft in the place of segments."""
        if new.uids:
            path = f"{self.directory}/{clock.token(8)}"
            fd = files.create(path + _TMP)
            try:
                try:
                    files.write(fd, new.encoded(self.uidvalidity))
                finally:
                    os.close(fd)
                files.rename(path + _TMP, path)
            except OSError:
                self._forget(path + _TMP)
                raise
        for path in old:
            files.unlink(path, missing_ok=True)

    def tidy(self, alive: set[int]) -> None:
        """Remove what dead writers left and what is known twice; write anew what is mostly of expunged messages.
        OSError."""
        for name in os.listdir(self.directory):
            if name.endswith(_TMP) and self._is_stale(name):
                files.unlink(f"{self.directory}/{name}", missing_ok=True)
        known: set[int] = set()
        thin = []
        for segment in self.segments():
            useful = alive.intersection(segment.uids) - known
            if (len(segment.uids) - len(useful)) * _GONE > len(segment.uids):
                thin.append((segment.path, useful))
            known |= useful
        for path, useful in thin:
            new = Draft()
            if not useful or self._absorbed(new, path, useful):
                self._replace([path], new)

    def _is_stale(self, name: str) -> bool:
        try:
            return os.stat(f"{self.directory}/{name}").st_mtime < clock.now() - _STALE_S
        except FileNotFoundError:
            return False


class Search:
    """Several queries in one pass. After the last `step`:

    covered: UIDs that the index knows; sure, maybe: for each query those that match, and those that have to be read.
    """

    __slots__ = ("_segments", "_store", "covered", "maybe", "sure")

    def __init__(self, store: Store, queries: Iterable[Query]) -> None:
        self._store = store
        self.covered: set[int] = set()
        self.sure: dict[Query, set[int]] = {query: set() for query in queries}
        self.maybe: dict[Query, set[int]] = {query: set() for query in self.sure}
        self._segments = store.segments()

    def step(self, segments: int = 8) -> bool:
        """Look into some more segments; False when these were the last."""
        return all(self._store.look(self._segments, self._look) for _ in range(segments))

    def _look(self, segment: Segment) -> None:
        uids = segment.uids
        found = {query: segment.search(query) for query in self.sure}
        for query, numbers in found.items():
            (self.sure if query.exact else self.maybe)[query].update([uids[number] for number in numbers])
            self.maybe[query].update([uids[number] for number in segment.unread])
        self.covered.update(uids)
