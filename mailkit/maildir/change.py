"""Our own changes of messages: flags are renames, an expunge is an unlink.

The files are changed first, then mailkit-log is written: a crash in between leaves what the next look at the directory
finds. A file that another program moved is looked for once more before it counts as gone.
"""

from __future__ import annotations

import os

from mailkit import files
from mailkit.maildir import journal, marks, scan
from mailkit.maildir.state import CUR, State
from mailkit.maildir.state import NEW as NEW_DIRTY
from mailkit.maildir.table import NEW, ODD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from mailkit.maildir.folder import Folder

_ALL = 0xFFFF_FFFF


class Stored:
    """What became of a STORE: UIDs whose flags are as wanted, those refused by UNCHANGEDSINCE, those gone."""

    __slots__ = ("changed", "missing", "refused")

    def __init__(self) -> None:
        self.changed: list[int] = []
        self.refused: list[int] = []
        self.missing: list[int] = []


class OwnChange:
    """Our own change of cur/ and new/: afterwards their times are known, though not for sure to be ours alone."""

    __slots__ = ("_before", "_directory", "_state")

    def __init__(self, directory: str, state: State) -> None:
        self._directory, self._state = directory, state
        self._before = (0, 0)

    def __enter__(self) -> OwnChange:
        self._before = self._times()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        state, (cur, new) = self._state, self._times()
        if self._before[0] == state.cur_changed != cur:
            state.cur_changed, state.dirty = cur, state.dirty | CUR
        if self._before[1] == state.new_changed != new:
            state.new_changed, state.dirty = new, state.dirty | NEW_DIRTY

    def _times(self) -> tuple[int, int]:
        try:
            return scan.changed_at(f"{self._directory}/cur"), scan.changed_at(f"{self._directory}/new")
        except FileNotFoundError:
            return 0, 0


def store(folder: Folder, uids: Iterable[int], add: int, remove: int, unchanged_since: int | None) -> Stored:
    """See `folder.Folder.store`."""
    stored, wanted = Stored(), list(uids)
    changes: list[tuple[int, int, int]] = []
    odd: list[tuple[int, bytes]] = []
    remove &= ~marks.PASSED
    with folder.mutex, folder.index:
        table = folder.table
        try:
            with folder.own_change(), files.Directory(f"{folder.directory}/cur") as cur:
                for uid, row in zip(wanted, table.rows(wanted), strict=True):
                    if row is None:
                        stored.missing.append(uid)
                    elif unchanged_since is not None and table.modseqs[row] > unchanged_since:
                        stored.refused.append(uid)
                    else:
                        change = _rename(folder, cur, row, add, remove, odd)
                        (stored.missing if change is None else stored.changed).append(uid)
                        if change:
                            changes.append((uid, *change))
        finally:
            if changes:
                entries = [journal.marked(folder.index.next_modseq(), changes)]
                folder.index.commit(*entries, *([journal.odd(odd)] if odd else []))
    return stored


def _rename(
    folder: Folder, cur: files.Directory, row: int, add: int, remove: int, odd: list[tuple[int, bytes]]
) -> tuple[int, int] | tuple[()] | None:
    """Give a message its new flags: (marks, where), () when it has them already, None when it is gone."""
    table = folder.table
    where, old, base = table.where[row], table.marks[row], table.detail.base(row)
    new = (old & ~remove | add) & _ALL
    if where:
        return _rename_other(folder, row, add, remove, odd)
    if new == old:
        return ()
    try:
        cur.rename(base + marks.SUFFIX[old], base + marks.SUFFIX[new])
    except FileNotFoundError:
        return _rename_lost(folder, row, add, remove, odd)
    return new, 0


def _rename_other(
    folder: Folder, row: int, add: int, remove: int, odd: list[tuple[int, bytes]]
) -> tuple[int, int] | tuple[()] | None:
    """The same for a message in new/, or with an odd name."""
    table = folder.table
    uid, old, base = table.uids[row], table.marks[row], table.detail.base(row)
    new = (old & ~remove | add) & _ALL
    if new == old and not table.where[row] & NEW:
        return ()
    name = marks.renamed(table.odd[uid], new) if table.where[row] & ODD else base + marks.SUFFIX[new]
    try:
        files.rename(folder.row_path(row), f"{folder.directory}/cur/{os.fsdecode(name)}")
    except FileNotFoundError:
        return _rename_lost(folder, row, add, remove, odd)
    return _place(uid, base, name, new, odd)


def _rename_lost(
    folder: Folder, row: int, add: int, remove: int, odd: list[tuple[int, bytes]]
) -> tuple[int, int] | None:
    """The same for a message that another program moved: looked for once more."""
    base = folder.table.detail.base(row)
    found = folder.locate(base)
    if found is None:
        return None
    there = os.path.basename(os.fsencode(found))
    new = (marks.parse(there)[1] & ~remove | add) & _ALL
    name = marks.renamed(there, new)
    files.rename(found, f"{folder.directory}/cur/{os.fsdecode(name)}")
    return _place(folder.table.uids[row], base, name, new, odd)


def _place(uid: int, base: bytes, name: bytes, new: int, odd: list[tuple[int, bytes]]) -> tuple[int, int]:
    """(marks, where) of a message that is in cur/ under this name now."""
    if name == base + marks.SUFFIX[new]:
        return new, 0
    odd.append((uid, name))
    return new, ODD


def expunge(folder: Folder, uids: Iterable[int], having: int = 0) -> list[int]:
    """See `folder.Folder.expunge`."""
    gone: list[int] = []
    wanted = list(uids)
    with folder.mutex, folder.index:
        try:
            with folder.own_change(), files.Directory(f"{folder.directory}/cur") as cur:
                table = folder.table
                for uid, row in zip(wanted, table.rows(wanted), strict=True):
                    if row is not None and not having & ~table.marks[row] and _unlink(folder, cur, row, having):
                        gone.append(uid)
        finally:
            if gone:
                went(folder, gone)
    return gone


def number(folder: Folder) -> None:
    """The folder has a modseq of its own for a change that is of none of its messages."""
    with folder.mutex, folder.index:
        folder.state.highestmodseq = folder.index.next_modseq()
        folder.index.commit()


def went(folder: Folder, uids: Sequence[int]) -> None:
    """The files of these are not in the folder any more; mutex and index are held."""
    modseq = folder.index.next_modseq()
    folder.index.commit(journal.gone(sorted(uids), [modseq] * len(uids)))


def _unlink(folder: Folder, cur: files.Directory, row: int, having: int) -> bool:
    """Remove a file, unless another program has just taken one of the flags `having` off it; is it gone?"""
    table = folder.table
    try:
        if table.where[row]:
            files.unlink(folder.row_path(row))
        else:
            cur.unlink(table.detail.base(row) + marks.SUFFIX[table.marks[row]])
    except FileNotFoundError:
        found = folder.locate(table.detail.base(row))
        if found is not None:
            if having & ~marks.parse(os.path.basename(os.fsencode(found)))[1]:
                return False
            files.unlink(found)
    return True
