"""Facts that sessions rest on: when they are asked for, and what becomes of a session whose fact is none any more."""

from __future__ import annotations

import os
import select
from pathlib import Path
from typing import Any

import pytest

from mailkit.net import ties
from mailkit.net.conn import Dismissed
from tests.net.test_drivers import Start, home, receive, start

__all__ = ["home", "start"]


class Fact:
    """True while the file holds this word; counts how often it was asked."""

    def __init__(self, path: Path, word: str = "yes") -> None:
        self.path = str(path)
        self.word = word
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.word in Path(self.path).read_text()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "facts"
    path.write_text("yes\n")
    return path


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Processes that the test has begun."""
    children: list[int] = []
    fork = os.fork

    def noted() -> int:
        child = fork()
        children.append(child)
        return child

    monkeypatch.setattr(os, "fork", noted)
    return children


def replace(path: Path, text: str) -> None:
    new = path.with_name("new-facts")
    new.write_text(text)
    os.replace(new, path)


def test_only_a_change_makes_us_ask_and_only_once(file: Path) -> None:
    torn: list[str] = []
    one, other = Fact(file), Fact(file, "other")
    replace(file, "yes other")
    tied = ties.Ties()
    tied.tie(one, lambda: torn.append("one"))
    tied.tie(other, lambda: torn.append("other"))
    assert [tied.look() for _ in range(5)] == [False] * 5
    assert (one.asked, other.asked) == (1, 1)
    replace(file, "yes")
    assert [tied.look() for _ in range(5)] == [True, False, False, False, False]
    assert torn == ["other"]
    assert (one.asked, other.asked) == (2, 2)
    replace(file, "no")
    assert [tied.look() for _ in range(3)] == [True, False, False]
    assert torn == ["other", "one"]
    assert not tied


def test_half_a_file_throws_nobody_out(file: Path) -> None:
    torn: list[str] = []
    tied = ties.Ties()
    tied.tie(Fact(file), lambda: torn.append("one"))
    file.write_text("")
    assert tied.look()
    file.write_text("somebody else\n")
    assert tied.look()
    file.write_text("somebody else\nyes\n")
    assert tied.look()
    assert not tied.look()
    assert not torn


def test_what_is_none_from_the_beginning_is_torn_at_once(file: Path) -> None:
    torn: list[str] = []
    tied = ties.Ties()
    tied.tie(Fact(file, "no"), lambda: torn.append("one"))
    assert torn == ["one"]
    assert not tied


def test_what_was_untied_is_not_asked_any_more(file: Path) -> None:
    tied = ties.Ties()
    fact = Fact(file)
    tied.tie(fact, lambda: pytest.fail("torn"))
    tied.untie(fact)
    replace(file, "no")
    assert tied.look()
    assert not tied.look()
    assert fact.asked == 1


def readable(fd: int, timeout_s: float) -> list[int]:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return [event for _, event in poll.poll(1000 * timeout_s)]


def test_a_sentinel_tells_and_is_gone(file: Path, forked: list[int]) -> None:
    fd = ties.sentinel(Fact(file))
    assert not readable(fd, 0)
    replace(file, "no")
    assert readable(fd, 30)[0] & select.POLLIN
    assert os.read(fd, 10)
    assert readable(fd, 30) == [select.POLLHUP]
    os.close(fd)
    assert os.waitpid(forked[0], 0)[1] == 0


def test_a_sentinel_ends_with_whom_it_watches_for(file: Path, forked: list[int]) -> None:
    fd = ties.sentinel(Fact(file))
    os.close(fd)
    assert os.waitpid(forked[0], 0)[1] == 0


def test_a_session_is_dismissed_while_it_waits(start: Start, file: Path) -> None:
    async def session(conn: Any) -> None:
        conn.tie(Fact(file))
        conn.write(b"hello")
        try:
            await conn.more()
        except Dismissed:
            conn.write(b"goodbye")
            await conn.flush()

    there = start(session)
    there.client.settimeout(30)
    assert receive(there.client, 5) == b"hello"
    replace(file, "no")
    assert receive(there.client, 7) == b"goodbye"


def test_a_session_is_dismissed_though_it_never_has_to_wait(start: Start, file: Path) -> None:
    async def session(conn: Any) -> None:
        await conn.more()
        conn.tie(Fact(file, "no"))
        try:
            while await conn.more():
                pass
            conn.write(b"the end")
        except Dismissed:
            conn.write(b"goodbye")
        await conn.flush()

    there = start(session)
    there.client.sendall(b"many commands")
    assert receive(there.client, 7) == b"goodbye"


def test_a_session_whose_fact_matters_no_more_goes_on(start: Start, file: Path) -> None:
    async def session(conn: Any) -> None:
        said = await conn.more()
        conn.tie(Fact(file))
        conn.untie()
        replace(file, "no")
        if there.pool is not None:
            assert not there.pool.ties
        conn.write(said)
        await conn.flush()

    there = start(session)
    there.client.sendall(b"still here")
    assert receive(there.client, 10) == b"still here"
