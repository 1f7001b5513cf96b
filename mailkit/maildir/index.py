"""The two cache files of a folder: mailkit-log (`logfile`), appended to, and mailkit-index, a `snapshot` that saves its
reading.

Writers hold flock(2) on mailkit-log, first read what others appended, then append everything that belongs together in
one write, a STATE last. Readers need no lock: an entry that does not verify is not there yet. The next writer leaves
a torn end behind in an old log. A log is replaced only by another with a new generation, and by rename, so that a
reader keeps what it has until it looks. Nothing here is fsynced: whatever a power failure leaves of it either
verifies or is not used, and what it leaves out is found again in the directories. Files are read with pread, not
mapped: when somebody cuts a mapped file the reading process is killed (SIGBUS), with everybody's sessions in it.

When the cache cannot be written (permissions, disk full) the folder goes on in memory and the log says so.
"""

from __future__ import annotations

import os
import struct

from mailkit import clock, files, log
from mailkit.exits import Temp
from mailkit.maildir import journal, logfile
from mailkit.maildir.contents import Contents
from mailkit.maildir.kept import stored
from mailkit.maildir.snapshot import Snapshot, encode
from mailkit.maildir.table import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from mailkit.maildir.state import State
    from mailkit.maildir.table import Detail

SNAPSHOT = "mailkit-index"
WAIT_S = 30.0
_SMALL_LOG = 1 << 20
_REPLAY = 3000  # elements an open may have to replay, besides a sixteenth of the rows
_ENTRY_ELEMENTS = 8  # what an entry costs beside its elements
_CHEAPER = {journal.PART: 8, journal.MARK: 4}  # so many elements of these kinds take the time of one of the others
_ROWS_AT_ONCE = 500


class Index:
    """One process's knowledge of one folder's cache: `contents`, as of octet `end` of the log.

    recover: makes names and sizes of UIDs anew when their snapshot proved damaged.
    """

    __slots__ = (
        "_depth", "_held", "_inode", "_recover", "contents", "directory", "end", "generation", "replayed", "source",
        "wait_s", "writable",
    )  # fmt: skip

    def __init__(self, directory: str, recover: Callable[[array[int]], Detail]) -> None:
        self.directory = directory
        self.contents = Contents()
        self.writable = True
        self.end = self.generation = self.replayed = 0
        self._recover = recover
        self.source: Source | None = None
        self._inode = 0
        self._held = -1
        self._depth = 0
        self.wait_s = WAIT_S
        self._open()

    # opening

    def _open(self) -> None:
        """Load what is on disk; a log that is missing or no log is begun anew."""
        try:
            source = self._source()
            self.generation = logfile.generation(source.read(logfile.HEADER_OCTETS, 0))
        except FileNotFoundError:
            self.begin()
            return
        except (OSError, ValueError) as error:
            log.event("index", verdict="replaced", path=self.directory, error=str(error))
            self._lost()
            return
        self._load(source)

    def _lost(self) -> None:
        """The log makes no sense: go on from what this process knows, or else from nothing. What is not known is in
        the directories and in dovecot-uidlist."""
        known = self.contents.before or self.contents
        if not known.state.top:
            self.begin()
            return
        self.contents = known
        state = known.state
        state.cur_changed = state.new_changed = 0
        state.highestmodseq = max(state.highestmodseq, clock.now_ns() // 1000)
        self._compact()

    def _source(self) -> Source:
        """The log as it is now, opened."""
        source = Source(os.open(f"{self.directory}/{logfile.NAME}", os.O_RDONLY | os.O_CLOEXEC))
        self._inode = os.fstat(source.fd).st_ino
        return source

    def begin(self) -> None:
        """An empty log, which makes whoever opens the folder look at the directories."""
        self.contents = _carried(self.contents, Contents())
        start = self.contents.state.highestmodseq = clock.now_ns() // 1000
        self.contents.state.floor = self.contents.history.floor = start
        self._write_log((self._new_header(),))
        self.contents.table.source = self.source

    def _write_log(self, entries: Iterable[bytes]) -> None:
        """Put a new log in the place of the old."""
        path = f"{self.directory}/{logfile.NAME}"
        tmp = f"{path}.{clock.host()}.{clock.pid()}.{clock.token(4)}.tmp"
        self.end = 0
        try:
            fd = files.create(tmp)
            try:
                for chunk in entries:
                    files.write(fd, chunk)
                    self.end += len(chunk)
            finally:
                os.close(fd)
            files.rename(tmp, path)
            self.source = self._source()
        except OSError as error:
            self._fail(error)
            _forget(tmp)

    def _new_header(self) -> bytes:
        self.generation = int(clock.token(8), 16) | 1
        return logfile.header(self.generation)

    def _fail(self, error: OSError) -> None:
        if self.writable:
            log.event("index", verdict="memory", path=self.directory, error=error.strerror)
        self.writable = False

    def _load(self, source: Source) -> None:
        before, self.source = self.contents, source
        self.contents, self.end = Contents(), logfile.HEADER_OCTETS
        self.contents.history.floor = 0
        snapshot = self._snapshot(source)
        if snapshot is not None:
            self.contents, self.end = snapshot
        self.contents.table.source = source
        self.contents.show()
        self.replayed = 0
        self.contents = _carried(before, self.contents)
        self._replay()

    def _snapshot(self, source: Source) -> tuple[Contents, int] | None:
        """The contents of mailkit-index and the offset of the log it reaches to; None when it does not fit this log."""
        try:
            fd = os.open(f"{self.directory}/{SNAPSHOT}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        snapshot = None
        try:
            snapshot = Snapshot(fd)
            if snapshot.generation != self.generation or snapshot.covered > os.fstat(source.fd).st_size:
                return None
            return snapshot.contents(self._recover), snapshot.covered
        except (OSError, ValueError) as error:
            log.event("index", verdict="damaged", path=self.directory, error=str(error))
            return None
        finally:
            if snapshot is None:
                os.close(fd)
            else:
                snapshot.close()

    def _replay(self) -> None:
        """Apply what stands behind `end`."""
        if self.source is None:
            return
        last, stated = journal.STATE, None
        for one, end in logfile.entries(self.source.fd, self.end):
            try:
                if one.kind != journal.STATE:
                    self.contents.apply(one)
                elif journal.HEAD_OCTETS + len(one.table) == journal.STATE_OCTETS:
                    stated = one  # each says everything: only the last one matters
                else:
                    raise ValueError("a state of another length")
            except (ValueError, IndexError, struct.error) as error:  # verified octets that make no sense
                log.event("index", verdict="damaged", path=self.directory, offset=self.end, error=str(error))
                break
            self.end, last = end, one.kind
            self.replayed += _cost(one)
        if stated is not None:
            self.contents.apply(stated)
        self.contents.show()
        table, state = self.contents.table, self.contents.state
        self.contents.history.floor = max(self.contents.history.floor, state.floor)
        if last != journal.STATE:  # a writer died over it
            table.recount()
        elif state.messages != len(table):
            log.event("index", verdict="damaged", path=self.directory, rows=len(table), expected=state.messages)
            self._lost()
        elif not table.loaded:  # what an expunge takes off the sizes is only known to whoever wrote it
            table.size, table.unsized = state.size, state.unsized

    def refresh(self) -> None:
        """Learn what other processes wrote."""
        if self.source is None:
            return
        try:
            status = os.stat(f"{self.directory}/{logfile.NAME}")
        except FileNotFoundError:
            return  # deleted: it is begun anew by the next writer
        if status.st_ino != self._inode or status.st_size < self.end:  # another log, or somebody cut it
            self._open()
        elif status.st_size > self.end:
            self._replay()

    def changed(self) -> bool:
        """There is something to refresh."""
        if self.source is None:
            return False
        try:
            status = os.stat(f"{self.directory}/{logfile.NAME}")
        except FileNotFoundError:
            return True
        return status.st_ino != self._inode or status.st_size != self.end

    # writing

    def __enter__(self) -> Index:
        """Hold the writer's lock, knowing everything; may be nested. Temp: another writer keeps it."""
        if self._depth == 0:
            while self.writable and not self._locked():
                pass
        self._depth += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None and self._held >= 0 and self._depth == 1:
                self._tidy()
        finally:
            self._depth -= 1
            if self._held >= 0 and not self._depth:
                os.close(self._held)
                self._held = -1

    def _locked(self) -> bool:
        """Lock the log and learn from it; False when it proved damaged, so that another has taken its place."""
        self._lock()
        self.refresh()
        if self._held >= 0 and os.fstat(self._held).st_ino == self._inode:
            if os.fstat(self._held).st_size == self.end:
                return True
            # A torn end is not cut off in place: if the damage is older than the end, others have already read behind
            # it, and must notice that it is gone.
            log.event("index", verdict="torn", path=self.directory, offset=self.end)
            self._lost()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
        return False

    def _lock(self) -> None:
        while True:
            try:
                fd = os.open(f"{self.directory}/{logfile.NAME}", os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            except FileNotFoundError:
                self._compact()  # the log was deleted under us: what we know goes into a new one
                self.replayed = 0
                if not self.writable:
                    return
                continue
            except OSError as error:
                self._fail(error)
                return
            if not files.lock(fd, self.wait_s):
                os.close(fd)
                detail = f"lock {self.directory}/{logfile.NAME}: {self.wait_s} s"
                raise Temp("mailbox is busy", code="4.2.0", detail=detail)
            if self._is_current(fd):
                self._held = fd
                return
            os.close(fd)

    def _is_current(self, fd: int) -> bool:
        try:
            return os.fstat(fd).st_ino == os.stat(f"{self.directory}/{logfile.NAME}").st_ino
        except FileNotFoundError:
            return False

    def next_modseq(self) -> int:
        """A modseq for a change. It follows the clock in microseconds: it rises even when this cache was lost."""
        return max(self.contents.state.highestmodseq + 1, clock.now_ns() // 1000)

    def commit(self, *entries: bytes) -> None:
        """Do what the entries say, and write them and the state behind them. Only with the lock held."""
        contents, at = self.contents, self.end
        if entries:
            _ = contents.table.detail  # to count sizes
        for raw in entries:
            head = journal.Head(raw)
            one = head.entry(raw[journal.HEAD_OCTETS : journal.HEAD_OCTETS + head.checked], at)
            assert one is not None
            contents.apply(one)
            self.replayed += _cost(one)
            at += len(raw)
        contents.show()
        last = journal.stated(self._counted())
        if self._held >= 0:
            try:
                files.write(self._held, b"".join((*entries, last)))
            except OSError as error:
                self._fail(error)
                return
        self.end = at + len(last)
        self.replayed += _ENTRY_ELEMENTS

    def _counted(self) -> State:
        table, state = self.contents.table, self.contents.state
        state.messages, state.unseen, state.deleted, state.fresh = len(table), table.unseen, table.deleted, table.fresh
        state.size, state.unsized, state.floor = table.size, table.unsized, self.contents.history.floor
        return state

    # upkeep

    def _tidy(self) -> None:
        """Write a snapshot when an open would have much to replay; a new log when most of the old is dead."""
        if self.replayed < _REPLAY + len(self.contents.table) // 16:
            return
        try:
            if self.end > _SMALL_LOG and self.end > 2 * self._live():
                self._compact()
            data = encode(self.contents, self.generation, self.end)
            files.replace(f"{self.directory}/{SNAPSHOT}", data, durable=False)
            self.replayed = 0
        except OSError as error:
            self._fail(error)

    def _live(self) -> int:
        """Octets of the log that are still of use, at least."""
        detail = self.contents.table.detail
        pieces = sum(end for end, made in zip(detail.part_ends[-1], detail.made, strict=True) if made)
        return pieces + len(detail.names)

    def _compact(self) -> None:
        """A new log: rows first, then their pieces in UID order. Tables that point into the old one still may."""
        self._write_log(self._whole())
        if self.writable:
            self._load(self._source())

    def _whole(self) -> Iterator[bytes]:
        """A log that says all of the contents."""
        table, detail, history = self.contents.table, self.contents.table.detail, self.contents.history
        yield self._new_header()
        if len(table):
            where = bytes(table.where)
            yield journal.added(table.uids, table.marks, table.modseqs, where, detail.sizes, detail.bases())
        if table.odd:
            yield journal.odd(sorted(table.odd.items()))
        if len(history.uids):
            yield journal.gone(history.uids, history.modseqs)
        rows = [row for row, made in enumerate(detail.made) if made]
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = [(table.uids[row], stored(table, row)) for row in rows[start : start + _ROWS_AT_ONCE]]
            if found := [(uid, pieces) for uid, pieces in some if pieces is not None]:
                yield journal.pieces(found)
        yield journal.stated(self._counted())

    def close(self) -> None:
        """Let go of the file, once no table points into it."""
        self.source = self.contents.table.source = None


def _cost(one: journal.Entry) -> int:
    """What it takes to replay an entry, in elements: pieces are columns that are looked at later, flags few numbers."""
    return one.count // _CHEAPER.get(one.kind, 1) + _ENTRY_ELEMENTS


def _carried(before: Contents, now: Contents) -> Contents:
    """The contents were read anew: views go on from what they were told, once it is known what really is there."""
    now.touched, now.gone = before.touched, before.gone
    now.show()
    now.state.highestmodseq = max(now.state.highestmodseq, before.state.highestmodseq)
    now.before = before.before or (before if before.state.top else None)
    return now


def _forget(tmp: str) -> None:
    try:
        files.unlink(tmp, missing_ok=True)
    except OSError:
        pass  # the error that led here is the one to tell
