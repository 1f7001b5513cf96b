"""Modification sequences: they only grow, and a client that comes back learns exactly what it missed (RFC 7162)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
    assert one.do("FETCH 3 (UID)") == ["* 3 FETCH (UID 5)", "OK FETCH completed"]
    assert one.news() == ["* VANISHED 1:2"]


def test_enabling_in_a_selected_folder_tells_where_it_is(home: Home) -> None:
    client = Client(home)
    assert highest(client.do("FETCH 1 (MODSEQ)")) > 0
    assert len(modseqs(client.do("FETCH 1:3 (FLAGS)"))) == 3
    assert modseqs(client.do("FETCH 1 (BODY[TEXT])")) == []
    assert len(modseqs(client.do("FETCH 3 (BODY[TEXT])"))) == 1, "it is \\Seen now"
