"""Messages that come into a folder with a UID to be told: APPEND, COPY, MOVE.

All are one thing: files that are already durable somewhere (in tmp/, or in another folder) get UIDs in dovecot-uidlist,
fsynced, then appear in cur/ under a new name by rename or link, then stand in the index; at last the directory is
fsynced and the client told. A crash in between leaves a UID without a file, which no client knows, or a file with the
UID it would have had. On an error nothing that was linked stays, not even when it is the last fsync that fails; only
what was moved cannot be taken back then.
"""

from __future__ import annotations

import errno
import os

from mailkit import files
from mailkit.maildir import change, marks, names, save, sync
from mailkit.maildir import folder as folders
from mailkit.maildir.sync import Newcomer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from mailkit.maildir.folder import Folder
    from mailkit.maildir.save import Delivery


class _Arrival:
    """A file at `source` that is to become a message; `keep` the source (link) or not (rename)."""

    __slots__ = ("keep", "newcomer", "source")

    def __init__(self, source: str, sizes: str, mark: int, keep: bool, size: int = 0) -> None:
        self.source, self.keep = source, keep
        self.newcomer = Newcomer(os.fsencode(names.unique() + sizes), mark, size=size)

    def target(self, folder: Folder) -> str:
        name = self.newcomer.base + marks.SUFFIX[self.newcomer.marks]
        return f"{folder.directory}/cur/{os.fsdecode(name)}"


async def append(
    folder: Folder, messages: Sequence[tuple[Delivery, int, float | None]], offload: Callable[..., object] | None
) -> list[int]:
    """See `folder.Folder.append`."""
    uids: list[int] = await _aside(offload, take_in, folder, messages)
    return uids


def take_in(folder: Folder, messages: Sequence[tuple[Delivery, int, float | None]]) -> list[int]:
    """The same, blocking. Three fsyncs, of which two find something to do: the message, then list and directory."""
    arrivals = []
    try:
        for delivery, mark, internaldate in messages:
            sizes = f",S={delivery.size},W={delivery.wire_size}"
            source = delivery.settle(internaldate)
            arrivals.append(_Arrival(source, sizes, mark, keep=False, size=delivery.wire_size))
        adopt(folder, arrivals)
    except BaseException:
        for delivery, _, _ in messages:
            delivery.abort()
        raise
    uids = [arrival.newcomer.uid for arrival in arrivals]
    try:
        files.sync_dir(f"{folder.directory}/cur")
    except OSError:
        folder.expunge(uids)
        raise
    return uids


def adopt(folder: Folder, arrivals: Sequence[_Arrival]) -> None:
    """Give them UIDs and let them appear; blocking. OSError, Temp: none of them did."""
    with folder.mutex, folder.index:
        if not sync.knows_list(folder):
            sync.update(folder, take=False)
        with folder.list_lock():
            listing, _ = sync.learn(folder)
            newcomers = [arrival.newcomer for arrival in arrivals]
            sync.assign(folder, newcomers, listing, checked=True)
            done: list[_Arrival] = []
            try:
                with folder.own_change():
                    for arrival in arrivals:
                        _appear(folder, arrival)
                        done.append(arrival)
                sync.settle_list(folder, newcomers)
            except OSError:
                _take_back(folder, done)
                raise
            folder.index.commit(sync.added(newcomers, folder.index.next_modseq()))


def _appear(folder: Folder, arrival: _Arrival) -> None:
    target = arrival.target(folder)
    if not arrival.keep:
        files.rename(arrival.source, target)
        return
    try:
        files.link(arrival.source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        _copy_file(folder, arrival, target)


def _copy_file(folder: Folder, arrival: _Arrival, target: str) -> None:
    """Where links are not to be had."""
    with save.Delivery(folder.directory) as delivery:
        fd = os.open(arrival.source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while data := os.read(fd, 1 << 18):
                delivery.write(data)
            delivery.publish_now(target, os.fstat(fd).st_mtime)
        finally:
            os.close(fd)


def _take_back(folder: Folder, done: Sequence[_Arrival]) -> None:
    for arrival in done:
        if arrival.keep:
            files.unlink(arrival.target(folder), missing_ok=True)
        else:
            files.rename(arrival.target(folder), arrival.source)


async def copy(
    source: Folder, uids: Sequence[int], target: Folder, offload: Callable[..., object] | None, keep: int
) -> tuple[list[int], list[int]]:
    """See `folder.Folder.copy`."""
    there, new = await _aside(offload, duplicate, source, uids, target, keep)
    try:
        if there:
            await files.settle([f"{target.directory}/cur"])
    except OSError:
        await _aside(offload, target.expunge, new)
        raise
    return there, new


class Unconfirmed(OSError):
    """All is done, but the disk does not say that it has it: a power failure may undo it. moved: UIDs there were, UIDs
    there are."""

    def __init__(self, error: OSError, moved: tuple[list[int], list[int]]) -> None:
        super().__init__(error.errno, error.strerror, error.filename)
        self.moved = moved


async def move(
    source: Folder, uids: Sequence[int], target: Folder, offload: Callable[..., object] | None, keep: int
) -> tuple[list[int], list[int]]:
    """See `folder.Folder.move`."""
    there, new = await _aside(offload, relocate, source, uids, target, keep)
    try:
        if there:
            await files.settle([f"{target.directory}/cur", f"{source.directory}/cur"])
    except OSError as error:
        raise Unconfirmed(error, (there, new)) from error
    return there, new


async def _aside(offload: Any, function: Callable[..., Any], *args: Any) -> Any:
    """Where the session lets blocking work be done: `conn.offload`, or here."""
    return function(*args) if offload is None else await offload(function, *args)


def duplicate(source: Folder, uids: Sequence[int], target: Folder, keep: int) -> tuple[list[int], list[int]]:
    """`copy` up to the fsync of the directory; blocking."""
    there, arrivals = _leaving(source, uids, target, keep, stays=True)
    if arrivals:
        adopt(target, arrivals)
    return there, [arrival.newcomer.uid for arrival in arrivals]


def relocate(
    source: Folder, uids: Sequence[int], target: Folder, keep: int = marks.ALL
) -> tuple[list[int], list[int]]:
    """`move` up to the fsync of the directories; blocking."""
    first, second = sorted((source, target), key=lambda folder: folder.directory)
    with first.mutex, second.mutex, first.index, second.index:
        there, arrivals = _leaving(source, uids, target, keep, stays=False)
        if arrivals:
            with source.own_change():
                adopt(target, arrivals)
            change.went(source, there)
    return there, [arrival.newcomer.uid for arrival in arrivals]


def empty_into(inbox: str, path: str) -> None:
    """RENAME of INBOX: all its messages move to the new folder at `path`, it stays. Errors of `sync`."""
    source, target = folders.open(inbox), folders.open(path)
    try:
        source.sync()
        target.sync()
        relocate(source, list(source.table.uids), target)
        files.sync_dir(f"{path}/cur")
    finally:
        source.close()
        target.close()


def _leaving(
    source: Folder, uids: Sequence[int], target: Folder, keep: int, stays: bool
) -> tuple[list[int], list[_Arrival]]:
    """Those of `uids` whose files are there, as arrivals with the target's flags, as far as they are kept."""
    translate = _Translation(source, target)
    there, arrivals = [], []
    for uid in uids:
        row = source.row(uid)
        if row is None:
            continue
        try:
            path = source.path(uid)
        except FileNotFoundError:
            continue
        table = source.table
        _, comma, sizes = os.fsdecode(table.detail.base(row)).partition(",")
        mark, size = translate(table.marks[row] & keep), table.detail.sizes[row]
        arrivals.append(_Arrival(path, comma + sizes, mark, stays, size))
        there.append(uid)
    return there, arrivals


class _Translation:
    """Flags of one folder as flags of another, whose keywords have other letters."""

    __slots__ = ("_known", "_source", "_target")

    def __init__(self, source: Folder, target: Folder) -> None:
        self._source, self._target = source, target
        self._known: dict[int, int] = {}

    def __call__(self, mark: int) -> int:
        if mark not in self._known:
            system = mark & (marks.SYSTEM | marks.PASSED)
            keywords = mark >> marks.FIRST_KEYWORD << marks.FIRST_KEYWORD
            self._known[mark] = system | (self._keywords(keywords) if keywords else 0)
        return self._known[mark]

    def _keywords(self, mark: int) -> int:
        """Keywords that find no letter any more are lost: better than no copy."""
        bits = 0
        for name in self._source.flags[mark].split():
            try:
                bits |= self._target.mask([name])
            except ValueError:
                continue
        return bits
