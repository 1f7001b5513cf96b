"""Modification sequences: they only grow, and a client that comes back learns exactly what it missed (RFC 7162)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mailkit import clock
from mailkit.control import Home
from tests.imap import mailboxes
from tests.imap.pair import Client


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return mailboxes.make(tmp_path)


def highest(lines: list[str]) -> int:
    """The HIGHESTMODSEQ of these lines."""
    (found,) = re.findall(r"\[HIGHESTMODSEQ (\d+)\]", "\n".join(lines))
    return int(found)


def modseqs(lines: list[str]) -> list[int]:
    return [int(number) for number in re.findall(r"MODSEQ \((\d+)\)", "\n".join(lines))]


def without_modseq(lines: list[str]) -> list[str]:
    return [re.sub(r" MODSEQ \(\d+\)", "", line) for line in lines]


def selected(home: Home) -> tuple[Client, int]:
    """A session with QRESYNC, and where its folder is."""
    client = Client(home, "")
    client.do("ENABLE QRESYNC")
    return client, highest(client.do("SELECT INBOX"))


def test_every_change_is_higher_than_all_before(home: Home) -> None:
    client, last = selected(home)
    assert max(modseqs(client.do("FETCH 1:* (MODSEQ)"))) <= last
    for command in (
        "STORE 1 +FLAGS (\\Answered)",
        "STORE 1:2 -FLAGS.SILENT (\\Answered \\Seen)",
        "STORE 1 +FLAGS (New)",
    ):
        (number, *_) = modseqs(client.do(command))
        assert number > last
        last = number
    client.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert highest(client.do("EXPUNGE")) > last


def test_unchanged_flags_change_no_number(home: Home) -> None:
    client, last = selected(home)
    assert max(modseqs(client.do("STORE 1 +FLAGS (\\Seen)"))) <= last


def test_conditional_store_is_refused_after_a_change_by_somebody_else(home: Home) -> None:
    one, last = selected(home)
    two, _ = selected(home)
    two.do("STORE 2 +FLAGS.SILENT (\\Answered)")
    lines = one.do(f"STORE 1:2 (UNCHANGEDSINCE {last}) +FLAGS (\\Draft)")
    assert without_modseq(lines)[0] == "* 1 FETCH (UID 1 FLAGS (\\Seen \\Draft))"
    assert lines[-1] == "OK [MODIFIED 2] Some were changed by somebody else"
    assert without_modseq(lines)[1:-1] == ["* 2 FETCH (UID 2 FLAGS (\\Answered \\Flagged $Work))"]


def test_client_that_comes_back_learns_what_it_missed(home: Home) -> None:
    one, last = selected(home)
    one.do("LOGOUT")
    two, _ = selected(home)
    two.do("UID STORE 2 +FLAGS.SILENT (\\Seen)")
    two.do("UID STORE 1 +FLAGS.SILENT (\\Deleted)")
    two.do("EXPUNGE")
    two.send(b"a APPEND INBOX {3+}\r\nx\r\n\r\n")
    one = Client(home, "")
    one.do("ENABLE QRESYNC")
    lines = one.do(f"SELECT INBOX (QRESYNC (12345 {last}))")
    news = [line for line in without_modseq(lines) if "VANISHED" in line or "FETCH" in line]
    assert news == [
        "* VANISHED (EARLIER) 1",
        "* 1 FETCH (UID 2 FLAGS (\\Flagged \\Seen $Work))",
        "* 3 FETCH (UID 6 FLAGS ())",
    ]
    assert not any("FETCH" in line for line in one.do(f"SELECT INBOX (QRESYNC (12345 {highest(lines)}))"))


def test_numbers_never_go_back_when_the_index_is_deleted(home: Home) -> None:
    client, _ = selected(home)
    client.do("STORE 1 +FLAGS (\\Answered)")
    client.do("UNSELECT")
    last = highest(client.do("SELECT INBOX"))
    client.do("LOGOUT")
    for path in Path(mailboxes.inbox(home)).glob("mailkit-*"):
        path.unlink()
    client, after = selected(home)
    assert after > last
    lines = client.do(f"SELECT INBOX (QRESYNC (12345 {last}))")
    assert "* VANISHED (EARLIER) 3:4" in lines, "without history all that is missing has vanished"
    assert len(modseqs(lines)) == 3


def test_change_by_another_program_has_a_number(home: Home) -> None:
    client, last = selected(home)
    (path,) = Path(mailboxes.inbox(home), "cur").glob("*M1P1*")
    path.rename(path.with_name(path.name.replace(":2,S", ":2,FS")))
    (number,) = modseqs(client.news())
    assert number > last


def test_vanished_takes_the_place_of_expunge(home: Home) -> None:
    one, _ = selected(home)
    two = Client(home)
    two.do("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    assert two.do("EXPUNGE")[:2] == ["* 2 EXPUNGE", "* 1 EXPUNGE"]
    assert one.do("FETCH 3 (UID)")[0] == "* 3 FETCH (UID 5)"
    assert one.news()[0] == "* VANISHED 1:2"


def test_enabling_in_a_selected_folder_tells_where_it_is(home: Home) -> None:
    client = Client(home)
    assert highest(client.do("FETCH 1 (MODSEQ)")) > 0
    assert len(modseqs(client.do("FETCH 1:3 (FLAGS)"))) == 3
    assert modseqs(client.do("FETCH 1 (BODY[TEXT])")) == []
    assert len(modseqs(client.do("FETCH 3 (BODY[TEXT])"))) == 1, "it is \\Seen now"


# Two sessions: whatever happens, no number is lower than one that was told before, and none is missed.


class Believer:
    """A session that remembers the highest number it was told, and what it knows of each message."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.flags: dict[int, str] = {}
        self.highest = 0
        self.client, _ = self._selected()

    def _selected(self) -> tuple[Client, int]:
        client = Client(self.home, "")
        client.do("ENABLE QRESYNC")
        known = f" (QRESYNC (12345 {self.highest}))" if self.highest else ""
        self.learn(client.do(f"SELECT INBOX{known}"))
        self.learn(client.do("UID FETCH 1:* (FLAGS)") if not known else [])
        return client, self.highest

    def learn(self, lines: list[str]) -> None:
        """Take in what the server says; a lower number is what must never be."""
        for found in re.findall(r"VANISHED (?:\(EARLIER\) )?(\S+)", "\n".join(lines)):
            for part in found.split(","):
                low, _, high = part.partition(":")
                for uid in range(int(low), int(high or low) + 1):
                    self.flags.pop(uid, None)
        for uid, flags in re.findall(r"UID (\d+) FLAGS \(([^)]*)\)", "\n".join(lines)):
            self.flags[int(uid)] = " ".join(sorted(set(flags.split()) - {"\\Recent"}))
        told = [int(number) for number in re.findall(r"HIGHESTMODSEQ (\d+)", "\n".join(lines))]
        assert all(number >= self.highest for number in told), "HIGHESTMODSEQ went back"
        self.highest = max([self.highest, *told])

    def away(self) -> None:
        self.client.do("LOGOUT")

    def back(self) -> None:
        self.client, _ = self._selected()

    def truth(self) -> dict[int, str]:
        """What a client that knows nothing is told."""
        return Believer(self.home).flags


def other_program(home: Home, turn: int) -> None:
    """mutt or mbsync sets a flag, and delivers something."""
    cur = Path(mailboxes.inbox(home), "cur")
    path = sorted(cur.glob("*M2P1*"))[0]
    path.rename(path.with_name(path.name.partition(":")[0] + (":2,F" if turn % 2 else ":2,FR")))
    (cur.parent / "new" / f"90000000{turn}.M1P1.other").write_bytes(b"Subject: x\n\nx\n")


def ourselves(home: Home, turn: int) -> None:
    client = Client(home)
    client.do(f"UID STORE 2 {'+' if turn % 2 else '-'}FLAGS.SILENT (\\Answered)")
    client.do("UID STORE 1 FLAGS.SILENT (\\Deleted)")
    client.do("EXPUNGE")
    client.do("LOGOUT")


def lose_index(home: Home, turn: int) -> None:
    for path in Path(mailboxes.inbox(home)).glob("mailkit-*"):
        path.unlink()
    other_program(home, turn)


def spoil_index(home: Home, turn: int) -> None:
    path = Path(mailboxes.inbox(home), "mailkit-log")
    path.write_bytes(path.read_bytes()[: 40 + turn])
    ourselves(home, turn)


def set_clock_back(home: Home, turn: int) -> None:
    clock.now_ns = lambda: (1_000_000_000 - turn) * 1_000_000_000
    ourselves(home, turn)


@pytest.mark.parametrize("happens", [other_program, ourselves, lose_index, spoil_index, set_clock_back])
def test_number_never_goes_back_and_nothing_is_missed(
    home: Home, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Home, int], None]
) -> None:
    monkeypatch.setattr(clock, "now_ns", clock.now_ns)  # put back at the end
    believer = Believer(home)
    for turn in range(1, 5):
        believer.away()
        happens(home, turn)
        believer.back()
        assert believer.flags == believer.truth()


@pytest.mark.parametrize("happens", [other_program, ourselves, lose_index, spoil_index, set_clock_back])
def test_a_session_that_stays_is_told_higher_numbers_only(
    home: Home, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Home, int], None]
) -> None:
    monkeypatch.setattr(clock, "now_ns", clock.now_ns)
    believer = Believer(home)
    last = believer.highest
    for turn in range(1, 5):
        happens(home, turn)
        lines = believer.client.news()
        believer.learn(lines)
        numbers = modseqs(lines)
        assert numbers and min(numbers) > last
        last = max(numbers)
        assert highest(believer.client.do("SELECT INBOX")) >= last
    assert believer.flags.items() <= believer.truth().items()


# What is held back, and what answers must hold (RFC 7162).


def test_a_fetch_that_sets_seen_names_the_message_by_uid_as_well(home: Home) -> None:
    client, _ = selected(home)
    (line,) = [line for line in client.do("FETCH 3 BODY[TEXT]") if line.startswith("* 3 FETCH")]
    assert without_modseq([line]) == ["* 3 FETCH (UID 5 FLAGS (\\Seen \\Recent) BODY[TEXT] {6}"]


def test_who_moves_or_replaces_a_message_learns_where_the_folder_is(home: Home) -> None:
    client, last = selected(home)
    moved = client.do("MOVE 1 Archive")
    assert moved[1] == "* VANISHED 1"
    assert moved[2].endswith("] MOVE completed")
    assert highest(moved) > last
    assert client.do("UID MOVE 1 Archive") == ["OK UID MOVE completed"], "nothing went"
    replaced = client.send(b"a UID REPLACE 2 Archive {1+}\r\nx\r\n")
    assert replaced[1] == "* VANISHED 2"
    assert replaced[2].endswith("] UID REPLACE completed")
    assert highest(replaced) > highest(moved)


def test_a_client_that_dies_while_a_removal_is_held_back_learns_of_it_later(home: Home) -> None:
    client, _ = selected(home)
    other = Client(home)
    other.do("UID STORE 1 +FLAGS.SILENT (\\Deleted)")
    client.news()
    last = highest(client.do("SELECT INBOX"))
    removed = other.do("EXPUNGE")
    assert removed[0] == "* 1 EXPUNGE"
    lines = client.do("STORE 3 +FLAGS (\\Answered)")
    assert max(modseqs(lines)) > last
    assert last <= highest(lines) < max(modseqs(lines)), "below the removal"
    again = Client(home, "")
    again.do("ENABLE QRESYNC")
    assert "* VANISHED (EARLIER) 1" in again.do(f"SELECT INBOX (QRESYNC (12345 {highest(lines)}))")
    lines = client.do("NOOP")
    assert lines[0] == "* VANISHED 1"
    assert highest(lines) >= max(modseqs(client.do("FETCH 1:* (MODSEQ)")))
    assert client.do("STORE 1 +FLAGS.SILENT (\\Seen)")[-1] == "OK STORE completed"


def test_a_search_by_number_tells_of_no_removal_by_uid(home: Home) -> None:
    client, _ = selected(home)
    other = Client(home)
    other.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.do("EXPUNGE")
    assert not any("VANISHED" in line for line in client.do("UID SEARCH 1:2"))
    assert "* VANISHED 1" in client.do("UID SEARCH UID 1:2")


def test_an_annotation_has_a_number_and_changes_no_message(home: Home) -> None:
    client, last = selected(home)
    other, _ = selected(home)
    assert client.do('SETMETADATA INBOX (/private/comment "x")') == ["OK SETMETADATA completed"]
    (line, _) = other.do("STATUS INBOX (HIGHESTMODSEQ)")
    assert int(re.findall(r"\d+", line)[0]) > last
    assert other.do(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {last})") == ["OK UID FETCH completed"]
    assert client.do('SETMETADATA "" (/private/comment "x")') == ["OK SETMETADATA completed"]
