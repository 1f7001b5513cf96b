"""The index says what reading every message would say, whatever became of its files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import clock, files
from mailkit.fulltext import draft, segment, store
from mailkit.fulltext.draft import Draft
from mailkit.fulltext.segment import Damaged, Segment
from mailkit.fulltext.words import BODY, TEXT, Query
from tests.fulltext import library
from tests.fulltext.library import Texts
from tests.harness.crash import crashes

SOME: Texts = {uid: (b"subject: nr %d" % uid, b"body of %d, all of it" % uid) for uid in range(1, 40)}


def holds(into: store.Store, texts: Texts, query: Query) -> None:
    """The answer is right for what the index covers, and certain where it says so."""
    sure, maybe, covered = library.look(into, query)
    right = library.reading(texts, query)
    assert sure & set(texts) <= right
    assert right & covered <= sure | maybe
    if query.exact:
        assert sure & set(texts) == right & covered


@given(st.lists(library.texts, max_size=4), library.queries, st.sets(st.integers(1, 60)))
def test_answers_are_those_of_reading(
    tmp_path_factory: pytest.TempPathFactory, batches: list[Texts], query: Query, gone: set[int]
) -> None:
    path = tmp_path_factory.mktemp("index")
    into = library.store(path)
    texts: Texts = {}
    for batch in batches:
        new = {uid: pair for uid, pair in batch.items() if uid not in texts}
        texts |= new
        library.add(into, new, set(texts))
    holds(into, texts, query)
    assert into.covered() == set(texts)
    for uid in gone & set(texts):
        del texts[uid]
    os.makedirs(into.directory, exist_ok=True)
    into.tidy(set(texts))
    holds(into, texts, query)
    assert into.covered() >= set(texts)


def test_small_segments_are_joined(tmp_path: Path) -> None:
    into = library.store(tmp_path)
    for uid in SOME:
        library.add(into, {uid: SOME[uid]}, set(SOME))
    assert into.covered() == set(SOME)
    assert len(library.segments(tmp_path)) <= 5
    assert library.look(into, Query(TEXT, b"39"))[0] == {39}


def test_a_segment_has_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "OCTETS_MOST", 200)
    into = library.store(tmp_path)
    for uid in SOME:
        library.add(into, {uid: SOME[uid]}, set(SOME))
    assert all(Segment(str(path)).octets <= 200 for path in library.segments(tmp_path))
    assert into.covered() == set(SOME)


def test_long_and_unreadable_messages_are_for_everybody_to_read(tmp_path: Path) -> None:
    new = library.draft({1: (b"", b"a" * draft.MESSAGE_MOST), 2: (b"", b"a" * draft.MESSAGE_MOST + b"b")})
    new.add_unread(3)
    into = library.store(tmp_path)
    os.makedirs(into.directory)
    into.add(new, {1, 2, 3})
    library.add(into, {4: (b"", b"c")}, {1, 2, 3, 4})  # and stay so when segments are joined
    assert library.look(into, Query(BODY, b"nowhere")) == (set(), {2, 3}, {1, 2, 3, 4})


def test_draft_is_full_before_it_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    new = library.draft({1: (b"", b"some words")})
    assert not new.full
    monkeypatch.setattr(draft, "WORDS_MOST", 2)
    assert new.full


def test_expunged_messages_leave(tmp_path: Path) -> None:
    into = library.store(tmp_path)
    library.add(into, SOME)
    into.tidy(set(SOME) - {1, 2})
    assert b"\n1\n" in library.segments(tmp_path)[0].read_bytes()  # not worth the work yet
    into.tidy(set(range(20, 40)))
    assert into.covered() == set(range(20, 40))
    assert b"\n1\n" not in library.segments(tmp_path)[0].read_bytes()
    into.tidy(set())
    assert library.segments(tmp_path) == []


def test_what_is_known_twice_is_removed(tmp_path: Path) -> None:
    """Two writers who did not see each other, or one who died between writing and removing."""
    into = library.store(tmp_path)
    library.add(into, SOME)
    (path,) = library.segments(tmp_path)
    path.with_name("ffffffffffffffff").write_bytes(path.read_bytes())
    assert library.look(into, Query(BODY, b"39"))[0] == {39}
    into.tidy(set(SOME))
    assert len(library.segments(tmp_path)) == 1


def test_one_fills_at_a_time(tmp_path: Path) -> None:
    one, two = library.store(tmp_path), library.store(tmp_path)
    assert one.lock()
    assert not two.lock()
    one.unlock()
    assert two.lock()
    two.unlock()


def test_another_uidvalidity_is_another_folder(tmp_path: Path) -> None:
    library.add(library.store(tmp_path), SOME)
    assert library.store(tmp_path, library.UIDVALIDITY + 1).covered() == set()
    assert library.segments(tmp_path) == []


def test_another_edition_is_done_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    into = library.store(tmp_path)
    library.add(into, SOME)
    monkeypatch.setattr(segment, "EDITION", segment.EDITION + 1)
    assert into.covered() == set()
    assert library.segments(tmp_path) == []
    assert lines == []


@given(st.data())
def test_damage_is_seen_and_costs_one_segment(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("index")
    into = library.store(path)
    library.add(into, SOME)
    (file,) = library.segments(path)
    octets = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(octets) - 1))
    if data.draw(st.booleans()):
        octets[at] ^= data.draw(st.integers(1, 255))
        file.write_bytes(octets)
    else:
        os.truncate(file, at)
    library.add(into, {100: (b"", b"39")})
    sure, _, covered = library.look(into, Query(BODY, b"39"))
    # Either the damage is in a part that nobody looked at, or the segment is gone; never a wrong answer.
    assert (sure, covered) in (({39, 100}, {*SOME, 100}), ({100}, {100}))


def test_damage_is_logged(tmp_path: Path, lines: list[str]) -> None:
    into = library.store(tmp_path)
    library.add(into, SOME)
    os.truncate(library.segments(tmp_path)[0], 100)
    assert into.covered() == set()
    assert len(lines) == 1
    assert lines[0].startswith("fulltext verdict=damaged path=")
    assert library.segments(tmp_path) == []


def test_a_reader_finds_what_took_the_place_of_what_it_was_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into = library.store(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_LARGER", 0)
        for uid in range(1, 6):
            library.add(into, {uid: SOME[uid]}, set(SOME))
    assert len(library.segments(tmp_path)) == 5
    search = library.store(tmp_path).search([Query(BODY, b"body")])
    search.step(1)
    library.add(into, {uid: SOME[uid] for uid in range(6, 40)}, set(SOME))  # takes in the five
    while search.step(1):
        pass
    assert search.covered == set(SOME)


def test_leftovers_are_removed_in_time(tmp_path: Path) -> None:
    into = library.store(tmp_path)
    library.add(into, SOME)
    left, new = tmp_path / store.NAME / "old.tmp", tmp_path / store.NAME / "new.tmp"
    left.touch()
    new.touch()
    files.utime(str(left), clock.now() - 7200)
    into.tidy(set(SOME))
    assert new.exists()
    assert not left.exists()


def test_deleting_leaves_nothing(tmp_path: Path) -> None:
    library.add(library.store(tmp_path), SOME)
    assert store.delete(str(tmp_path))
    assert not store.delete(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_a_crash_at_any_moment_is_harmless(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        into = library.store(directory)
        library.add(into, {uid: SOME[uid] for uid in range(1, 11)}, set(SOME))

    def scenario(directory: Path) -> None:
        into = library.store(directory)
        library.add(into, {uid: SOME[uid] for uid in range(11, 21)}, set(SOME))
        into.tidy(set(range(15, 21)))

    for crash in crashes(tmp_path, scenario, prepare):
        into = library.store(crash.directory)
        for query in (Query(BODY, b"1"), Query(TEXT, b"nr 2"), Query(BODY, b"of it")):
            holds(into, SOME, query)
        missing = {uid: SOME[uid] for uid in set(SOME) - into.covered()}
        library.add(into, missing, set(SOME))
        into.tidy(set(SOME))
        assert into.covered() == set(SOME), crash
        holds(into, SOME, Query(BODY, b"3"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    into = library.store(tmp_path)
    library.add(into, {1: SOME[1]})
    before = {path.name: path.read_bytes() for path in (tmp_path / store.NAME).iterdir()}

    def fault(operation: str, *args: object) -> None:
        if operation == "write":
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files, "fault", fault)
    with pytest.raises(OSError, match=os.strerror(number)):
        library.add(into, {2: SOME[2]}, {1, 2})
    assert {path.name: path.read_bytes() for path in (tmp_path / store.NAME).iterdir()} == before


def test_what_cannot_be_read_is_not_covered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    into = library.store(tmp_path)
    library.add(into, SOME)

    def search(self: Segment, query: Query) -> set[int]:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Segment, "search", search)
    assert library.look(into, Query(BODY, b"39")) == (set(), set(), set())
    assert [line.split()[1] for line in lines] == ["verdict=unreadable"]
    assert library.segments(tmp_path)


def test_the_folder_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        library.store(tmp_path / "deleted").lock()
    assert os.listdir(tmp_path) == []


def test_absorbing_what_is_damaged_changes_nothing(tmp_path: Path) -> None:
    library.add(library.store(tmp_path), SOME)
    (path,) = library.segments(tmp_path)
    octets = bytearray(path.read_bytes())
    octets[-1] ^= 1
    path.write_bytes(octets)
    new = Draft()
    with pytest.raises(Damaged):
        new.absorb(Segment(str(path)), set(SOME))
    assert len(new.uids) == 0


def test_two_processes_that_do_not_see_each_other(tmp_path: Path) -> None:
    """As on a file system whose locks do not hold between machines."""
    children = []
    for chance in (1, 2):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                into = library.store(tmp_path)
                order = sorted(SOME, key=lambda uid: uid * (37 if chance == 1 else 23) % 41)
                for uid in order:
                    library.add(into, {uid: SOME[uid]}, set(SOME))
                    if uid % 5 == 0:
                        into.tidy(set(SOME))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    into = library.store(tmp_path)
    library.add(into, {uid: SOME[uid] for uid in set(SOME) - into.covered()}, set(SOME))
    into.tidy(set(SOME))
    assert into.covered() == set(SOME)
    for query in (Query(BODY, b"1"), Query(TEXT, b"nr 2"), Query(BODY, b"all")):
        holds(into, SOME, query)
