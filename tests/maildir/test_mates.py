"""Pieces made together with mates are those that are made alone, whatever becomes of the mates."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailkit.maildir import index, journal, logfile, mates
from mailkit.maildir.folder import Folder
from tests.harness import fakeclock
from tests.maildir import boxes

MANY = 60


class Mate:
    """Works in this process. turns: what becomes of each thing it is asked: it works, is slow, answers nonsense, dies."""

    def __init__(self, turns: Sequence[str] = ()) -> None:
        self.turns = iter(turns)
        self.answers: list[mates.Answer] = []
        self.made = 0
        self.closed = False

    def ready(self) -> bool:
        if self.closed:
            raise BrokenPipeError("it ended")
        return self.turn() != "slow"

    def turn(self) -> str:
        turn = next(self.turns, "works")
        if turn == "dies":
            raise ConnectionResetError("it ended")
        return turn

    def ask(self, order: bytes) -> None:
        self.answers.append(mates.filled(order.removeprefix(mates.PIECES), boxes.build))
        if self.turn() == "nonsense":
            self.answers[-1] = (1, [b"non", b"sense"])
        self.made += 1

    def answer(self, wait: bool) -> mates.Answer | None:
        return None if self.turn() == "slow" and not wait else self.answers.pop(0)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch) -> mates.Crew:
    """Nobody's yet; blocks are small."""
    monkeypatch.setattr(mates, "crew", mates.Crew())
    for name, number in (("BLOCK", 4), ("_FEW", 8), ("LEAST", 20)):
        monkeypatch.setattr(mates, name, number)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(3)))
    return mates.crew


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """A folder with MANY messages of different lengths, most with a size in the name, some in new/."""
    box = boxes.make(tmp_path / "Maildir")
    for number in range(MANY):
        data = b"Subject: %d\n\n" % number + b"line\n" * (number % 7)
        where = ("cur", ":2,S") if number % 5 else ("new", "")
        size = f",S={len(data)}" if number % 3 else ",S=1,W=1"
        Path(box, where[0], f"{number:03d}.a.b{size}{where[1]}").write_bytes(data)
    opened = boxes.alone(box)
    opened.sync()
    yield opened
    opened.close()


def all_of(folder: Folder) -> list[bytes | None]:
    return folder.parts(folder.table, range(MANY), (2, 7), boxes.build)


def expected(folder: Folder) -> list[bytes | None]:
    found: list[bytes | None] = []
    for row in range(MANY):
        pieces = boxes.made_of(Path(folder.row_path(row)).read_bytes())
        found.append(pieces[2] + pieces[7])
    return found


def test_they_share_the_work_and_the_index_has_it(folder: Folder, crew: mates.Crew) -> None:
    fellows = [Mate(), Mate()]
    free = iter(fellows)
    crew.offer(lambda: next(free), boxes.build)
    assert all_of(folder) == expected(folder)
    assert all(fellow.made for fellow in fellows)
    again = boxes.alone(folder.directory)
    assert set(again.table.detail.made) == {255}
    assert again.parts(again.table, range(MANY), (2, 7), boxes.build) == expected(folder)
    sizes = [len(Path(folder.row_path(row)).read_bytes().replace(b"\n", b"\r\n")) for row in range(MANY)]
    assert list(again.table.detail.sizes) == sizes, "also where a name lies"
    again.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example begins without an index
@given(
    turns=st.lists(
        st.lists(st.sampled_from(["works", "works", "slow", "nonsense", "dies"]), max_size=30), min_size=1, max_size=3
    )
)
def test_whatever_they_do_the_pieces_are_the_same(turns: list[list[str]], folder: Folder, crew: mates.Crew) -> None:
    for name in (logfile.NAME, index.SNAPSHOT):
        Path(folder.directory, name).unlink(missing_ok=True)
    again = boxes.alone(folder.directory)
    again.sync()
    fellows = [Mate(ways) for ways in turns]
    crew._mates[:] = fellows
    crew.offer(lambda: None, boxes.build)
    assert all_of(again) == expected(again)
    again.close()
    assert crew._mates == [fellow for fellow in fellows if not fellow.closed]
    assert crew._taken.acquire(blocking=False), "it is given back"
    crew._taken.release()


def test_answers_that_nobody_waited_for_are_no_one_elses(folder: Folder, crew: mates.Crew) -> None:
    broken, idle = Mate(), Mate(["works", "slow"] * 9)
    crew._mates[:] = [broken, idle]

    def own(block: int) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        mates.share(
            crew._mates, range(9), lambda block: mates.packed("", [], [], [], []), own, lambda block, answer: None
        )
    assert crew._mates == [mate for mate in (broken, idle) if not mate.answers]
    assert broken.closed


def test_files_that_went_or_moved_are_looked_for(folder: Folder, crew: mates.Crew) -> None:
    fellow = Mate()
    crew.offer(lambda: None if fellow in crew._mates else fellow, boxes.build)
    wanted = expected(folder)
    for row in range(1, MANY, 7):
        path = Path(folder.row_path(row))
        if "cur" in path.parts:
            path.rename(f"{path}F")
    last = Path(folder.row_path(MANY - 1))
    last.unlink()
    wanted[-1] = None
    assert all_of(folder) == wanted


def test_what_is_too_large_is_not_kept(folder: Folder, crew: mates.Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    fellow = Mate()
    crew.offer(lambda: None if fellow in crew._mates else fellow, boxes.build)
    monkeypatch.setattr(mates, "PIECES_MOST_OCTETS", 60)
    assert all_of(folder) == expected(folder)


def test_when_there_are_none(folder: Folder, crew: mates.Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Mate] = []

    def start() -> Mate:
        started.append(Mate())
        return started[-1]

    def few(rows: Sequence[int]) -> None:
        folder.parts(folder.table, rows, (2, 7), boxes.build)

    clock = fakeclock.install(monkeypatch)
    crew.offer(start, lambda message, made, kinds: None)
    few(range(8))
    assert not started, "they make something else"
    crew.offer(start, boxes.build)
    few(range(8, 15))
    assert not started, "so few rows are made sooner alone"
    few(range(15, 28))
    assert len(started) == 2
    assert crew.take(99, hire=True) == started
    assert crew.take(99, hire=True) == [], "another thread has them"
    crew.give_back(list(started))
    for mate in started:
        mate.close()
    assert crew.take(99, hire=True) == [], "they ended, and it is too soon"
    clock.advance(mates.AGAIN_S)
    found = crew.take(99, hire=True)
    assert found == started[2:] != []
    crew.give_back(found)
    clock.advance(mates.AGAIN_S)
    crew._mates.clear()
    assert crew.take(99, hire=False) == [], "it is not worth it"
    monkeypatch.setattr(mates, "LEAST", MANY + 1)
    all_of(folder)
    assert not crew._mates, "it is no large folder"


def test_the_octets_of_a_broken_answer_are_refused() -> None:
    whole = journal.pieces([(7, [b"x"] * 8)]) + journal.sized([(7, 9)])
    assert [one.kind for one, _ in journal.read(whole)] == [journal.PART, journal.SIZE]
    assert b"".join(raw for _, raw in journal.read(whole)) == whole
    for cut in range(1, len(whole)):
        if cut != whole.rfind(b"MkLg"):
            with pytest.raises(ValueError):
                list(journal.read(whole[:cut]))
