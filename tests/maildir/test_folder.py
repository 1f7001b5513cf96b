"""A folder: UIDs, flags, what other programs do to it, and what sessions are told."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit import clock, files
from mailkit.maildir import folder, marks, scan, state, uidlist
from mailkit.maildir.folder import Folder
from mailkit.maildir.view import View
from mailkit.net import blocking
from tests.maildir import boxes

SEEN, FLAGGED, DELETED = marks.SEEN, marks.FLAGGED, marks.DELETED


@pytest.fixture
def box(tmp_path: Path) -> str:
    return boxes.make(tmp_path / "Maildir")


@pytest.fixture
def three(box: str) -> Iterator[Folder]:
    """A folder with messages 1, 2, 3 in cur/."""
    boxes.deliver(box, 3)
    opened = folder.open(box)
    view = opened.view()
    view.close()
    yield opened
    opened.close()


def rename(directory: str, folder: Folder, uid: int, letters: str) -> None:
    """Another program sets flags."""
    path = folder.path(uid)
    os.rename(path, f"{directory}/cur/{os.path.basename(path).partition(':')[0]}:2,{letters}")


# new messages


def test_uids_follow_the_order_of_arrival(box: str) -> None:
    for name in ("30.M000001P1.h", "7.M000002P1.h", "7.M000001P1.h"):
        Path(box, "new", name).write_text("x\n")
    opened = boxes.alone(box)
    opened.sync()
    assert [opened.table.detail.base(row)[:10] for row in range(3)] == [b"7.M000001P", b"7.M000002P", b"30.M000001"]
    assert list(opened.table.uids) == [1, 2, 3]


def test_selecting_moves_new_to_cur_and_calls_it_recent(box: str) -> None:
    boxes.deliver(box, 2)
    opened = boxes.alone(box)
    view = opened.view()
    assert view.recent == {1, 2}
    assert os.listdir(f"{box}/new") == []
    assert all(name.endswith(":2,") for name in os.listdir(f"{box}/cur"))
    assert opened.view().recent == set()


def test_examining_leaves_new_alone(box: str) -> None:
    boxes.deliver(box, 2)
    opened = boxes.alone(box)
    view = opened.view(readonly=True)
    assert (view.count, view.recent) == (2, set())
    assert len(os.listdir(f"{box}/new")) == 2
    assert opened.state.fresh == 0 or opened.table.fresh == 2
    assert boxes.alone(box).view().recent == {1, 2}


def test_uids_survive_the_loss_of_the_index(three: Folder) -> None:
    before = {three.table.detail.base(row): uid for row, uid in enumerate(three.table.uids)}
    for name in ("mailkit-log", "mailkit-index"):
        Path(three.directory, name).unlink(missing_ok=True)
    again = boxes.alone(three.directory)
    again.sync()
    assert {again.table.detail.base(row): uid for row, uid in enumerate(again.table.uids)} == before
    assert again.uidvalidity == three.uidvalidity
    assert again.guid == three.guid


def test_uids_survive_the_loss_of_the_list(three: Folder, lines: list[str]) -> None:
    Path(three.directory, uidlist.NAME).unlink()
    again = boxes.alone(three.directory)
    again.sync()
    assert list(again.table.uids) == [1, 2, 3]
    assert again.uidvalidity == three.uidvalidity
    listing = uidlist.parse(Path(three.directory, uidlist.NAME).read_bytes())
    assert sorted(listing.uids.values()) == [1, 2, 3]
    assert any(line.startswith("uidlist verdict=missing") for line in lines)


def test_a_damaged_list_is_mended(three: Folder, lines: list[str]) -> None:
    path = Path(three.directory, uidlist.NAME)
    data = path.read_bytes().split(b"\n")
    data[2] = b"\0\0 garbage"
    path.write_bytes(b"\n".join(data))
    again = boxes.alone(three.directory)
    again.sync()
    assert list(again.table.uids) == [1, 2, 3]
    mended = uidlist.parse(path.read_bytes())
    assert mended.sound
    assert sorted(mended.uids.values()) == [1, 2, 3]
    assert any(line.startswith("uidlist verdict=damaged") for line in lines)


def test_a_list_of_nonsense_keeps_what_the_index_knows(three: Folder) -> None:
    Path(three.directory, uidlist.NAME).write_bytes(os.urandom(200))
    again = boxes.alone(three.directory)
    again.sync()
    assert (list(again.table.uids), again.uidvalidity) == ([1, 2, 3], three.uidvalidity)


def test_another_uidvalidity_in_the_list_wins(three: Folder) -> None:
    view = three.view()
    path = Path(three.directory, uidlist.NAME)
    path.write_bytes(path.read_bytes().replace(b"V%d " % three.uidvalidity, b"V12345 ").replace(b"\n2 :", b"\n22 :"))
    three.sync()
    assert three.uidvalidity == 12345
    assert not view.valid


def test_courier_folder_is_adopted(box: str) -> None:
    for name in ("a.b.c:2,S", "d.e.f:2,"):
        Path(box, "cur", name).write_text("x\n")
    Path(box, "courierimapuiddb").write_bytes(b"1 1111111111 9\n4 d.e.f\n8 a.b.c\n")
    Path(box, "courierimapkeywords").mkdir()
    Path(box, "courierimapkeywords/:list").write_bytes(b"$Junk\n\nd.e.f:0\n")
    opened = boxes.alone(box)
    opened.sync()
    assert (opened.uidvalidity, opened.uidnext) == (1111111111, 9)
    assert boxes.flags_of(opened) == {4: b"$Junk", 8: b"\\Seen"}


# what other programs do


def test_a_message_that_vanishes_and_returns_is_a_new_one(three: Folder) -> None:
    path = three.path(2)
    os.rename(path, f"{three.directory}/tmp/aside")
    three.sync()
    assert list(three.table.uids) == [1, 3]
    os.rename(f"{three.directory}/tmp/aside", path)
    three.sync()
    assert list(three.table.uids) == [1, 3, 4]
    listing = uidlist.parse(Path(three.directory, uidlist.NAME).read_bytes())
    assert (sorted(listing.uids.values()), listing.damaged) == ([1, 3, 4], 0)


def test_uid_never_reused_after_the_last_message_is_gone(three: Folder) -> None:
    three.expunge([3])
    boxes.deliver(three.directory)
    three.sync()
    assert list(three.table.uids) == [1, 2, 4]


def test_flags_set_by_others_are_seen(three: Folder) -> None:
    rename(three.directory, three, 2, "FS")
    three.sync()
    assert boxes.flags_of(three)[2] == b"\\Flagged \\Seen"


def test_names_nobody_would_write_keep_working(three: Folder) -> None:
    rename(three.directory, three, 2, "SF!")
    three.sync()
    assert boxes.flags_of(three)[2] == b"\\Flagged \\Seen"
    three.store([2], add=marks.ANSWERED)
    assert three.path(2).endswith(":2,!FRS")
    again = boxes.alone(three.directory)
    again.sync()
    assert again.path(2) == three.path(2)
    assert again.read(2) == three.read(2)


def test_a_directory_whose_time_was_set_back_is_looked_at(three: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As rsync -a does it."""
    settle(three, monkeypatch)
    before = os.stat(f"{three.directory}/cur")
    Path(three.directory, "cur", "restored").write_text("x\n")
    os.utime(f"{three.directory}/cur", ns=(before.st_atime_ns, before.st_mtime_ns))
    three.sync()
    assert list(three.table.uids) == [1, 2, 3, 4]


def test_message_copied_in_by_hand_is_found(three: Folder) -> None:
    Path(three.directory, "cur", "copied in").write_text("x\n")
    three.sync()
    assert boxes.flags_of(three)[4] == b""
    assert three.read(4) == b"x\n"


def test_names_with_any_octet(box: str) -> None:
    found = [b"\xff\xfe:2,S", b"a b\x01", "grün".encode(), b"%s%n", b"x:1,odd"]
    for name in found:
        Path(os.fsdecode(os.fsencode(box) + b"/cur/" + name)).write_bytes(b"x\n")
    opened = boxes.alone(box)
    opened.sync()
    assert len(opened.table) == len(found)
    assert [opened.read(uid) for uid in opened.table.uids] == [b"x\n"] * len(found)


def test_names_that_cannot_stand_in_the_list_are_given_others(box: str) -> None:
    for name in ("with\nnewline", ":2,S", "cr\rcr:2,F"):
        Path(box, "cur", name).write_text("x\n")
    opened = boxes.alone(box)
    opened.sync()
    assert sorted(boxes.flags_of(opened).values()) == [b"", b"\\Flagged", b"\\Seen"]
    assert not any("\n" in name or "\r" in name for name in os.listdir(f"{box}/cur"))


def test_a_double_gets_a_name_of_its_own(three: Folder) -> None:
    path = three.path(2)
    Path(path.partition(":")[0] + ":2,T").write_text("another\n")
    three.sync()
    assert len(three.table) == 4
    assert {three.read(uid) for uid in three.table.uids} >= {b"another\n"}
    assert len({name.partition(":")[0] for name in os.listdir(f"{three.directory}/cur")}) == 4


def test_a_second_link_to_a_message_is_removed(three: Folder) -> None:
    path = three.path(2)
    os.link(path, f"{three.directory}/new/{os.path.basename(path).partition(':')[0]}")
    three.sync()
    three.view()
    assert list(three.table.uids) == [1, 2, 3]
    assert os.listdir(f"{three.directory}/new") == []


def test_directories_and_hidden_files_are_no_messages(three: Folder) -> None:
    Path(three.directory, "cur/dir").mkdir()
    Path(three.directory, "cur/.hidden").write_text("x")
    three.sync()
    assert list(three.table.uids) == [1, 2, 3]


def test_missing_directories_are_made_again(three: Folder) -> None:
    shutil.rmtree(f"{three.directory}/new")
    shutil.rmtree(f"{three.directory}/tmp")
    three.sync()
    assert list(three.table.uids) == [1, 2, 3]
    boxes.append(three)
    assert os.path.isdir(f"{three.directory}/new")


def test_a_deleted_folder_says_so(three: Folder) -> None:
    shutil.rmtree(three.directory)
    with pytest.raises(FileNotFoundError):
        three.sync()
    with pytest.raises(FileNotFoundError):
        folder.open(three.directory)


def test_a_folder_made_in_its_place_is_another(three: Folder) -> None:
    shutil.move(three.directory, three.directory + ".old")
    boxes.make(Path(three.directory))
    with pytest.raises(FileNotFoundError):
        three.sync()
    new = folder.open(three.directory)
    new.sync()
    assert new is not three
    assert len(new.table) == 0
    new.close()


def test_a_maildir_behind_a_link(three: Folder, tmp_path: Path) -> None:
    os.symlink(three.directory, tmp_path / "link")
    linked = folder.open(str(tmp_path / "link"))
    linked.sync()
    boxes.append(linked)
    three.sync()
    assert list(three.table.uids) == list(linked.table.uids) == [1, 2, 3, 4]
    linked.close()


def test_a_file_moved_by_others_is_still_opened(three: Folder) -> None:
    text = three.read(2)
    rename(three.directory, three, 2, "RS")
    assert three.read(2) == text
    assert three.stale()


def test_store_on_a_file_moved_by_others_keeps_both_changes(three: Folder) -> None:
    rename(three.directory, three, 2, "R")
    assert three.store([2], add=FLAGGED).changed == [2]
    assert three.path(2).endswith(":2,FR")


def test_a_file_that_is_gone_is_missing(three: Folder) -> None:
    os.unlink(three.path(2))
    assert three.store([1, 2], add=SEEN).missing == [2]
    with pytest.raises(FileNotFoundError):
        three.read(2)
    three.sync()
    assert list(three.table.uids) == [1, 3]


def test_unreadable_message_is_told_and_the_others_work(three: Folder, lines: list[str]) -> None:
    path = three.path(2)
    os.unlink(path)
    os.mkfifo(path)
    found = list(three.parts(three.table, range(3), (0,), boxes.build))
    assert found[1] is None
    assert found[0] is not None
    assert any(line.startswith("message verdict=unreadable") and "uid=2" in line for line in lines)


def test_a_change_in_the_same_tick_as_ours_is_seen_when_it_is_over(
    three: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, ahead = clock.now_ns, [0]
    monkeypatch.setattr(clock, "now_ns", lambda: real() + ahead[0])
    for letters, flags in [("F", b"\\Flagged"), ("", b"")] * 10:
        three.store([1], add=FLAGGED if letters else 0, remove=0 if letters else FLAGGED)
        rename(three.directory, three, 2, letters)
        ahead[0] += 50_000_000
        three.sync()
        assert boxes.flags_of(three)[2] == flags


def test_a_message_in_the_same_tick_as_ours_is_seen_at_once(three: Folder) -> None:
    view = three.view()
    for _ in range(20):
        boxes.deliver(three.directory)
        three.sync()
        boxes.deliver(three.directory)
        three.sync()
        assert view.changes().exists == view.count == len(os.listdir(f"{three.directory}/cur"))


def test_nothing_is_listed_when_nothing_changed(three: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(three, monkeypatch)
    listed = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(path) or real(path))  # type: ignore[func-returns-value]
    assert not three.stale()
    three.sync()
    again = boxes.alone(three.directory)
    assert again.view().count == 3
    assert listed == []


@pytest.mark.parametrize("others", [False, True], ids=["alone", "others"])
def test_after_a_settled_change_the_next_opening_lists_nothing(
    three: Folder, others: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that takes long to list; what another program did in the same tick is seen in settling."""
    monkeypatch.setattr(state, "_TRUSTED_COST_NS", 1)
    three.state.cur_cost = 1_000_000_000
    three.state.cur_listed = clock.now_ns()
    three.store([1], add=FLAGGED)
    if others:
        rename(three.directory, three, 2, "F")
    three.settle(1)
    opened = boxes.alone(three.directory)
    assert not opened.stale()
    opened.sync()
    assert boxes.flags_of(opened) == {1: b"\\Flagged", 2: b"\\Flagged" if others else b"", 3: b""}


def test_a_small_change_is_not_settled_before_its_time(box: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing a large folder after each small change would be most of the work."""
    boxes.deliver(box, 20)
    opened = folder.open(box)
    opened.view().close()
    monkeypatch.setattr(state, "_TRUSTED_COST_NS", 1)
    opened.state.cur_cost = 1_000_000_000
    listed: list[str] = []
    real = scan._names
    monkeypatch.setattr(scan, "_names", lambda path: listed.append(path) or real(path))  # type: ignore[func-returns-value]
    for ago_ns, flag, listings in ((0, SEEN, 0), (300_000_000_000, FLAGGED, 1)):
        opened.state.cur_listed = clock.now_ns() - ago_ns
        opened.store([1], add=flag)
        opened.settle(1)
        assert listed.count(f"{box}/cur") == listings
    opened.close()


def settle(opened: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the folder look once more after its clock's grain: then nothing is doubtful."""
    real = clock.now_ns
    monkeypatch.setattr(clock, "now_ns", lambda: real() + 3_000_000_000)
    opened.sync()


def test_a_name_that_one_listing_missed_is_not_gone(three: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """readdir(3) may miss a file that is renamed meanwhile."""
    rename(three.directory, three, 1, "F")
    missed = os.fsencode(os.path.basename(three.path(2)))
    real, listings = scan._names, []

    def forgetful(path: str) -> set[bytes]:
        listings.append(path)
        return real(path) - ({missed} if listings.count(path) == 1 else set())

    monkeypatch.setattr(scan, "_names", forgetful)
    three.sync()
    assert boxes.flags_of(three) == {1: b"\\Flagged", 2: b"", 3: b""}
    assert listings.count(f"{three.directory}/cur") == 2


# flags


def test_store_adds_removes_and_replaces(three: Folder) -> None:
    three.store([1, 2], add=SEEN | FLAGGED)
    three.store([2], remove=SEEN)
    three.store([3], add=marks.ANSWERED, remove=~marks.ANSWERED)
    assert boxes.flags_of(three) == {1: b"\\Flagged \\Seen", 2: b"\\Flagged", 3: b"\\Answered"}


def test_replacing_flags_keeps_what_imap_cannot_say(three: Folder) -> None:
    rename(three.directory, three, 1, "PS")
    three.sync()
    three.store([1], add=FLAGGED, remove=~FLAGGED)
    assert three.path(1).endswith(":2,FP")


def test_keywords_are_flags(three: Folder) -> None:
    three.store([1], add=three.mask([b"$Junk", b"\\Seen"]))
    assert boxes.flags_of(three)[1] == b"\\Seen $Junk"
    assert three.keywords == [b"$Junk"]
    assert three.mask([b"$junk"]) == three.mask([b"$JUNK"], create=False) == 1 << 6
    assert three.mask([b"unknown"], create=False) == 0


def test_unchanged_since_refuses_what_changed_later(three: Folder) -> None:
    seen = three.highestmodseq
    three.store([2], add=SEEN)
    stored = three.store([1, 2, 3], add=FLAGGED, unchanged_since=seen)
    assert (stored.changed, stored.refused) == ([1, 3], [2])


def test_modseqs_rise_with_every_change_and_through_every_loss(three: Folder) -> None:
    last = three.highestmodseq
    for step in (
        lambda: three.store([1], add=SEEN),
        lambda: boxes.append(three),
        lambda: three.expunge([2]),
        lambda: rename(three.directory, three, 3, "F"),
    ):
        step()
        three.sync()
        assert three.highestmodseq > last
        last = three.highestmodseq
    for name in ("mailkit-log", "mailkit-index"):
        Path(three.directory, name).unlink(missing_ok=True)
    again = boxes.alone(three.directory)
    again.sync()
    assert again.highestmodseq > last


def test_vanished_tells_expunges_since_a_modseq(three: Folder) -> None:
    start = three.highestmodseq
    three.expunge([1])
    middle = three.highestmodseq
    three.expunge([3])
    assert three.vanished(start, range(1, 4)) == [1, 3]
    assert three.vanished(middle, [1, 2, 3]) == [3]
    assert three.vanished(three.highestmodseq, range(1, 4)) == []
    assert three.vanished(1, range(1, 10)) == [1, 3]


# messages that come and go


def test_append_tells_uids_and_keeps_flags_and_date(three: Folder) -> None:
    from mailkit.maildir.save import Delivery

    delivery = Delivery(three.directory)
    delivery.write(b"Subject: x\n\n")
    assert blocking.run(three.append([(delivery, SEEN | FLAGGED, 1_000_000_000.0)])) == [4]
    assert boxes.flags_of(three)[4] == b"\\Flagged \\Seen"
    assert three.received(4) == 1_000_000_000
    assert three.size(4) == 14
    assert os.listdir(f"{three.directory}/tmp") == []


def test_append_of_several_is_all_or_none(three: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailkit.maildir.save import Delivery

    deliveries = [Delivery(three.directory) for _ in range(3)]
    calls = []

    def fail(operation: str, *args: object) -> None:
        if operation == "rename" and "/cur/" in str(args[-1]):
            calls.append(args)
            if len(calls) == 2:
                raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "fault", fail)
    with pytest.raises(OSError, match="No space"):
        blocking.run(three.append([(delivery, 0, None) for delivery in deliveries]))
    monkeypatch.setattr(files, "fault", None)
    three.sync()
    assert list(three.table.uids) == [1, 2, 3]
    assert len(boxes.files_in(three.directory)) == 3
    assert os.listdir(f"{three.directory}/tmp") == []


def test_copy_keeps_flags_keywords_date_and_sizes(three: Folder, tmp_path: Path) -> None:
    target = boxes.alone(boxes.make(tmp_path / "Maildir/.Box"))
    target.mask([b"other"])
    three.store([2], add=three.mask([b"$Junk", b"\\Seen"]))
    os.utime(three.path(2), (5, 5))
    assert blocking.run(three.copy([2, 3, 77], target)) == ([2, 3], [1, 2])
    assert boxes.flags_of(target) == {1: b"\\Seen $Junk", 2: b""}
    assert target.read(1) == three.read(2)
    assert target.received(1) == 5
    assert target.size(1) == three.size(2)
    assert os.path.samefile(target.path(1), three.path(2))


def test_move_leaves_each_message_in_one_place(three: Folder, tmp_path: Path) -> None:
    target = boxes.alone(boxes.make(tmp_path / "Maildir/.Box"))
    view = three.view()
    text = three.read(2)
    assert blocking.run(three.move([2], target)) == ([2], [1])
    assert list(three.table.uids) == [1, 3]
    assert target.read(1) == text
    assert view.changes().sequence == [2]
    three.sync()
    target.sync()
    assert (list(three.table.uids), list(target.table.uids)) == ([1, 3], [1])


def test_copy_into_the_same_folder(three: Folder) -> None:
    assert blocking.run(three.copy([1, 2], three)) == ([1, 2], [4, 5])
    three.sync()
    assert list(three.table.uids) == [1, 2, 3, 4, 5]


def test_an_empty_message(three: Folder) -> None:
    Path(three.directory, "new/empty").write_bytes(b"")
    three.view()
    assert three.size(4) == 0
    assert three.read(4) == b""


# what sessions are told


def told(view: View, expunges: bool = True) -> tuple[list[int], int | None, list[tuple[int, int]]]:
    changes = view.changes(expunges)
    return changes.sequence, changes.exists, changes.changed


def test_sessions_are_told_what_others_did(three: Folder) -> None:
    mine, other = three.view(), three.view()
    three.store([2], add=SEEN)
    mine.mute([2])
    boxes.append(three)
    three.expunge([1])
    assert told(mine) == ([1], 3, [])
    assert told(other) == ([1], 3, [(1, 2)])
    assert told(mine) == told(other) == ([], None, [])


def test_expunges_wait_until_they_may_be_told(three: Folder) -> None:
    view = three.view()
    three.expunge([1, 3])
    boxes.append(three)
    assert told(view, expunges=False) == ([], 4, [])
    assert list(view.rows(1, 4)[1]) == [-1, 0, -1, 1]
    boxes.append(three)
    assert told(view, expunges=False) == ([], 5, [])
    assert told(view) == ([3, 1], None, [])
    assert list(view.uids[: view.count]) == [2, 4, 5]
    assert view.rows(1, 3)[1] == range(3)


def test_a_message_that_came_and_went_in_between_is_never_told(three: Folder) -> None:
    view = three.view()
    (uid,) = boxes.append(three)
    three.expunge([uid])
    assert told(view) == ([], None, [])
    assert view.count == 3


def test_views_find_numbers_and_spans(three: Folder) -> None:
    three.expunge([2])
    boxes.append(three, 2)
    view = three.view()
    assert [view.seq(uid) for uid in (1, 2, 3, 4, 5, 6)] == [1, None, 2, 3, 4, None]
    assert view.span(2, 4) == range(2, 4)
    assert view.span(6, 100) == range(5, 5)


def test_second_session_shares_the_columns(three: Folder) -> None:
    assert three.view().uids is three.view().uids
    assert folder.open(three.directory) is three
    three.close()


def test_a_session_reads_while_others_work_in_threads(box: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    boxes.deliver(box, 30)
    opened = boxes.alone(box)
    views = [opened.view(), opened.view(readonly=True)]
    shown = [list(view.uids) for view in views]
    worker = threading.Thread(target=work, args=(opened,))
    worker.start()
    last = False
    while not last:
        last = not worker.is_alive()
        for view, numbers in zip(views, shown, strict=True):
            changes = view.changes(expunges=view.readonly or last)
            for number in changes.sequence:
                del numbers[number - 1]
            numbers += view.uids[len(numbers) : changes.exists or len(numbers)]
            assert numbers == list(view.uids[: view.count])
            table, rows = view.rows(1, view.count)
            assert all(row == -1 or table.uids[row] == uid for uid, row in zip(numbers, rows, strict=True))
    worker.join()
    assert shown[0] == shown[1] == list(opened.table.uids)


def work(opened: Folder) -> None:
    """What sessions do through conn.offload."""
    for turn in range(60):
        uids = list(opened.table.uids)
        opened.store(uids[:3], add=SEEN if turn % 2 else 0, remove=0 if turn % 2 else SEEN)
        boxes.append(opened, 2)
        opened.expunge(uids[turn % 5 : turn % 5 + 2])
        boxes.deliver(opened.directory)
        opened.sync()


# numbers


def test_status_tells_the_numbers_from_the_log_alone(three: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    three.store([1], add=SEEN | marks.DELETED)
    settle(three, monkeypatch)
    monkeypatch.setattr(folder, "open", lambda path: pytest.fail("opened the folder"))
    status = folder.status(three.directory)
    assert (status.messages, status.unseen, status.deleted, status.fresh) == (3, 2, 1, 0)
    assert (status.uidnext, status.uidvalidity) == (4, three.uidvalidity)
    assert status.highestmodseq == three.highestmodseq
    assert (status.size, status.unsized) == (sum(three.size(uid) for uid in (1, 2, 3)), 0)


def test_status_sees_what_arrived_since(three: Folder) -> None:
    boxes.deliver(three.directory, 2)
    status = folder.status(three.directory)
    assert (status.messages, status.fresh, status.uidnext) == (5, 2, 6)


def test_status_of_a_folder_never_opened(tmp_path: Path) -> None:
    box = boxes.make(tmp_path / "m")
    boxes.deliver(box, 2)
    assert folder.status(box).messages == 2


def test_sizes_are_found_out_where_names_do_not_tell(box: str) -> None:
    Path(box, "cur/nameless:2,S").write_bytes(b"a\nb\r\n")
    opened = boxes.alone(box)
    opened.sync()
    assert opened.table.unsized == 1
    assert opened.size(1) == 6
    assert (opened.table.unsized, opened.table.size) == (0, 6)
    assert boxes.alone(box).table.size == 6


def test_a_full_disk_still_shows_what_was_there(
    three: Folder, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    boxes.deliver(three.directory)

    def full(operation: str, *args: object) -> None:
        if operation in ("create", "write", "append"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "fault", full)
    view = three.view()
    assert list(view.uids) == [1, 2, 3]
    three.expunge([2])
    assert view.changes().sequence == [2]
    monkeypatch.setattr(files, "fault", None)
    three.sync()
    assert view.changes().exists == 3
    assert list(three.table.uids) == [1, 3, 4]
    assert any(line.startswith("uidlist verdict=skipped") for line in lines)


def test_a_size_the_name_lies_about_is_put_right(box: str) -> None:
    Path(box, "cur/a,S=3,W=999:2,S").write_bytes(b"a\nb\n")
    opened = boxes.alone(box)
    opened.sync()
    list(opened.parts(opened.table, [0], (0,), boxes.build))
    assert opened.size(1) == opened.table.size == boxes.alone(box).size(1) == 6


def test_a_list_that_says_impossible_numbers(three: Folder) -> None:
    path = Path(three.directory, uidlist.NAME)
    for header in (b"3 V99999999999 N4 G", b"3 V5 N99999999999 G", b"3 V5 N4294967295 G", b"3 V5 N4 G\n4294967294 :x"):
        path.write_bytes(header + b"0" * 32 + b"\n1 :x\n" if header.endswith(b"G") else header + b"\n")
        again = boxes.alone(three.directory)
        again.sync()
        boxes.append(again)
        assert max(again.table.uids) < 1000
        assert 0 < again.uidvalidity <= 0xFFFFFFFF
    read = uidlist.read(three.directory)
    assert read is not None
    assert read[0].sound


def test_a_folder_one_may_not_write_is_read(box: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(box, "cur/a:2,S").write_bytes(b"x\n")
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    def refuse(operation: str, *args: object) -> None:
        if operation != "lock":
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "fault", refuse)
    opened = boxes.alone(box)
    view = opened.view()
    assert view.count == 1
    assert opened.read(1) == b"x\n"
    assert list(opened.parts(opened.table, [0], (0,), boxes.build)) == [b" K0 2"]


def test_what_is_deleted_no_more_stays(three: Folder) -> None:
    three.store([1, 2, 3], add=DELETED)
    boxes.alone(three.directory).store([1], remove=DELETED)
    rename(three.directory, three, 3, "S")  # by a program that knows no log
    assert three.expunge([1, 2, 3], DELETED) == [2]
    three.sync()
    assert [(uid, three.table.marks[row]) for row, uid in enumerate(three.table.uids)] == [(1, 0), (3, SEEN)]
