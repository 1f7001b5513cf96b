"""A command that takes long is told of while it runs, and never in a way that goes backward (RFC 9585)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from mailkit import files
from mailkit.control import Home
from mailkit.imap.commands import copy, expunge, move, store
from mailkit.imap.progress import EVERY_S
from mailkit.imap.searching import matching, ordering
from tests.harness import fakeclock
from tests.imap import mailboxes
from tests.imap.pair import Client, WaitingConn

MESSAGES = 30


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = mailboxes.make(tmp_path)
    for number in range(MESSAGES - 3):
        path = Path(mailboxes.inbox(home), "cur", f"77000{number:04d}.M1P1.host:2,")
        path.write_bytes(b"Subject: %d\nMessage-ID: <%d@x>\n\ntext\n" % (number, number))
    return home


@pytest.fixture
def slow(home: Home, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A session in which every look at one message takes 3 seconds."""
    client = Client(home)
    client.do("FETCH 1:* (ENVELOPE)")
    monkeypatch.setattr(matching, "BLOCK", dict.fromkeys(matching.BLOCK, 1))
    monkeypatch.setattr(ordering, "BLOCK", 1)
    monkeypatch.setattr(copy, "SLICE", 1)
    monkeypatch.setattr(move, "SLICE", 1)
    monkeypatch.setattr(store, "BLOCK", 1)
    monkeypatch.setattr(expunge, "BLOCK", 1)
    monkeypatch.setattr(expunge, "BLOCKS_MOST", MESSAGES)
    fake = fakeclock.install(monkeypatch)

    async def pause(conn: WaitingConn, seconds: float) -> None:
        fake.advance(3)

    monkeypatch.setattr(WaitingConn, "pause", pause)
    return client


def told(lines: list[str]) -> list[tuple[int, int]]:
    """(done, goal) of each INPROGRESS."""
    return [
        (int(done), int(goal))
        for line in lines
        for done, goal in re.findall(r'^\* OK \[INPROGRESS \("t\d+" (\d+) (\d+)\)\]', line)
    ]


def found_rising(found: list[tuple[int, int]], wanted: int) -> bool:
    """As often as it should be, never backward, one goal."""
    often = len(found) >= wanted * 3 // EVERY_S - 2
    return often and found == sorted(found) and all(0 < done < goal == wanted for done, goal in found)


@pytest.mark.parametrize("command", [
    "SEARCH TEXT text", "SEARCH SINCE 1-Jan-1980 HEADER X-None x", "SORT (SUBJECT) UTF-8 ALL",
    "SORT (SUBJECT DATE) UTF-8 ALL", "COPY 1:* Archive", "UID MOVE 1:* Archive", "THREAD REFERENCES UTF-8 ALL", "UID SEARCH NOT BODY zzz",
    "STORE 1:* +FLAGS.SILENT (\\Deleted)",
])  # fmt: skip
def test_long_command_tells_where_it_is(slow: Client, command: str) -> None:
    lines = slow.do(command)
    assert found_rising(told(lines), MESSAGES)
    assert lines[-1].startswith("OK") and "INPROGRESS" not in lines[-1]


def test_short_command_after_a_long_one_says_nothing(slow: Client) -> None:
    assert told(slow.do("SEARCH TEXT text"))
    assert not told(slow.do("SEARCH UID 1 TEXT text"))


def test_tag_that_would_end_the_code_is_not_named(slow: Client) -> None:
    lines = slow.send(b"a]b SEARCH TEXT text\r\n")
    assert any(line.startswith("* OK [INPROGRESS (NIL ") for line in lines)


def test_long_removal_tells_where_it_is(slow: Client) -> None:
    slow.do("STORE 3:* +FLAGS.SILENT (\\Deleted)")
    lines = slow.do("EXPUNGE")
    assert found_rising(told(lines), MESSAGES - 2)
    assert sum(line.endswith(" EXPUNGE") for line in lines) == MESSAGES - 2
    assert slow.do("SEARCH ALL")[0] == "* SEARCH 1 2"


@pytest.mark.parametrize("command", ["STORE 1:* +FLAGS.SILENT (\\Answered)", "EXPUNGE"])
def test_between_two_blocks_the_folder_is_anybodys(home: Home, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    client, other = Client(home), Client(home)
    client.do("STORE 1:20 +FLAGS.SILENT (\\Deleted)")
    monkeypatch.setattr(store, "BLOCK", 4)
    monkeypatch.setattr(expunge, "BLOCK", 4)
    others = iter([["STORE 30 +FLAGS (other)", "STORE 20 -FLAGS (\\Deleted)"]])

    async def pause(conn: WaitingConn, seconds: float) -> None:
        for line in next(others, []):
            assert other.do(line)[-1].startswith("OK")

    monkeypatch.setattr(WaitingConn, "pause", pause)
    assert client.do(command)[-1].startswith("OK")
    monkeypatch.undo()
    kept = 30 if command.startswith("STORE") else 11
    assert client.do("SEARCH RETURN (COUNT) ALL")[0].endswith(f"COUNT {kept}")
    assert client.do("SEARCH RETURN (COUNT) KEYWORD other")[0].endswith("COUNT 1")


@pytest.fixture
def failing(slow: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The disk is full when ten messages have been linked or renamed into Archive."""
    link, rename, done = files.link, files.rename, [0]

    def count(target: str) -> None:
        if "/.Archive/cur/" in target:
            done[0] += 1
            if done[0] == 11:
                raise OSError(28, "No space left on device", target)

    monkeypatch.setattr(files, "link", lambda old, new: (count(new), link(old, new)))
    monkeypatch.setattr(files, "rename", lambda old, new, **how: (count(new), rename(old, new, **how)))
    return slow


def test_copy_that_fails_leaves_nothing(failing: Client) -> None:
    assert failing.do("COPY 1:* Archive")[-1] == "NO [UNAVAILABLE] The disk of the mail store is full"
    assert failing.do("STATUS Archive (MESSAGES)")[0] == "* STATUS Archive (MESSAGES 0)"


def test_move_that_fails_says_what_was_moved(failing: Client) -> None:
    lines = failing.do("UID MOVE 1:* Archive")
    assert lines[-1].startswith("NO [UNAVAILABLE]")
    assert re.match(r"\* OK \[COPYUID \d+ 1:2,5:12 1:10\]", lines[-2])
    lines = failing.do("STATUS Archive (MESSAGES)")
    assert lines[0] == "* STATUS Archive (MESSAGES 10)"
    assert sum("EXPUNGE" in line for line in lines) == 10
    assert failing.do("SEARCH RETURN (COUNT) ALL")[0].endswith("COUNT 20")


@pytest.mark.parametrize("folder", [".Archive/cur", "Maildir/cur"])
def test_move_that_the_disk_does_not_confirm(home: Home, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    """What has moved is told, with NO: after a power failure it may be where it was."""
    client = Client(home)
    settle = files.settle

    async def refused(directories: Iterable[str]) -> None:
        paths = list(directories)
        if any(path.endswith(folder) for path in paths):
            raise OSError(5, "Input/output error")
        await settle(paths)

    monkeypatch.setattr(files, "settle", refused)
    lines = client.do("MOVE 2:3 Archive")
    assert lines[-1] == "NO [UNAVAILABLE] Moved, but the disk did not confirm it"
    assert re.match(r"\* OK \[COPYUID \d+ 2,5 1:2\]", lines[0])
    monkeypatch.undo()
    lines = client.do("STATUS Archive (MESSAGES)")
    assert lines[0] == "* STATUS Archive (MESSAGES 2)"
    assert sum("EXPUNGE" in line for line in lines) == 2
    assert client.do("COPY 2:3 Archive")[-1].startswith("OK [COPYUID")
