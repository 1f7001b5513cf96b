"""Looking at cur/ and new/, and what differs from the rows we have. Reads directories; changes nothing.

new/ is listed before cur/: a message another program moves in between is then seen twice, not missed. A name that is
missing may be one that was renamed while the directory was read; it is only believed gone when a second listing misses
it too, or when the directory had not changed for longer than the clock's grain.
"""

from __future__ import annotations

import os
import stat

from mailkit import clock
from mailkit.maildir import marks
from mailkit.maildir.state import CUR, NEW, settled
from mailkit.maildir.table import NEW as IN_NEW
from mailkit.maildir.table import ODD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.maildir.state import State
    from mailkit.maildir.table import Table

_BASE_LONGEST = 255  # its length is one octet in the index


def changed_at(path: str) -> int:
    """When a directory changed last: its ctime, which unlike the mtime no rsync or tar sets back."""
    return os.stat(path).st_ctime_ns


class Place:
    """One directory as it was seen: names None when it did not have to be listed."""

    __slots__ = ("changed", "cost", "looked", "names", "path", "plain", "racy")

    def __init__(self, path: str) -> None:
        """OSError: FileNotFoundError when it is missing."""
        self.path = path
        status = os.stat(path)
        self.changed = status.st_ctime_ns
        self.plain = status.st_nlink == 2  # no directories inside, on file systems that count so
        self.names: set[bytes] | None = None
        self.looked = self.cost = 0
        self.racy = False

    def list(self) -> None:
        """Read the names."""
        self.looked = clock.now_ns()
        self.names = _names(self.path)
        self.cost = clock.now_ns() - self.looked
        self.racy = changed_at(self.path) != self.changed or not settled(self.changed, self.looked)

    def list_again(self) -> None:
        """A second listing, added to the first: nothing that was only renamed meanwhile is missing from both."""
        assert self.names is not None
        self.names |= _names(self.path)

    def is_message(self, name: bytes) -> bool:
        """A file that nobody removed meanwhile, not a directory. Asked only where directories are possible."""
        try:
            return not stat.S_ISDIR(os.stat(os.fsencode(self.path) + b"/" + name).st_mode)
        except OSError:
            return False


def _names(path: str) -> set[bytes]:
    """The names in a directory; those that begin with a dot are no messages."""
    names = set(os.listdir(os.fsencode(path)))
    if b"\0." in b"\0".join((b"", *names)):
        names = {name for name in names if name[:1] != b"."}
    return names


class Look:
    """Both directories, listed as far as the state says they must be."""

    __slots__ = ("cur", "new")

    def __init__(self, directory: str, state: State, everything: bool = False) -> None:
        self.new = Place(f"{directory}/new")
        self.cur = Place(f"{directory}/cur")
        now = clock.now_ns()
        if everything or state.must_list_new(self.new.changed, now):
            self.new.list()
        if everything or state.must_list_cur(self.cur.changed, now):
            self.cur.list()

    @property
    def nothing(self) -> bool:
        """Neither had to be listed."""
        return self.new.names is None and self.cur.names is None

    def note(self, state: State) -> None:
        """Remember what was seen."""
        if self.cur.names is not None:
            state.cur_changed, state.cur_listed, state.cur_cost = self.cur.changed, self.cur.looked, self.cur.cost
            state.dirty = state.dirty & ~CUR | CUR * self.cur.racy
        if self.new.names is not None:
            state.new_changed, state.new_listed, state.new_cost = self.new.changed, self.new.looked, self.new.cost
            state.dirty = state.dirty & ~NEW | NEW * self.new.racy


class Stranger:
    """A file that is no row yet. fresh: in new/; where: the bits of `table.Table.where`."""

    __slots__ = ("base", "fresh", "marks", "name", "odd", "where")

    def __init__(self, name: bytes, fresh: bool) -> None:
        self.name = name
        self.base, self.marks, self.odd = marks.parse(name)
        self.fresh = fresh
        if fresh:
            self.odd = self.base != name
        self.where = (IN_NEW if fresh else 0) | (ODD if self.odd else 0)


class Difference:
    """What the directories say against the rows.

    moved: (row, Stranger) whose file has another name or place; vanished: rows without a file; strangers: files
    without a row; doubles: files whose base another file has too.
    """

    __slots__ = ("doubles", "moved", "strangers", "vanished")

    def __init__(self) -> None:
        self.moved: list[tuple[int, Stranger]] = []
        self.vanished: list[int] = []
        self.strangers: list[Stranger] = []
        self.doubles: list[Stranger] = []


def compare(table: Table, look: Look) -> Difference:
    """The difference, as far as the directories were listed."""
    rows = _Rows(table, look)
    missing = rows.missing()
    if missing and look.cur.names is None:
        look.cur.list()  # what left new/ went to cur/, or is gone
        rows = _Rows(table, look)
        missing = rows.missing()
    found = _match(table, missing, rows.strangers(), look.cur.names is not None)
    if found.vanished and (look.cur.racy or look.new.racy):
        for place in (look.new, look.cur):
            if place.names is not None:
                place.list_again()
        found = _match(table, rows.missing(), rows.strangers(), look.cur.names is not None)
    return found


class _Rows:
    """The file names we expect in each directory that was listed."""

    __slots__ = ("cur", "look", "new")

    def __init__(self, table: Table, look: Look) -> None:
        self.look = look
        self.cur: dict[bytes, int] = {}
        self.new: dict[bytes, int] = {}
        if look.cur.names is None and not table.fresh:
            return
        suffix, bases = marks.SUFFIX, table.detail.bases()
        if not table.fresh and not table.odd:
            expected = [base + suffix[mark] for base, mark in zip(bases, table.marks, strict=False)]
            self.cur = dict(zip(expected, range(len(expected)), strict=True))
            return
        odd, uids = table.odd, table.uids
        for row, (base, mark, where) in enumerate(zip(bases, table.marks, table.where, strict=False)):
            if where & ODD and uids[row] in odd:
                name = odd[uids[row]]
            else:
                name = base if where & IN_NEW else base + suffix[mark]
            if where & IN_NEW:
                self.new[name] = row
            else:
                self.cur[name] = row

    def _places(self) -> tuple[tuple[Place, dict[bytes, int], bool], ...]:
        return (self.look.cur, self.cur, False), (self.look.new, self.new, True)

    def missing(self) -> list[int]:
        """Rows whose file is not where it was."""
        gone = []
        for place, known, _ in self._places():
            if place.names is not None and known:
                gone += [known[name] for name in known.keys() - place.names]
        return gone

    def strangers(self) -> list[Stranger]:
        """Files that are not as any row says; those of cur/ first."""
        found = []
        for place, known, fresh in self._places():
            if place.names is not None:
                strange = place.names.difference(known)
                found += [Stranger(name, fresh) for name in strange if place.plain or place.is_message(name)]
        return found


def _listable(base: bytes) -> bool:
    """It can stand in dovecot-uidlist and in the index."""
    return 0 < len(base) <= _BASE_LONGEST and b"\n" not in base and b"\r" not in base


def _all_new(strangers: list[Stranger], seen: set[bytes]) -> bool:
    """Each is a message of its own, with a name that can be in the list: a folder that is seen for the first time."""
    bases = [one.base for one in strangers]
    different = set(bases)
    if len(different) < len(bases) or b"" in different or not seen.isdisjoint(different):
        return False
    whole = b"".join(bases)
    return b"\n" not in whole and b"\r" not in whole and max(map(len, bases), default=0) <= _BASE_LONGEST


def _match(table: Table, missing: list[int], strangers: list[Stranger], whole: bool) -> Difference:
    found = Difference()
    detail = table.detail
    lost = {detail.base(row): row for row in missing}
    seen: set[bytes] = set()
    if strangers and whole:  # else `sync` asks dovecot-uidlist whether their names are new
        seen.update(detail.bases())
        seen.difference_update(lost)
    if not lost and _all_new(strangers, seen):
        found.strangers = strangers
        return found
    for one in strangers:
        row = lost.pop(one.base, None)
        if row is not None:
            found.moved.append((row, one))
        elif one.base in seen or not _listable(one.base):
            found.doubles.append(one)
        else:
            found.strangers.append(one)
        seen.add(one.base)
    found.vanished = list(lost.values())
    return found
