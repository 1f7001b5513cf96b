"""A limited command deals with the newest messages of those it was given, and the client can go on below them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap import limits
from mailkit.imap.wire import keys, sets
from mailkit.imap.wire.reader import Reader
from tests.harness.homes import set_control
from tests.imap import mailboxes
from tests.imap.pair import Client

NUMBERS = st.sets(st.integers(1, 60))


@given(NUMBERS, NUMBERS)
def test_numbers_in_both(one: set[int], two: set[int]) -> None:
    found = limits.both(list(sets.runs(sorted(one))), list(sets.runs(sorted(two))))
    assert {number for low, high in found for number in range(low, high + 1)} == one & two


@pytest.mark.parametrize(("data", "ranges"), [
    (b"UIDAFTER 5", [(6, 4294967295)]), (b"UIDAFTER 4294967295", []), (b"UIDBEFORE 5", [(1, 4)]), (b"UIDBEFORE 1", []),
    (b"uidbefore 9999999999", [(1, 4294967295)]),
])  # fmt: skip
def test_keys(data: bytes, ranges: list[tuple[int, int]]) -> None:
    assert keys.read(Reader(data)).key == ("UID", ranges)


@pytest.mark.parametrize(
    "command", ["UID SEARCH UIDBEFORE {}", "UID FETCH 1:{} (FLAGS)", "UID SEARCH UID 1:{} NOT X {}"]
)
def test_going_on_below_finds_everything_once(tmp_path: Path, command: str) -> None:
    home = mailboxes.make(tmp_path)
    for number in range(40):
        Path(mailboxes.inbox(home), "cur", f"77000{number:04d}.M1P1.host:2,").write_bytes(b"Subject: x\n\nx\n")
    set_control(home, "messagelimit", "7")
    command = command.replace("NOT X {}", "NOT KEYWORD x")
    client = Client(home)
    found: list[int] = []
    last = 100
    while last:
        lines = client.do(command.format(last))
        some = [int(uid) for line in lines[:-1] for uid in re.findall(r"UID (\d+)", line) or line.split()[2:]]
        assert len(some) <= 7
        found = some + found
        stopped = re.findall(r"MESSAGELIMIT 7 (\d+)", lines[-1])
        last = int(stopped[0]) - ("BEFORE" not in command) if stopped else 0
    assert found == [1, 2, *range(5, 46)]


def test_who_hears_that_messages_are_gone_hears_of_the_limit_as_well(tmp_path: Path) -> None:
    home = mailboxes.make(tmp_path)
    set_control(home, "messagelimit", "2")
    client = Client(home)
    (path,) = Path(mailboxes.inbox(home), "cur").glob("*M2P1*")
    path.unlink()
    assert client.do("UID FETCH 1:* BODY.PEEK[1]")[-3:] == [
        "* NO [MESSAGELIMIT 2 2] There are older ones",
        "* 2 EXPUNGE",
        "NO [EXPUNGEISSUED] Some of the messages are gone",
    ]
