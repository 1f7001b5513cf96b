"""Bringing a folder's rows up to date with its directories: new files get UIDs, moved ones their flags, lost ones go.

Order, with the index locked: look; compare; then, with dovecot-uidlist locked as well, learn what others wrote
there, give UIDs to strangers, fsync them; move what is in new/ to cur/ when a writing session is there to call it
\\Recent; at last write what happened to mailkit-log. A crash between any two leaves files whose UIDs are in the list,
or files without UIDs: both are what the next look finds anyway.

A UID is never given twice: it is taken from the list only for a file this index never had; a file that comes
back after it was reported gone gets a new one, and its old line is dropped (RFC 9051 2.3.1.1).
"""

from __future__ import annotations

import os

from mailkit import files, log
from mailkit.maildir import courier, journal, marks, names, save, scan, uidlist
from mailkit.maildir.table import NEW, ODD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailkit.maildir.folder import Folder
    from mailkit.maildir.scan import Difference, Look, Stranger

_FEW = 32


class Newcomer:
    """A file that gets a UID: base and marks as it will be known, `where` bits, wire size (0: unknown)."""

    __slots__ = ("base", "marks", "name", "size", "uid", "where")

    def __init__(self, base: bytes, mark: int, where: int = 0, name: bytes = b"", size: int = 0) -> None:
        self.base, self.marks, self.where, self.name = base, mark, where, name
        self.size = size or _wire_size(base)
        self.uid = 0


def _wire_size(base: bytes) -> int:
    """What `names.sizes` says, 0 for None; a folder that is adopted has 100,000 of them."""
    if b",W=" not in base:
        return 0
    _, found, rest = base.rpartition(b",W=")
    digits = rest.partition(b",")[0]
    if found and digits.isdigit() and len(digits) <= 18:
        return int(digits)
    return names.sizes(os.fsdecode(base))[1] or 0


def update(folder: Folder, take: bool) -> list[int]:
    """Do it all; the UIDs that were moved out of new/ when `take`. The folder's mutex and index are held.

    FileNotFoundError: the folder is gone. Temp: another program keeps dovecot-uidlist locked.
    """
    look = _look(folder)
    list_changed = not knows_list(folder)
    contents = folder.index.contents
    if look.nothing and not list_changed and contents.before is None and not (take and folder.table.fresh):
        return []
    difference = scan.compare(folder.table, look)
    if difference.strangers and look.cur.names is None and _returned(folder, difference):
        look.cur.list()
        difference = scan.compare(folder.table, look)
    _rename_doubles(folder, difference)
    if list_changed or difference.strangers or contents.risen():
        _with_list(folder, look, difference)
    else:
        _record(folder, look, difference, [])
    return _take(folder) if take and folder.table.fresh else []


def _look(folder: Folder) -> Look:
    try:
        return scan.Look(folder.directory, folder.state)
    except FileNotFoundError:
        os.stat(folder.directory)
        log.event("folder", verdict="repaired", path=folder.directory)
        save.make_directories(folder.directory, os.path.exists(f"{folder.directory}/maildirfolder"))
        return scan.Look(folder.directory, folder.state, everything=True)


def knows_list(folder: Folder) -> bool:
    """dovecot-uidlist is as the index knows it."""
    status = _list_status(folder.directory)
    return status is not None and folder.state.knows_list(status)


def _list_status(directory: str) -> os.stat_result | None:
    try:
        return os.stat(f"{directory}/{uidlist.NAME}")
    except FileNotFoundError:
        return None


def _returned(folder: Folder, difference: Difference) -> bool:
    """Files in new/ with a base the list has already: back from somewhere, or also in cur/."""
    if len(difference.strangers) > _FEW:
        return True
    return bool(uidlist.contains(folder.directory, [one.base for one in difference.strangers]))


def _rename_doubles(folder: Folder, difference: Difference) -> None:
    """Give files that cannot keep their name another; a second link to a message we have is removed."""
    for one in difference.doubles:
        place = "new" if one.fresh else "cur"
        path = f"{folder.directory}/{place}/{os.fsdecode(one.name)}"
        base = os.fsencode(names.unique())
        try:
            if _is_link(folder, one, path):
                files.unlink(path)
                continue
            name = base if one.fresh else base + marks.SUFFIX[one.marks]
            files.rename(path, f"{folder.directory}/{place}/{os.fsdecode(name)}")
        except OSError as error:
            log.event("folder", verdict="skipped", path=path, error=error.strerror)
            continue
        log.event("folder", verdict="renamed", path=path, to=name)
        difference.strangers.append(scan.Stranger(name, one.fresh))


def _is_link(folder: Folder, one: Stranger, path: str) -> bool:
    """The file is the one in cur/ under another name: a mover died between link and unlink."""
    detail = folder.table.detail
    for row, base in enumerate(detail.bases()) if one.base else ():
        if base == one.base:
            try:
                return os.path.samefile(path, folder.row_path(row))
            except OSError:
                return False
    return False


def _with_list(folder: Folder, look: Look, difference: Difference) -> None:
    """Settle with the list locked. Where the disk is full, go on without the new messages: people must be able to open
    their folder to delete something."""
    try:
        with folder.list_lock():
            _settle(folder, look, difference)
    except OSError as error:
        if not files.full(error) or not folder.state.uidvalidity:
            raise
        log.event("uidlist", verdict="skipped", path=folder.directory, error=error.strerror)
        _record(folder, look, difference, [])
        folder.state.cur_changed = folder.state.new_changed = 0


def _settle(folder: Folder, look: Look, difference: Difference) -> None:
    """With the list locked: learn from it, write it, record."""
    table = folder.table
    listing, dropped = learn(folder)
    dropped += folder.index.contents.risen()
    if dropped or folder.table is not table:
        look = scan.Look(folder.directory, folder.state, everything=True)
        difference = scan.compare(folder.table, look)
        _drop(folder, difference, dropped)
    newcomers = [Newcomer(one.base, one.marks, one.where, one.name) for one in difference.strangers]
    assign(folder, newcomers, listing, checked=look.cur.names is None)
    settle_list(folder, newcomers)
    _record(folder, look, difference, newcomers)


def _drop(folder: Folder, difference: Difference, uids: Sequence[int]) -> None:
    """These UIDs are no more: the rows go, their files are strangers."""
    moved = dict(difference.moved)
    for uid in uids:
        row = folder.table.row(uid)
        if row is None or row in difference.vanished:
            continue
        again = moved.pop(row, None)
        if again is None:
            name = os.fsencode(os.path.basename(folder.row_path(row)))
            again = scan.Stranger(name, bool(folder.table.where[row] & NEW))
        difference.strangers.append(again)
        difference.vanished.append(row)
    difference.moved = list(moved.items())


def learn(folder: Folder) -> tuple[uidlist.Listing, list[int]]:
    """What the list says that the index does not know, and the UIDs of rows the list takes away. The list is locked.

    The listing has at least header and what is new; when it is not `sound` it must be replaced.
    """
    state, directory = folder.state, folder.directory
    status = _list_status(directory)
    if status is None:
        return _without_list(folder), []
    if state.uidvalidity and state.knows_list(status):
        return _known_list(folder), []
    if state.uidvalidity and status.st_ino == state.list_inode and status.st_size >= state.list_octets:
        tail = uidlist.read_tail(directory, state.list_octets, state.uidnext - 1)
        if tail is not None:
            listing = tail[0]
            listing.uidvalidity, listing.guid = state.uidvalidity, state.guid
            listing.lines += state.list_lines
            return listing, []
    read = uidlist.read(directory)
    if read is None:
        return _without_list(folder), []
    return _whole_list(folder, read[0])


def _known_list(folder: Folder) -> uidlist.Listing:
    """The listing of which nothing is new."""
    state, listing = folder.state, uidlist.Listing()
    listing.version, listing.uidvalidity, listing.guid = 3, state.uidvalidity, state.guid
    listing.lines, listing.uidnext = state.list_lines, state.uidnext
    return listing


def _whole_list(folder: Folder, listing: uidlist.Listing) -> tuple[uidlist.Listing, list[int]]:
    state = folder.state
    if listing.uidnext > uidlist.EXHAUSTED:
        log.event("uidlist", verdict="exhausted", path=folder.directory, uidnext=listing.uidnext)
        folder.forget()
        listing, last = uidlist.fresh(folder.directory), listing.uidvalidity
        listing.uidvalidity, listing.version = max(listing.uidvalidity, last + 1), 0
        return listing, []
    if not listing.uidvalidity:  # the header is lost: ours is as good, or it is a new folder to everybody
        listing.uidvalidity = state.uidvalidity or uidlist.fresh(folder.directory).uidvalidity
    if len(listing.guid) != 16:
        listing.guid = state.guid if any(state.guid) else uidlist.fresh(folder.directory).guid
    if state.uidvalidity and listing.uidvalidity != state.uidvalidity:
        log.event("folder", verdict="uidvalidity", path=folder.directory, old=state.uidvalidity)
        folder.forget()
        return listing, []
    if listing.damaged:
        return listing, []
    rows = zip(folder.table.uids, folder.table.detail.bases(), strict=True)
    return listing, [uid for uid, base in rows if listing.uids.get(base) != uid]


def _without_list(folder: Folder) -> uidlist.Listing:
    """A folder without dovecot-uidlist: ours to write from what we know, from Courier's, or a new one."""
    state = folder.state
    listing = uidlist.fresh(folder.directory)
    if state.uidvalidity:
        log.event("uidlist", verdict="missing", path=folder.directory)
        listing.uidvalidity, listing.guid = state.uidvalidity, state.guid
        listing.uidnext = state.uidnext
    elif old := courier.uids(folder.directory):
        log.event("uidlist", verdict="courier", path=folder.directory, lines=old.lines)
        old.guid = listing.guid
        listing = old
        listing.damaged = 0
    listing.version = 0
    return listing


def assign(folder: Folder, newcomers: list[Newcomer], listing: uidlist.Listing, checked: bool) -> None:
    """Give each its UID, from the list where it is a new line there, and write the list; the caller makes it durable
    (`settle_list`) before anybody learns of a UID. Sorted by UID after.

    checked: it is known that no old line of the list has one of these bases.
    """
    state = folder.state
    rewrite = not listing.sound
    uidnext = max(state.uidnext, listing.uidnext, state.top + 1)
    old = listing.uids if checked or not state.top else {**_old_lines(folder, newcomers), **listing.uids}
    unknown = []
    for one in newcomers:
        uid = old.get(one.base, 0)
        if uid > state.top:
            one.uid = uid
            one.size = one.size or listing.wire_sizes.get(uid, 0)
        else:
            rewrite = rewrite or uid > 0
            unknown.append(one)
    unknown.sort(key=lambda one: names.age(os.fsdecode(one.base)))
    for one in unknown:
        one.uid, uidnext = uidnext, uidnext + 1
    newcomers.sort(key=lambda one: one.uid)
    _write_list(folder, listing, newcomers, unknown, uidnext, rewrite)


def settle_list(folder: Folder, newcomers: Sequence[Newcomer]) -> None:
    """Make the UIDs that were given durable."""
    if newcomers and folder.writable:
        uidlist.sync(folder.directory)


def _old_lines(folder: Folder, newcomers: Sequence[Newcomer]) -> dict[bytes, int]:
    """Lines the list has for these since long: of messages that come back, or that another program announced."""
    bases = [one.base for one in newcomers]
    if len(bases) <= _FEW and not uidlist.contains(folder.directory, bases):
        return {}
    read = uidlist.read(folder.directory)
    return {base: read[0].uids[base] for base in bases if base in read[0].uids} if read else {}


def _write_list(
    folder: Folder,
    listing: uidlist.Listing,
    newcomers: list[Newcomer],
    unknown: list[Newcomer],
    uidnext: int,
    rewrite: bool,
) -> None:
    state, directory, table = folder.state, folder.directory, folder.table
    lines = listing.lines + len(unknown)
    if not folder.writable:
        log.event("uidlist", verdict="memory", path=directory)
        status = _list_status(directory)
    elif rewrite or uidlist.crowded(lines, len(table) + len(newcomers)):
        rows = [*zip(table.uids, table.detail.bases(), strict=True), *((one.uid, one.base) for one in newcomers)]
        lines, listing.uidnext = len(rows), uidnext
        status = uidlist.replace(directory, listing, rows)
    elif unknown:
        status = uidlist.append(directory, [(one.uid, one.base) for one in unknown])
    else:
        status = _list_status(directory)
    state.uidvalidity, state.guid, state.uidnext = listing.uidvalidity, listing.guid, uidnext
    if status is not None:
        state.saw_list(status, lines)


def _record(folder: Folder, look: Look, difference: Difference, newcomers: list[Newcomer]) -> None:
    """Write what happened to the index, as one change."""
    table, modseq = folder.table, folder.index.next_modseq()
    look.note(folder.state)
    entries = []
    strange = [(table.uids[row], one.name) for row, one in difference.moved if one.odd]
    changed = [(table.uids[row], one.marks, one.where) for row, one in difference.moved]
    if changed:
        entries.append(journal.marked(modseq, changed))
    if difference.vanished:
        uids = sorted({table.uids[row] for row in difference.vanished})
        entries.append(journal.gone(uids, [modseq] * len(uids)))
    if newcomers:
        entries.append(added(newcomers, modseq))
    strange += [(one.uid, one.name) for one in newcomers if one.where & ODD]
    if strange:
        entries.append(journal.odd(strange))
    folder.index.commit(*entries)


def added(newcomers: Sequence[Newcomer], modseq: int) -> bytes:
    """The entry for new rows."""
    return journal.added(
        [one.uid for one in newcomers],
        [one.marks for one in newcomers],
        [modseq] * len(newcomers),
        bytes([one.where for one in newcomers]),
        [one.size for one in newcomers],
        [one.base for one in newcomers],
    )


def _take(folder: Folder) -> list[int]:
    """Move everything from new/ to cur/, where it gets its ":2,"; the UIDs moved."""
    table, taken, changed = folder.table, [], []
    with folder.own_change():
        for row, where in enumerate(table.where):
            if not where & NEW:
                continue
            uid, mark, base = table.uids[row], table.marks[row], table.detail.base(row)
            target = f"{folder.directory}/cur/{os.fsdecode(base + marks.SUFFIX[mark])}"
            try:
                files.rename(folder.row_path(row), target)
            except FileNotFoundError:
                continue  # another program was faster: the next look finds it
            except OSError as error:
                log.event("folder", verdict="skipped", path=target, error=error.strerror)
                break
            taken.append(uid)
            changed.append((uid, mark, 0))
    if changed:
        folder.index.commit(journal.marked(folder.index.next_modseq(), changed))
    return taken


def import_courier_keywords(folder: Folder) -> None:
    """Give messages the keywords Courier had for them; once, when its list of UIDs is taken over."""
    found = courier.keywords(folder.directory)
    if not found:
        return
    table = folder.table
    wanted = [(uid, found[base]) for uid, base in zip(table.uids, table.detail.bases(), strict=True) if base in found]
    for uid, keywords in wanted:
        try:
            folder.store([uid], add=folder.mask(keywords))
        except ValueError as error:
            log.event("keywords", verdict="skipped", path=folder.directory, uid=uid, error=str(error))
