"""Answers out of message files are the same whoever makes them, whatever becomes of mates, files and clients."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailkit.control import Home
from mailkit.imap.messages import orders, pieces, sections, slices
from mailkit.imap.wire import items
from mailkit.imap.wire.reader import Reader
from mailkit.maildir import mates
from mailkit.net.conn import Gone
from tests.confine.sites import until
from tests.harness import fakeclock
from tests.harness.homes import make_home
from tests.imap import mailboxes
from tests.imap.pair import Client, WaitingConn
from tests.imap.test_mates import Mortal

ODD = (
    b"", b"\n", b"\r\n", b"\r", b"no line end", b"Subject: x\n\nno line end", b"Subject: x\r\n\r\nCRLF\r\nlines\r\n",
    b"Subject: mixed\r\n\nLF\nCR\rCRLF\r\n\r\r\n", b"Subject: nul\n\n\0\0\n\0", mailboxes.MULTIPART,
    mailboxes.MULTIPART.replace(b"\n", b"\r\n"), mailboxes.LATIN, b"Subject: long\n\n" + b"long line " * 900 + b"\n",
    b"Subject: many\n\n" + b"\n" * 900, b"Subject: large\n\n" + b"line of a large one\r\n" * 9000,
)  # fmt: skip
ITEMS = (
    "BODY.PEEK[]", "BODY[]", "RFC822", "RFC822.TEXT", "BODY.PEEK[TEXT]", "BODY.PEEK[HEADER]", "BODY.PEEK[]<3.700>",
    "BODY.PEEK[1]", "BODY.PEEK[3.HEADER]", "BODY.PEEK[1.MIME]", "BINARY.PEEK[]", "BINARY.PEEK[2]", "BINARY.SIZE[1]",
    'BODY.PEEK[HEADER.FIELDS ("x y" Subject)]', "BODY", "PREVIEW", "FLAGS", "ENVELOPE", "MODSEQ", "UID", "SAVEDATE",
)  # fmt: skip

READ = sorted({*ITEMS} - {"FLAGS", "ENVELOPE", "MODSEQ", "UID", "SAVEDATE"})
"""Those that need files."""


class Mate:
    """Works in this process. turns: what becomes of each thing it is asked: it works, is slow, answers nonsense, dies."""

    def __init__(self, turns: Sequence[str] = ()) -> None:
        self.turns = iter(turns)
        self.answers: list[mates.Answer] = []
        self.asked = 0
        self.messages = 0
        self.closed = False

    def ready(self) -> bool:
        return self.turn() != "slow"

    def turn(self) -> str:
        turn = next(self.turns, "works")
        if turn == "dies" or self.closed:
            raise ConnectionResetError("it ended")
        return turn

    def ask(self, order: bytes) -> None:
        self.turn()
        self.asked += 1
        self.answers.append(orders.made(order.removeprefix(orders.RESPONSES)))

    def answer(self, wait: bool) -> mates.Answer | None:
        if self.turn() == "nonsense":
            return 10**6, [b"nonsense"]
        self.messages += self.answers[0][0]
        return self.answers.pop(0)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def crew(monkeypatch: pytest.MonkeyPatch) -> mates.Crew:
    """Nobody's yet, for whoever has two messages to read; slices are small."""
    monkeypatch.setattr(mates, "crew", mates.Crew())
    mates.crew.offer(lambda: None, pieces.build)
    for module, name, number in (
        (mates, "_FEW", 2), (slices, "_FLUENT_OCTETS", 0), (slices, "BLOCK", 8), (slices, "SLICE_OCTETS", 2000),
        (slices, "_USUAL_OCTETS", 500), (orders, "MOST_OCTETS", 3000), (sections, "STREAM_OCTETS", 100_000),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, number)
    return mates.crew


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


def inbox(home: Home) -> Path:
    return Path(mailboxes.inbox(home))


def fill(home: Home, messages: Sequence[bytes]) -> None:
    """These, and nothing else, in alice's INBOX."""
    shutil.rmtree(inbox(home), ignore_errors=True)
    for part in ("cur", "new", "tmp"):
        (inbox(home) / part).mkdir(parents=True)
    for number, data in enumerate(messages):
        path = inbox(home) / "cur" / f"{number:03d}.a.b:2,{'S' if number % 3 else ''}"
        path.write_bytes(data)
        os.utime(path, (1e9, 1e9))


def answers(home: Home, command: str, *fellows: Any) -> list[str]:
    """What a new session is told, with these mates."""
    mates.crew._mates[:] = fellows
    client = Client(home)
    lines = client.do(command)
    client.close()
    assert mates.crew._taken.acquire(blocking=False), "they are given back"
    mates.crew._taken.release()
    return lines


@settings(max_examples=30)
@given(
    messages=st.lists(st.sampled_from(ODD), min_size=1, max_size=30),
    wanted=st.lists(st.sampled_from(ITEMS), min_size=1, max_size=3),
    turns=st.lists(st.lists(st.sampled_from(["works", "works", "slow", "nonsense", "dies"]), max_size=40), max_size=2),
)
def test_answers_are_the_same(
    messages: list[bytes], wanted: list[str], turns: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = []
    for fellows in ([], [Mate(ways) for ways in turns], [Mate()]):
        home = make_home(tmp_path_factory.mktemp("home"))
        fill(home, messages)
        found.append(answers(home, f"UID FETCH 1:* ({' '.join(wanted)})", *fellows))
        assert mates.crew._mates == [fellow for fellow in fellows if not fellow.closed]
    assert found[1] == found[2] == found[0]


def test_a_mate_makes_nearly_all(home: Home) -> None:
    fill(home, ODD * 8)
    alone = answers(home, "UID FETCH 1:* BODY.PEEK[]")
    fellow = Mate()
    assert answers(home, "UID FETCH 1:* BODY.PEEK[]", fellow) == alone
    assert fellow.messages > len(ODD) * 8 // 2


def meanwhile(home: Home, flags: str) -> None:
    """Another program at work between two slices. flags: those that some messages get."""
    for path in sorted((inbox(home) / "cur").iterdir()):
        number = int(path.name[:3])
        if number % 10 == 5 or number in (37, 38):
            path.unlink()
        else:
            path.rename(f"{path}{flags if number % 10 == 2 else ''}")
        if number == 37:
            path.mkdir()
        elif number == 38:
            os.mkfifo(path)


@pytest.mark.parametrize(("item", "flags"), [("BODY.PEEK[]", "F"), ("(FLAGS BODY[])", "")])
def test_files_that_went_or_moved_meanwhile(home: Home, item: str, flags: str, monkeypatch: pytest.MonkeyPatch) -> None:
    really = WaitingConn.alongside
    calls: Iterator[int]

    async def alongside(conn: WaitingConn, function: Callable[..., Any], *args: Any) -> Any:
        if next(calls) == 0:
            meanwhile(home, flags)
        return await really(conn, function, *args)

    monkeypatch.setattr(WaitingConn, "alongside", alongside)
    fellow = Mate()
    found = []
    for fellows in ([], [fellow]):
        fill(home, ODD * 4)
        calls = iter(range(1000))
        found.append(answers(home, f"FETCH 1:* {item}", *fellows))
    assert found[1] == found[0]
    assert found[0][-1] == "NO [EXPUNGEISSUED] Some of the messages are gone"
    assert fellow.messages


def test_few_messages_are_made_alone(home: Home, crew: mates.Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(home, ODD)
    fellow = Mate()
    monkeypatch.setattr(mates, "_FEW", len(ODD) + 1)
    answers(home, "FETCH 1:* BODY.PEEK[]", fellow)
    monkeypatch.setattr(mates, "_FEW", 2)
    monkeypatch.setattr(slices, "_FLUENT_OCTETS", 1 << 20)
    answers(home, "FETCH 1:* BODY.PEEK[]", fellow)
    crew.offer(lambda: pytest.fail("nobody is started"), pieces.build)
    monkeypatch.setattr(slices, "_FLUENT_OCTETS", 0)
    answers(home, "FETCH 1:* BODY.PEEK[]")
    assert not fellow.asked


@pytest.mark.parametrize("fast", [0, 4])
def test_a_client_that_reads_slowly_has_none(home: Home, monkeypatch: pytest.MonkeyPatch, fast: int) -> None:
    fill(home, ODD * 8)
    alone = answers(home, "FETCH 1:* BODY.PEEK[]")
    clock = fakeclock.install(monkeypatch)
    monkeypatch.setattr(slices, "_FLUENT_OCTETS", 1)
    really = WaitingConn.alongside
    fellow = Mate()
    others: list[list[Any]] = []

    async def alongside(conn: WaitingConn, function: Callable[..., Any], *args: Any) -> Any:
        found = await really(conn, function, *args)
        if len(others) >= fast:
            clock.advance(1)
        others.append(mates.crew.take(99, hire=False))
        mates.crew.give_back(others[-1])
        return found

    monkeypatch.setattr(WaitingConn, "alongside", alongside)
    assert answers(home, "FETCH 1:* BODY.PEEK[]", fellow) == alone
    assert len(others) > 20
    assert all(found == [fellow] for found in others[2 * fast :]), "others can have it"
    assert fellow.asked <= fast
    assert bool(fellow.asked) == bool(fast)
    assert not fellow.closed, "what it was asked for already was sent"


def test_a_client_that_goes_leaves_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(home, ODD * 8)
    calls = iter(range(10_000))
    really = WaitingConn.alongside

    async def alongside(conn: WaitingConn, function: Callable[..., Any], *args: Any) -> Any:
        if next(calls) == 6:
            raise Gone
        return await really(conn, function, *args)

    monkeypatch.setattr(WaitingConn, "alongside", alongside)
    fellow = Mate()
    lines = answers(home, "FETCH 1:* BODY.PEEK[]", fellow)
    assert not any(line.startswith("OK") for line in lines)
    assert fellow.closed, "it would answer the next one with what was asked before"
    assert not mates.crew._mates


@pytest.mark.parametrize("asked_most", [0, 3, 1000])
def test_a_process_is_killed_at_work(home: Home, asked_most: int) -> None:
    fill(home, ODD * 20)
    alone = answers(home, "UID FETCH 1:* (FLAGS BODY.PEEK[])")
    fellow = Mortal(home, asked_most)
    until(fellow.ready)
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(4):
        assert answers(home, "UID FETCH 1:* (FLAGS BODY.PEEK[])", fellow) == alone
        if asked_most < 1000:
            break
    assert fellow.asked > min(asked_most, 20)
    if asked_most == 1000:
        assert len(os.listdir("/proc/self/fd")) == descriptors
        # A pipe or a terminal for each standard stream, the line to us; nothing of what it read.
        assert not [fd for fd in descriptors_of(fellow.pid) if str(home.path) in fd]
        fellow.close()
    else:
        assert not mates.crew._mates
    os.waitpid(fellow.pid, 0)


def descriptors_of(pid: int) -> list[str]:
    return [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]


def test_a_mate_leaves_no_circles_behind(home: Home) -> None:
    fill(home, ODD)
    names = [*map(os.fsencode, sorted(os.listdir(inbox(home) / "cur"))), b"gone"]
    wanted = items.read(Reader(f"({' '.join(READ)})".encode()))
    order = orders.packed(wanted, f"{inbox(home)}/cur", names, [b"* 1 FETCH ("] * len(names))
    order = order.removeprefix(orders.RESPONSES)
    pieces_of = mates.packed(f"{inbox(home)}/cur", range(7), range(len(names)), [0] * len(names), names)
    pieces_of = pieces_of.removeprefix(mates.PIECES)
    assert orders.made(order)[0]  # what is imported when it is first used leaves some
    assert mates.filled(pieces_of, pieces.build)[0]
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()  # as in its process
    try:
        orders.made(order)
        mates.filled(pieces_of, pieces.build)
        assert gc.collect() == 0
    finally:
        if collecting:
            gc.enable()


@pytest.mark.parametrize("name", [b"a\r\nb", b"a\0b", b"\xff", b'"', b"a b"])
def test_any_name_of_a_field(home: Home, name: bytes) -> None:
    fill(home, ODD)
    command = f"FETCH 1:* BODY.PEEK[HEADER.FIELDS (Subject {{{len(name)}+}}\r\n{name.decode('latin-1')})]"
    assert answers(home, command, Mate()) == answers(home, command)


@given(st.lists(st.sampled_from([item for item in ITEMS if "]" in item]), min_size=1, max_size=3))
def test_items_are_asked_for_again(wanted: list[str]) -> None:
    asked = items.read(Reader(f"({' '.join(wanted)})".encode()))
    again = items.read(Reader(items.source(asked)))
    for one, other in zip(asked, again, strict=True):
        for name in ("name", "label", "path", "what", "fields", "partial"):
            assert getattr(one, name) == getattr(other, name)
