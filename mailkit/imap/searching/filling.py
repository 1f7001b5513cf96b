"""Filling the full-text index of the selected folder, while the client is silent.

A search that misses something in the index begins it (`begin`); from then on the session waits for its client with
`Filling.more`, which spends the waiting on slices of it, with pauses in between in which other sessions have the
processor. When the client speaks it waits for the rest of a slice at most. Of all sessions of a process one fills at a
time, so that memory stays bounded; a lock keeps other processes from doing the same work. Whatever fails here is logged
and forgotten.
"""

from __future__ import annotations

from array import array

from mailkit import clock, log
from mailkit.fulltext.draft import Draft
from mailkit.fulltext.store import Store
from mailkit.imap.searching import texts
from mailkit.maildir import ahead, heap
from mailkit.maildir.reading import Reading
from mailkit.net.conn import Timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from mailkit.imap.session import Session
    from mailkit.maildir.folder import Folder

LEAST = 200
"""So many messages are missing before a session begins; fewer are read faster than written."""
GONE = 4
"""One message in so many of the index is expunged."""
SLICE_S = 0.03
PAUSE_S = 0.03
WRITE_OCTETS = 1 << 20
"""Of text are written at once, so that little is lost when the client leaves."""


class Filling:
    """What is done and what is to do for one folder."""

    __slots__ = ("_alive", "_draft", "_files", "_folder", "_store", "_table", "_write_octets", "added", "left")

    _owner: Filling | None = None  # the one of this process

    def __init__(self, folder: Folder, write_octets: int = 0) -> None:
        self.added = self.left = 0  # messages
        self._folder = folder
        self._table = folder.table
        self._store = Store(folder.directory, folder.uidvalidity)
        self._draft = Draft()
        self._alive: set[int] = set()
        self._files: Generator[tuple[int, int | OSError]] | None = None  # by their rows in the table
        self._write_octets = write_octets or WRITE_OCTETS

    def advance(self, seconds: float) -> bool:
        """Work for about so long, blocking; False when there is nothing more to do. OSError."""
        if self._files is None and not self._begin():
            return False
        assert self._files is not None
        until = clock.monotonic() + seconds
        for row, fd in self._files:
            self._take(self._table.uids[row], fd)
            self.left -= 1
            if clock.monotonic() >= until:
                break
        if not self.left:
            self._write()
            heap.give_back()
        return self.left > 0

    @property
    def begun(self) -> bool:
        """It was us who filled it."""
        return self._files is not None

    def _begin(self) -> bool:
        """Find out what is missing. False: somebody else is at it."""
        if Filling._owner is not None:
            return False
        if not self._store.lock():
            return False
        Filling._owner = self
        self._table = self._folder.table
        self._alive = set(self._table.uids)
        self._store.tidy(self._alive)
        known = self._store.covered()
        rows = array("I", [row for row, uid in enumerate(self._table.uids) if uid not in known])
        self._files, self.left = ahead.opened(self._folder, self._table, rows), len(rows)
        return True

    def _take(self, uid: int, fd: int | OSError) -> None:
        try:
            data = read(fd)
        except FileNotFoundError:
            return
        except OSError:
            self._draft.add_unread(uid)
        else:
            self._draft.add(uid, *texts.both(data))
        self.added += 1
        if self._draft.octets >= self._write_octets or self._draft.full:
            self._write()

    def _write(self) -> None:
        if self._draft.uids:
            self._store.add(self._draft, self._alive)
            self._draft = Draft()

    async def more(self, state: Session, wake: bool = False) -> bytes | None:
        """What `conn.more` gives, filling until it comes."""
        while state.filling is self:
            try:
                return await self._heard(state, wake)
            except Timeout:
                await self._go_on(state)
        return await state.conn.more(wake)

    async def _heard(self, state: Session, wake: bool) -> bytes | None:
        """`conn.more`, with Timeout when nothing comes soon."""
        idle_s, state.conn.idle_s = state.conn.idle_s, PAUSE_S
        try:
            return await state.conn.more(wake)
        finally:
            state.conn.idle_s = idle_s

    async def _go_on(self, state: Session) -> None:
        """One slice."""
        try:
            if await state.conn.offload(self.advance, SLICE_S):
                return
        except OSError as error:
            log.event("fulltext", verdict="skipped", c=state.conn.id, error=str(error))
        self.close()
        state.filling = None

    def close(self) -> None:
        """Let others; what is not written yet is forgotten."""
        if Filling._owner is self:
            Filling._owner = None
        if self._files is not None:
            self._files.close()
        self._store.unlock()


def read(fd: int | OSError) -> bytes:
    """What is in an open file, which is closed. OSError."""
    with Reading(fd) as message:
        return message.data


def begin(state: Session, covered: set[int]) -> None:
    """The index of the selected folder has the messages `covered`: fill it, or thin it out, when that is worth it."""
    assert state.view is not None
    folder = state.view.folder
    known = len(covered.intersection(folder.table.uids))
    worth = len(folder.table.uids) - known >= LEAST or (len(covered) - known) * GONE > len(covered)
    if state.filling is None and folder.writable and worth:
        state.filling = Filling(folder)
