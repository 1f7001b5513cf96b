"""mailkit-mailq: see and change what waits, beside a runner."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mailkit import clock
from mailkit.control import Home
from mailkit.deliver import notice
from mailkit.net.blocking import run
from mailkit.programs import mailq
from mailkit.queue import claim, listing, ready
from tests.deliver.homes import make, queue, waiting


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make(tmp_path)


@pytest.fixture
def ask(home: Home, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run mailq; its exit status and output."""

    def ask(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = mailq.main(["--home", home.path, *words])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return ask


def where(home: Home) -> dict[str, str]:
    return {found.id: directory for directory, found in waiting(home)}


def test_the_command_is_list_unless_told(home: Home, ask: Any) -> None:
    id = queue(home, "a@one.example")
    assert ask() == ask("list") and id in ask()[1]


def test_an_empty_queue(ask: Any) -> None:
    assert ask("list") == (0, "0 entries\n")
    assert ask("list", "--json") == (0, "")


def test_list_shows_who_waits_and_why(home: Home, ask: Any) -> None:
    id = queue(home, "a@one.example", "b@two.example")
    (found,) = listing.entries(home, "new")
    got = claim.claim(home, "new", str(found))
    assert got is not None
    got.mark(got.envelope.recipients[:1], "D")
    got.note("b@two.example: 450 4.2.1 later")
    got.defer(clock.now() + 3700, 1)
    status, text = ask("list")
    assert status == 0
    assert f"{id} waiting" in text and "in 1h" in text and "tried 1x" in text
    assert "to <b@two.example>\n    b@two.example: 450 4.2.1 later" in text
    assert "a@one.example" not in text
    fact = json.loads(ask("list", "--json")[1])
    assert fact["note"] == "b@two.example: 450 4.2.1 later"
    assert [one["status"] for one in fact["recipients"]] == ["D", "T"]
    assert Path(fact["file"]).exists()


def test_choosing(home: Home, ask: Any) -> None:
    one = queue(home, "a@one.example", sender="")
    two = queue(home, "b@two.example", params={"arrived": str(int(clock.now()) - 7200)})
    for words, expected in [
        ((one,), [one]),
        (("--recipient", "B@TWO.example"), [two]),
        (("--domain", "one.example"), [one]),
        (("--sender", "<>"), [one]),
        (("--sender", "alice@example.net"), [two]),
        (("--older", "1h"), [two]),
        (("--younger", "1h"), [one]),
        (("--state", "new"), [one, two]),
        (("--state", "held"), []),
        (("--older", "1h", "--domain", "one.example"), []),
        ((one, two), [one, two]),
    ]:
        lines = ask("list", "--json", *words)[1].splitlines()
        assert sorted(json.loads(line)["id"] for line in lines) == sorted(expected), words
    assert ask("list", "--older", "soon")[0] == 100


def test_counts(home: Home, ask: Any) -> None:
    for i in range(3):
        queue(home, f"a{i}@one.example", "b@two.example")
    queue(home, "b@two.example")
    text = ask("list", "--count")[1]
    assert "       4 new" in text and "       3 to one.example" in text and "       4 to two.example" in text
    assert json.loads(ask("list", "--count", "--json")[1])["domains"] == {"one.example": 3, "two.example": 4}


def test_hold_release_retry(home: Home, ask: Any) -> None:
    id = queue(home, "a@one.example")
    assert ask("hold", id) == (0, f"{id} held\n")
    assert where(home) == {id: "hold"}
    assert ask("retry", id)[0] == 100
    assert ask("release", "--domain", "one.example") == (0, f"{id} released\n")
    assert where(home) == {id: "cur"}
    ((_, found),) = waiting(home)
    os.rename(
        os.path.join(home.queue, "cur", str(found)), os.path.join(home.queue, "cur", str(found.at(2_000_000_000, 3)))
    )
    assert ask("retry", id) == (0, f"{id} due now\n")
    ((_, found),) = waiting(home)
    assert found.wished and found.attempts == 3
    assert " due now, tried 3x" in ask("list", id)[1]


def test_remove_takes_entries_or_one_recipient(home: Home, ask: Any) -> None:
    one = queue(home, "a@one.example", "b@two.example")
    two = queue(home, "c@two.example")
    assert ask("remove", "--recipient", "B@two.example")[0] == 0
    assert set(where(home)) == {one, two}
    assert "b@two.example" not in ask("list")[1]
    assert ask("remove", "--recipient", "a@one.example")[0] == 0
    assert set(where(home)) == {two}
    assert ask("remove", two)[0] == 0
    assert where(home) == {}


def test_dry_run_does_nothing(home: Home, ask: Any) -> None:
    id = queue(home, "a@one.example")
    assert ask("remove", "-n", id) == (0, f"{id} would be removed\n")
    assert where(home) == {id: "new"}


def test_what_a_runner_holds_is_left_alone_and_said(home: Home, ask: Any) -> None:
    id = queue(home, "a@one.example")
    (found,) = listing.entries(home, "new")
    got = claim.claim(home, "new", str(found))
    assert got is not None
    for word in ("hold", "remove", "retry", "bounce"):
        status, text = ask(word, id)
        assert status == 111
        assert "busy" in text
    status, text = ask("remove", "--recipient", "a@one.example")
    assert (status, "busy" in text) == (111, True)
    got.release()
    assert where(home) == {id: "new"}


def test_show_prints_the_file(home: Home, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    id = queue(home, "a@one.example")
    assert mailq.main(["show", "--home", home.path, id]) == 0
    shown = capfdbinary.readouterr().out
    (found,) = listing.entries(home, "new")
    assert shown == Path(home.queue, "new", str(found)).read_bytes()


def test_bounce_tells_the_sender_and_removes(home: Home, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    async def tell(home: Home, claimed: Any, message: Any, kind: str, results: Any) -> None:
        told.append((kind, [(one.address, result.text) for one, result in results]))

    monkeypatch.setattr(notice, "tell", tell)
    id = queue(home, "a@one.example")
    assert ask("bounce", "--reason", "go away", id) == (0, f"{id} bounced\n")
    assert told == [(notice.FAILED, [("a@one.example", "go away")])]
    assert where(home) == {}


def test_damaged_entries_are_listed_and_may_be_removed(home: Home, ask: Any) -> None:
    Path(home.queue, "failed", "0000000001.0.abc,S=5").write_bytes(b"rubbish")
    text = ask("list", "--state", "failed")[1]
    assert "abc failed" in text and "line 1" in text
    assert ask("remove", "abc")[0] == 0
    assert where(home) == {}


def test_nothing_is_done_to_everything_by_mistake(home: Home, ask: Any) -> None:
    id = queue(home, "a@one.example")
    assert ask("remove")[0] == 100
    assert ask("hold", "nobody") == (100, "no such entry\n")
    assert where(home) == {id: "new"}


def test_thousands_are_changed_without_a_line_each(
    home: Home, ask: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mailq, "_BAR_FROM", 10)
    for i in range(12):
        queue(home, f"a{i}@one.example")
    status, out = ask("hold", "--state", "new", "-n")
    assert (status, out.count(" would be held\n")) == (0, 13)  # each, and all of them
    assert mailq.main(["--home", home.path, "hold", "--state", "new"]) == 0
    assert capsys.readouterr() == ("", "12 entries held\n")
    assert set(where(home).values()) == {"hold"}


READY = b"Return-Path: <alice@example.net>\nDelivered-To: bob@example.test\nSubject: x\n"


def leave(home: Home) -> str:
    """Leave a message ready for bob's mailbox; its id."""
    id = "6f1d2c7a90be3345"
    run(ready.put(home, ready.name(f"{int(clock.now())}.R{id}.mail,S={len(READY)},W=80", READY, "bob@example.test"), READY))
    return id


def test_what_is_ready_for_a_mailbox_is_listed(home: Home, ask: Any) -> None:
    id = leave(home)
    status, text = ask("list", "--recipient", "bob@example.test", "--state", "ready")
    assert status == 0 and f"{id} ready " in text and "from <alice@example.net>\n    to <bob@example.test>" in text
    assert ask("list", "--count", "--json")[1] == (
        '{"states": {"ready": 1}, "octets": 75, "domains": {"example.test": 1}}\n'
    )
    assert len(ready.entries(home)) == 1


def test_what_is_ready_for_a_mailbox_is_shown(home: Home, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert mailq.main(["--home", home.path, "show", leave(home)]) == 0
    assert capfdbinary.readouterr().out == READY


@pytest.mark.parametrize(("word", "part"), [("hold", "hold"), ("retry", "cur"), ("remove", "")])
def test_what_is_ready_becomes_an_entry_before_it_is_changed(word: str, part: str, home: Home, ask: Any) -> None:
    id = leave(home)
    assert ask(word, "-n", id)[0] == 0 and len(ready.entries(home)) == 1
    assert ask(word, id)[0] == 0
    assert ready.entries(home) == [] and where(home) == ({id: part} if part else {})


def test_what_is_still_being_written_is_left_alone(home: Home, ask: Any) -> None:
    id = leave(home)
    (found,) = ready.entries(home)
    path = Path(ready.path(home, found))
    path.write_bytes(READY[:-1])
    assert ask("remove", id) == (111, f"{id} busy: a runner is delivering it; left alone\n")
    assert path.exists()
