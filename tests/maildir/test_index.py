"""The cache: anything may be deleted, cut, overwritten or written by two; nobody gets a wrong answer from it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mailkit import files
from mailkit.maildir import contents, index, journal, logfile, marks, pieces, snapshot
from mailkit.maildir.contents import Contents
from mailkit.maildir.folder import Folder
from mailkit.maildir.reading import Reading
from tests.maildir import boxes


@pytest.fixture
def box(tmp_path: Path) -> str:
    directory = boxes.make(tmp_path / "Maildir")
    boxes.deliver(directory, 6)
    return directory


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots and new logs after every few changes."""
    monkeypatch.setattr(index, "_REPLAY", 10)
    monkeypatch.setattr(index, "_SMALL_LOG", 500)


def opened(directory: str) -> Folder:
    folder = boxes.alone(directory)
    folder.view().close()
    return folder


def parts(folder: Folder, kinds: tuple[int, ...] = (0, 1)) -> list[bytes | None]:
    return list(folder.parts(folder.table, range(len(folder.table)), kinds, boxes.build))


def never(message: Reading, made: list[bytes], kinds: Sequence[int]) -> None:
    raise AssertionError("made again what was kept")


def same(one: Folder, other: Folder) -> bool:
    """Both know the same messages, and the files are where they say."""
    return (
        boxes.flags_of(one) == boxes.flags_of(other)
        and list(one.table.modseqs) == list(other.table.modseqs)
        and [one.row_path(row) for row in range(len(one.table))] == [other.path(uid) for uid in other.table.uids]
    )


def busy(folder: Folder) -> None:
    """Some of everything."""
    uids = list(folder.table.uids)
    folder.store(uids[::2], add=marks.SEEN)
    folder.store(uids[1:2], add=folder.mask([b"$Junk"]))
    parts(folder)
    boxes.append(folder, 2, marks.FLAGGED)
    folder.expunge(uids[3:5])
    parts(folder)


def test_pieces_are_kept_and_joined(box: str) -> None:
    folder = opened(box)
    size = folder.table.detail.sizes[0] - 4  # four lines
    assert parts(folder, (0, 1))[0] == b" K0 %d K1 %d" % (size, size)
    again = boxes.alone(box)
    for kinds in ((0, 1), (0,), (2, 3, 4), (0, 2), (1, 4, 6), (7,)):
        made = [b"".join([boxes.made_of(again.read(uid))[kind] for kind in kinds]) for uid in again.table.uids]
        assert list(again.parts(again.table, range(6), kinds, never)) == made


def test_pieces_of_rows_that_are_gone(box: str) -> None:
    folder = opened(box)
    parts(folder)
    assert list(folder.parts(folder.table, [-1, 0, -1], (0,), never))[::2] == [None, None]


def test_an_old_table_keeps_its_pieces(box: str, small: None) -> None:
    folder = opened(box)
    made = parts(folder)
    table = folder.table
    for _ in range(10):
        busy(folder)
    assert folder.table is not table
    assert list(folder.parts(table, range(6), (0, 1), never)) == made


def test_too_large_pieces_are_made_each_time(box: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECES_MOST_OCTETS", 10)
    folder = opened(box)
    assert parts(folder) == parts(folder)
    assert not any(folder.table.detail.made)


def test_pieces_of_another_edition_are_not_used(box: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts(opened(box))
    monkeypatch.setattr(logfile, "EDITION", 77)
    again = opened(box)
    with pytest.raises(AssertionError, match="made again"):
        list(again.parts(again.table, range(6), (0,), never))


def test_what_one_process_wrote_another_knows(box: str, small: None) -> None:
    one, other = opened(box), opened(box)
    view = other.view()
    for _ in range(8):
        busy(one)
        other.sync()
        assert same(one, other)
        assert same(one, boxes.alone(box))
        view.changes()
        assert list(view.uids[: view.count]) == list(one.table.uids)


def test_two_writers_take_turns(box: str, small: None) -> None:
    folders = [opened(box), opened(box)]
    chance = random.Random(3)
    for _ in range(40):
        folder = chance.choice(folders)
        folder.sync()
        uids = list(folder.table.uids)
        action = chance.randrange(4)
        if action == 0:
            boxes.append(folder)
        elif action == 1 and uids:
            folder.expunge([chance.choice(uids)])
        elif action == 2 and uids:
            folder.store(chance.sample(uids, min(3, len(uids))), add=1 << chance.randrange(6))
        else:
            parts(folder)
    for folder in folders:
        folder.sync()
    assert same(*folders)
    assert same(folders[0], boxes.alone(box))
    assert len(boxes.files_in(box)) == len(folders[0].table)


def test_a_view_lives_through_a_new_log(box: str, small: None) -> None:
    one, other = opened(box), opened(box)
    view = other.view()
    inode = os.stat(f"{box}/mailkit-log").st_ino
    while os.stat(f"{box}/mailkit-log").st_ino == inode:
        busy(one)
    other.sync()
    changes = view.changes()
    assert changes.exists == view.count == len(one.table)
    assert same(one, other)


@pytest.mark.parametrize("name", ["mailkit-log", "mailkit-index"])
def test_the_cache_may_vanish_under_a_session(box: str, small: None, name: str) -> None:
    folder = opened(box)
    busy(folder)
    os.unlink(f"{box}/{name}")
    busy(folder)
    folder.sync()
    assert same(folder, boxes.alone(box))


def damages(octets: bytes) -> Iterator[bytes]:
    """Cut short, overwritten, prolonged."""
    chance = random.Random(len(octets))
    for part in (0, 1, 3, 10, 31, 48, 100):
        yield octets[: min(part, len(octets))]
    for _ in range(25):
        at = chance.randrange(len(octets))
        yield octets[:at]
        yield octets[:at] + chance.randbytes(8) + octets[at + 8 :]
        yield octets[:at] + b"\0" * (len(octets) - at)
        yield octets[:at] + octets[at : at + 40] + octets[at:]
    yield octets + b"MkLg" + b"\xff" * 40
    yield octets + octets[-100:]


@pytest.mark.parametrize("name", ["mailkit-log", "mailkit-index"])
def test_damage_is_never_believed(box: str, small: None, name: str) -> None:
    folder = opened(box)
    for _ in range(3):
        busy(folder)
    whole = {other: Path(box, other).read_bytes() for other in ("mailkit-log", "mailkit-index")}
    truth, texts = boxes.flags_of(folder), {uid: folder.read(uid) for uid in folder.table.uids}
    made = {uid: b"".join(boxes.made_of(text)[:2]) for uid, text in texts.items()}
    for octets in damages(whole[name]):
        for other, kept in whole.items():
            Path(box, other).write_bytes(octets if other == name else kept)
        again = opened(box)
        assert boxes.flags_of(again) == truth
        assert {uid: again.read(uid) for uid in again.table.uids} == texts
        assert dict(zip(again.table.uids, parts(again), strict=True)) == made
        assert again.highestmodseq >= max(again.table.modseqs)


def test_a_torn_end_is_left_behind_and_the_modseq_goes_on(box: str) -> None:
    folder = opened(box)
    folder.store([1], add=marks.SEEN)
    last = folder.highestmodseq
    with Path(box, "mailkit-log").open("ab") as file:
        file.write(journal.marked(last + 1, [(2, marks.SEEN, 0)])[:-3])
    other = opened(box)
    other.store([3], add=marks.SEEN)
    assert other.highestmodseq > last
    folder.sync()
    assert same(folder, other)


def test_cut_under_an_open_session(box: str, small: None) -> None:
    folder = opened(box)
    busy(folder)
    os.truncate(f"{box}/mailkit-log", 100)
    assert parts(folder) == parts(opened(box))
    busy(folder)
    folder.sync()
    again = opened(box)
    assert boxes.flags_of(again) == boxes.flags_of(folder)


def test_disk_full_goes_on_in_memory(box: str, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    folder = opened(box)

    def full(operation: str, *args: object) -> None:
        if operation == "write" and b"MkLg" in bytes(args[1])[:4]:  # type: ignore[call-overload]
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "fault", full)
    folder.store([1, 2], add=marks.SEEN)
    folder.expunge([3])
    assert len(parts(folder)) == 5
    monkeypatch.setattr(files, "fault", None)
    assert boxes.flags_of(opened(box)) == boxes.flags_of(folder)
    assert any("verdict=memory" in line for line in lines)


def test_snapshot_and_log_say_the_same(box: str, small: None) -> None:
    folder = opened(box)
    for _ in range(4):
        busy(folder)
    with_snapshot = boxes.alone(box)
    os.unlink(f"{box}/mailkit-index")
    assert same(with_snapshot, boxes.alone(box))
    assert same(with_snapshot, folder)
    counted = boxes.alone(box).table
    fresh = [getattr(counted, name) for name in ("unseen", "deleted", "fresh", "size", "unsized")]
    counted.recount()
    assert fresh == [getattr(counted, name) for name in ("unseen", "deleted", "fresh", "size", "unsized")]


def test_the_log_stays_small(box: str, small: None) -> None:
    folder = opened(box)
    sizes = []
    for _ in range(60):
        folder.store([1], add=marks.SEEN)
        folder.store([1], remove=marks.SEEN)
        sizes.append(os.stat(f"{box}/mailkit-log").st_size)
    assert max(sizes) < 5000


def test_expunges_remembered_are_limited(box: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_HISTORY", 3)
    folder = opened(box)
    start = folder.highestmodseq
    for _ in range(10):
        folder.expunge(boxes.append(folder))
    recent = folder.highestmodseq
    folder.expunge(boxes.append(folder))
    assert len(folder.index.contents.history.uids) <= 7
    assert folder.vanished(recent, range(1, 100)) == [17]
    assert folder.vanished(start, range(1, 18)) == list(range(7, 18))


def test_every_number_of_the_state_comes_back() -> None:
    from mailkit.maildir.state import State

    state = State()
    for number, name in enumerate(State.__slots__):
        setattr(state, name, bytes(range(16)) if name == "guid" else number + 1)
    again = State.unpack(b"xx" + state.pack(), 2)
    assert all(getattr(again, name) == getattr(state, name) for name in State.__slots__)


def test_a_snapshot_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "index"
    path.write_bytes(snapshot.encode(Contents(), 5, 48))
    fd = os.open(path, os.O_RDONLY)
    found = snapshot.Snapshot(fd)
    assert (found.generation, found.covered) == (5, 48)
    assert len(found.contents(lambda table: pytest.fail("damaged")).table.detail.sizes) == 0
