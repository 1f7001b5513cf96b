"""Searches that go on (RFC 5267): whatever other sessions do, ADDTO and REMOVEFROM lead to what a new search finds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.control import Home
from tests.imap import mailboxes
from tests.imap.pair import Client


def numbers(text: str) -> list[int]:
    """`1:3,5` in its order."""
    found: list[int] = []
    for piece in text.split(","):
        low, _, high = piece.partition(":")
        found += range(int(low), int(high or low) + 1)
    return found


class Follower:
    """A client that believes what it is told of one search."""

    def __init__(self, client: Client, command: str) -> None:
        self.client = client
        self.by_uid = command.startswith("UID ")
        self.sorted = "SORT" in command
        self.command = command
        self.results: list[int] = []
        lines = client.do(command.replace("RETURN ()", "RETURN (UPDATE ALL)"))
        self.tag = f"t{client.number}"
        self.results = self.answer(lines)

    def answer(self, lines: list[str]) -> list[int]:
        (line,) = (line for line in lines if line.startswith("* ESEARCH") and f'"t{self.client.number}"' in line)
        return numbers(line.rpartition(" ALL ")[2]) if " ALL " in line else []

    def fresh(self) -> list[int]:
        lines = self.client.do(self.command)
        found = self.answer(lines)
        self.hear(lines)
        return found

    def hear(self, lines: list[str]) -> None:
        for line in lines:
            expunged = re.fullmatch(r"\* (\d+) EXPUNGE", line)
            if expunged and not self.by_uid:
                gone = int(expunged[1])
                assert gone not in self.results, "told of the number too late"
                self.results = [number - (number > gone) for number in self.results]
            if line.startswith(f'* ESEARCH (TAG "{self.tag}")'):
                assert line.startswith(f'* ESEARCH (TAG "{self.tag}") UID') == self.by_uid
                for what, pairs in re.findall(r"(ADDTO|REMOVEFROM) \(([^)]+)\)", line):
                    self.change(what, pairs.split())

    def change(self, what: str, words: list[str]) -> None:
        for place, text in zip(map(int, words[::2]), words[1::2], strict=True):
            told = numbers(text)
            assert (place > 0) == self.sorted
            if what == "REMOVEFROM":
                assert set(told) <= set(self.results)
                assert not place or self.results[place - 1 : place - 1 + len(told)] == told
                self.results = [number for number in self.results if number not in told]
            else:
                assert not set(told) & set(self.results)
                if place:
                    self.results[place - 1 : place - 1] = told
                else:
                    self.results = sorted(self.results + told)


SEARCHES = ("UID SEARCH RETURN () FLAGGED", "SEARCH RETURN () UNSEEN OR FLAGGED SUBJECT new", "SEARCH RETURN () 2:3",
            "UID SORT RETURN () (REVERSE SUBJECT) UTF-8 UNDELETED", "SORT RETURN () (SIZE) UTF-8 FLAGGED")  # fmt: skip


def test_told_while_idle(tmp_path: Path) -> None:
    home = mailboxes.make(tmp_path)
    one, other = Client(home), Client(home)
    follower = Follower(one, "UID SEARCH RETURN () FLAGGED")
    assert follower.results == [2]
    assert one.send(b"i IDLE\r\n")[-1] == "+ idling"
    other.do("STORE 1 +FLAGS (\\Flagged)")
    lines = one.wake()
    assert f'* ESEARCH (TAG "{follower.tag}") UID ADDTO (0 1)' in lines
    other.do("STORE 2 +FLAGS.SILENT (\\Deleted)")
    other.do("EXPUNGE")
    lines = one.wake()
    assert lines.index(f'* ESEARCH (TAG "{follower.tag}") UID REMOVEFROM (0 2)') < lines.index("* 2 EXPUNGE")


def test_removal_waits_with_the_expunge(tmp_path: Path) -> None:
    home = mailboxes.make(tmp_path)
    one, other = Client(home), Client(home)
    follower = Follower(one, "SEARCH RETURN () ALL")
    other.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.do("EXPUNGE")
    assert not [line for line in one.do("FETCH 2 (UID)") if "REMOVEFROM" in line]
    assert one.news() == [f'* ESEARCH (TAG "{follower.tag}") REMOVEFROM (0 1)', "* 1 EXPUNGE"]


ACTIONS = st.lists(st.tuples(st.sampled_from(["one", "other"]), st.sampled_from([
    "STORE 1 +FLAGS (\\Flagged)", "STORE * -FLAGS (\\Flagged \\Seen)", "STORE 1:* +FLAGS.SILENT (\\Flagged)",
    "STORE 2 +FLAGS (\\Deleted)", "STORE 1:2 FLAGS (\\Seen)", "EXPUNGE", "NOOP", "MOVE 1 Archive", "FETCH 1 BODY[]",
    "APPEND INBOX (\\Flagged) {16+}\r\nSubject: new\r\n\r\n", "APPEND INBOX {18+}\r\nSubject: older\r\n\r\n", "COPY 1 INBOX",
])), max_size=12)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return mailboxes.make(tmp_path_factory.mktemp("contexts"))


@given(actions=ACTIONS, search=st.sampled_from(SEARCHES))
def test_updates_lead_to_what_a_new_search_finds(home: Home, actions: list[tuple[str, str]], search: str) -> None:
    mailboxes.fill(home)
    clients = {"one": Client(home), "other": Client(home)}
    follower = Follower(clients["one"], search)
    for who, command in actions:
        lines = clients[who].do(command)
        if who == "one":
            follower.hear(lines)
    follower.hear(clients["one"].do("NOOP"))
    told = follower.results
    if "2:3" not in search:  # which means other messages now
        assert told == follower.fresh()
    for client in clients.values():
        client.close()
