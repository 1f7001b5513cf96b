"""One folder as all sessions of this process share it: rows, UIDs, flags, and the operations on messages.

`open` gives the same Folder to everybody who names the same path. A Folder knows the rows (`table.Table`), each
session's numbering is its `view.View`. Operations that change something take the mutex (threads of `conn.offload`),
then the lock of mailkit-log (processes), do it to the files, and write it to the log; whoever reads looks at columns
that never move under him. Files are the truth: a flag is a rename, an expunge an unlink, and what another program does
is found by `sync`. Names that changed under us are looked for once more before a message counts as gone.
"""

from __future__ import annotations

import os
from _thread import RLock

from mailkit import clock, dotlock
from mailkit.exits import Temp
from mailkit.maildir import ahead, change, heap, journal, marks, names, pieces, reading, save, scan, sync, uidlist
from mailkit.maildir.index import WAIT_S, Index
from mailkit.maildir.keywords import FlagText, Keywords
from mailkit.maildir.logfile import last_state
from mailkit.maildir.state import GRAIN_NS, State
from mailkit.maildir.table import NEW, ODD, Detail
from mailkit.maildir.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterable, Sequence

    from mailkit.maildir.change import OwnChange, Stored
    from mailkit.maildir.mates import Build
    from mailkit.maildir.save import Delivery
    from mailkit.maildir.table import Table

_opened: dict[str, Folder] = {}
_opening = RLock()
_LARGE = 10  # a change of this part of the messages, renames and all, takes longer than listing them
_LONGEST_TOLD = 50_000
_MANY = 20_000  # new messages at once


def open(path: str) -> Folder:
    """The folder at `path`, shared; `close` it as often as you opened it. FileNotFoundError: there is none."""
    with _opening:
        folder = _opened.get(path)
        if folder is None or folder.identity != _identity(path):
            folder = _opened[path] = Folder(path)
        folder.users += 1
        return folder


def _identity(path: str) -> tuple[int, int]:
    """What tells a directory from one that was made in its place. FileNotFoundError."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


class Folder:
    """See the package's docstring for the whole interface. users: how many opened it."""

    __slots__ = (
        "_keywords", "_list_lock", "_views", "directory", "flags", "identity", "index", "mutex", "users", "writable",
    )  # fmt: skip

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.identity = _identity(directory)
        self.mutex = RLock()
        self.users = 0
        self.writable = os.access(directory, os.W_OK | os.X_OK)
        self._list_lock = uidlist.locked(directory, kept=True)
        self.index = Index(directory, self._recover)
        self._keywords = Keywords(directory)
        self._keywords.refresh()
        self.flags = FlagText(self._keywords)
        self._views: list[View] = []

    # what is known

    @property
    def state(self) -> State:
        """The numbers of the whole folder."""
        return self.index.contents.state

    @property
    def table(self) -> Table:
        """The rows. Take it once per command."""
        return self.index.contents.table

    @property
    def uidvalidity(self) -> int:
        return self.state.uidvalidity

    @property
    def uidnext(self) -> int:
        return self.state.uidnext

    @property
    def highestmodseq(self) -> int:
        return self.state.highestmodseq

    @property
    def guid(self) -> str:
        """128 bits that name the folder wherever it is renamed to, in hexadecimal."""
        return self.state.guid.hex()

    @property
    def keywords(self) -> list[bytes]:
        """The keywords that have a letter."""
        return [name for name in self._keywords.names if name is not None]

    def row(self, uid: int) -> int | None:
        """Where a message stands in the columns of `table`."""
        return self.table.row(uid)

    def vanished(self, since_modseq: int, uids: Sequence[int]) -> list[int]:
        """Which of `uids` are expunged: after `since_modseq`, or all that are not here when that is not known any more.

        RFC 7162 3.2.6 allows to tell more than happened since.
        """
        gone = self.index.contents.history.since(since_modseq)
        if gone is not None:
            wanted = uids if isinstance(uids, range) else set(uids)
            return sorted(uid for uid in set(gone) if uid in wanted and self.table.row(uid) is None)
        here = set(self.table.uids)
        return [uid for uid in uids if uid not in here and uid < self.uidnext]

    # keeping up with the disk

    def stale(self) -> bool:
        """Something changed, or may have changed, on disk. A few calls of stat(2)."""
        state = self.state
        try:
            now = clock.now_ns()
            if state.must_list_new(scan.changed_at(f"{self.directory}/new"), now):
                return True
            if state.must_list_cur(scan.changed_at(f"{self.directory}/cur"), now):
                return True
            if not state.knows_list(os.stat(f"{self.directory}/{uidlist.NAME}")):
                return True
        except FileNotFoundError:
            return True
        return self.index.changed() or self._keywords.changed() or self.index.contents.before is not None

    def sync(self) -> None:
        """Find out what changed. FileNotFoundError: the folder was deleted. Temp: it is locked by another program."""
        with self.mutex:
            if _identity(self.directory) != self.identity:
                raise FileNotFoundError(f"{self.directory} was replaced by another folder")
            if not self.stale() and not (self.table.fresh and self._taker()):
                return
            first = not self.state.uidvalidity and os.path.exists(f"{self.directory}/courierimapkeywords")
            self._read_keywords()
            taker, top = self._taker(), self.state.top
            with self.index, heap.Uncollected():
                taken = sync.update(self, take=taker is not None)
                if first:
                    sync.import_courier_keywords(self)
            self.index.contents.reconcile()
            if self.state.top - top > _MANY:
                heap.give_back()
            if taker is not None:
                taker.recent.update(taken)

    def settle(self, changes: int) -> None:
        """After so many changes of our own, in a folder that takes long to list: see now that there were no others.

        Else who opens the folder next does. Waits until the tick of the clock is over. Errors of `sync`.
        """
        if self.state.costly_doubt:
            clock.sleep(GRAIN_NS / 1e9)
            if changes * _LARGE >= self.state.messages:
                self.state.cur_listed = 0  # so that it is due: a listing takes less than the changes did
            self.sync()

    def _taker(self) -> View | None:
        """The session to which messages out of new/ are \\Recent; RFC 3501 2.3.2 leaves open which."""
        if not self.writable:
            return None
        return next((view for view in self._views if not view.readonly), None)

    def _read_keywords(self) -> None:
        if self._keywords.refresh():
            self.flags.clear()

    def trim(self) -> None:
        """Drop from the lists of changes what every view has told; when nobody is writing."""
        contents = self.index.contents
        if len(contents.touched) + len(contents.gone) < _LONGEST_TOLD or not self.mutex.acquire(blocking=False):
            return
        try:
            gone = min((view.position[0] for view in self._views), default=len(contents.gone))
            touched = min((view.position[1] for view in self._views), default=len(contents.touched))
            contents.trim(gone, touched)
            for view in self._views:
                view.forget(gone, touched)
        finally:
            self.mutex.release()

    def forget(self) -> None:
        """The folder is another than the index knows (UIDVALIDITY changed): begin anew."""
        self.index.begin()

    def _recover(self, uids: array[int]) -> Detail:
        """Names and sizes from dovecot-uidlist, for a snapshot that was damaged; the next look finds the rest."""
        read = uidlist.read(self.directory)
        bases = {uid: base for base, uid in read[0].uids.items()} if read else {}
        detail = Detail()
        detail.recovered = True
        for uid in uids:
            base = bases.get(uid, b"")
            detail.add(names.sizes(os.fsdecode(base))[1] or 0, base)
        self.state.cur_changed = self.state.new_changed = 0
        return detail

    def commit(self, entries: Sequence[bytes]) -> None:
        """Write entries that change no file."""
        with self.mutex, self.index:
            self.index.commit(*entries)

    def commit_if_idle(self, entries: Sequence[bytes]) -> bool:
        """The same when nobody is writing; never waits, so that the event loop may call it."""
        if not self.mutex.acquire(blocking=False):
            return False
        try:
            self.index.wait_s = 0
            self.commit(entries)
            return True
        except Temp:
            return False
        finally:
            self.index.wait_s = WAIT_S
            self.mutex.release()

    def list_lock(self) -> dotlock.DotLock | uidlist.Unlocked:
        """Dovecot's lock of the list of UIDs; none where we cannot write."""
        return self._list_lock if self.writable else uidlist.Unlocked()

    # sessions

    def view(self, readonly: bool = False) -> View:
        """A session selects the folder; blocking. Errors of `sync`."""
        view = View(self, readonly)
        with self.mutex:
            if self.writable and not self._views:
                save.clean(self.directory)
            self._views.append(view)
            try:
                self.sync()
            except BaseException:
                self._views.remove(view)
                raise
            view.restart()
        return view

    def leave(self, view: View) -> None:
        """A session deselects it."""
        with self.mutex:
            if view in self._views:
                self._views.remove(view)

    def close(self) -> None:
        """One user less; with the last the memory is given back."""
        with _opening:
            self.users -= 1
            if self.users == 0:
                if _opened.get(self.directory) is self:
                    del _opened[self.directory]
                self.index.close()
                self._list_lock.close()

    # flags

    def mask(self, flags: Iterable[bytes], create: bool = True) -> int:
        """Flags and keywords as bits. keywords.Full, ValueError: a keyword that cannot be defined; Temp: locked."""
        bits, unknown = 0, []
        for flag in flags:
            bit = marks.BIT_OF_FLAG.get(flag.lower()) or self._keywords.bit(flag)
            if bit is not None:
                bits |= bit
            elif not flag.startswith(b"\\"):
                unknown.append(flag)
        return bits | self._define(unknown) if create and unknown else bits

    def _define(self, unknown: Iterable[bytes]) -> int:
        with self.mutex, self.list_lock():
            self._read_keywords()
            known = len(self.keywords)
            bits = self._keywords.define(unknown)
            if len(self.keywords) != known:
                self.flags.clear()
        return bits

    def store(self, uids: Iterable[int], add: int = 0, remove: int = 0, unchanged_since: int | None = None) -> Stored:
        """Change flags: bits of `remove` off, then bits of `add` on. OSError: the file system refuses.

        At most some thousand messages at a time where others wait for the folder: a rename each.
        """
        return change.store(self, uids, add, remove, unchanged_since)

    def expunge(self, uids: Iterable[int], having: int = 0) -> list[int]:
        """Remove messages; the UIDs that are gone now. OSError: the file system refuses.

        having: bits of flags; who has lost one of them by now stays.
        """
        return change.expunge(self, uids, having)

    def own_change(self) -> OwnChange:
        """Around renames and unlinks of our own, so that they do not make us list the directories again."""
        return change.OwnChange(self.directory, self.state)

    # files

    def row_path(self, row: int) -> str:
        """Where the file of a row is, as far as we know."""
        table = self.table
        where, base = table.where[row], table.detail.base(row)
        if where & ODD:
            base = table.odd.get(table.uids[row], base)
        elif not where & NEW:
            base += marks.SUFFIX[table.marks[row]]
        return f"{self.directory}/{'new' if where & NEW else 'cur'}/{os.fsdecode(base)}"

    def path(self, uid: int) -> str:
        """Where a message is, looked for when it is not where it was. FileNotFoundError: it is gone."""
        row = self.row(uid)
        if row is None:
            raise FileNotFoundError(uid)
        path = self.row_path(row)
        if os.path.lexists(path):
            return path
        found = self.locate(self.table.detail.base(row))
        if found is None:
            raise FileNotFoundError(path)
        return found

    def locate(self, base: bytes) -> str | None:
        """The file of a base, wherever another program moved it; the next `sync` looks for everything."""
        self.state.cur_changed = 0
        for place in ("cur", "new"):
            for name in os.listdir(os.fsencode(f"{self.directory}/{place}")):
                if name.startswith(base) and name.partition(b":")[0] == base:
                    return f"{self.directory}/{place}/{os.fsdecode(name)}"
        return None

    def open_file(self, uid: int) -> int:
        """A descriptor for reading a message, which never waits (a FIFO in its place). OSError."""
        row = self.row(uid)
        if row is None:
            raise FileNotFoundError(uid)
        try:
            return os.open(self.row_path(row), ahead.FLAGS)
        except FileNotFoundError:
            return os.open(self.path(uid), ahead.FLAGS)

    def read(self, uid: int) -> bytes:
        """The octets of a message, as they are on disk. OSError."""
        return reading.content(self, uid)[0]

    def received(self, uid: int) -> int:
        """INTERNALDATE: seconds since 1970. OSError."""
        return int(os.stat(self.path(uid)).st_mtime)

    def size(self, uid: int) -> int:
        """RFC822.SIZE: octets with CRLF line ends. OSError: the file had to be read and cannot be."""
        row = self.row(uid)
        if row is None:
            raise FileNotFoundError(uid)
        if self.table.detail.sizes[row]:
            return self.table.detail.sizes[row]
        size = reading.wire_size(self.read(uid))
        if size:
            self.commit_if_idle([journal.sized([(uid, size)])])
        return size

    def parts(
        self, table: Table, rows: Iterable[int], kinds: Sequence[int], build: Build, also: Sequence[int] = ()
    ) -> list[bytes | None]:
        """Cached pieces of rows of `table`, joined per message; see `pieces` and the package's docstring."""
        return pieces.read(self, table, rows, kinds, build, also)

    def having(
        self, table: Table, rows: Sequence[int], kind: int, needle: bytes, build: Build
    ) -> list[tuple[int, bytes]]:
        """(row, piece) of those of ascending rows whose piece of one kind contains these octets: faster than `parts`
        where few do."""
        return pieces.having(self, table, rows, kind, needle, build)

    # messages that come in: `transfer`

    async def append(
        self, messages: Sequence[tuple[Delivery, int, float | None]], offload: Callable[..., object] | None = None
    ) -> list[int]:
        """Take in deliveries (delivery, marks, internaldate or None); their UIDs. All or none; durable on return."""
        from mailkit.maildir import transfer

        return await transfer.append(self, messages, offload)

    async def copy(
        self, uids: Sequence[int], target: Folder, offload: Callable[..., object] | None = None, keep: int = marks.ALL
    ) -> tuple[list[int], list[int]]:
        """Copy messages with their flags; (UIDs here, UIDs there) of those that were still here. All or none.

        keep: bits of flags that they have in the target too.
        """
        from mailkit.maildir import transfer

        return await transfer.copy(self, uids, target, offload, keep)

    async def move(
        self, uids: Sequence[int], target: Folder, offload: Callable[..., object] | None = None, keep: int = marks.ALL
    ) -> tuple[list[int], list[int]]:
        """Move messages (RFC 6851): each is in exactly one of the folders at any time. keep: as in `copy`.

        OSError: none has moved, but after `transfer.Unconfirmed` all have.
        """
        from mailkit.maildir import transfer

        return await transfer.move(self, uids, target, offload, keep)


def status(path: str) -> State:
    """The numbers of a folder as it is now; from the end of its log where nothing changed since. Errors of `sync`."""
    state = _last_state(path)
    if state is not None:
        return state
    folder = open(path)
    try:
        folder.sync()
        return State.unpack(folder.state.pack())
    finally:
        folder.close()


def _last_state(path: str) -> State | None:
    """What the log says, if the directories are still as it says."""
    try:
        state = last_state(path)
        if state is None or not state.knows_list(os.stat(f"{path}/{uidlist.NAME}")):
            return None
        now = clock.now_ns()
        if state.must_list_new(scan.changed_at(f"{path}/new"), now):
            return None
        return None if state.must_list_cur(scan.changed_at(f"{path}/cur"), now) else state
    except (OSError, ValueError):
        return None
