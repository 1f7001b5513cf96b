"""Each command asks for its right (RFC 4314 section 4): with it alone it works, with all others but it it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import log
from mailkit.control import Home
from mailkit.imap.folders import acl as said
from mailkit.imap.folders.forest import Mailbox
from mailkit.imap.wire import Bad
from mailkit.maildir import acl
from mailkit.maildir.tree import Tree
from mailkit.users.passwd import User
from tests.imap import mailboxes
from tests.imap.pair import Client

BOX = '"Other Users/alice@example.test/Archive"'
ALL = acl.ALL

# Command, and the rights that let it be done. Where a folder must be selected first, r is one of them.
NEEDS = [
    (f"SELECT {BOX}", "r"),
    (f"EXAMINE {BOX}", "r"),
    (f"STATUS {BOX} (MESSAGES)", "r"),
    (f"SUBSCRIBE {BOX}", "l"),
    (f"GETACL {BOX}", "a"),
    (f"SETACL {BOX} bob@example.test +p", "a"),
    (f"DELETEACL {BOX} $nobody", "a"),
    (f"LISTRIGHTS {BOX} bob@example.test", "a"),
    (f"APPEND {BOX} {{1+}}\r\nx", "i"),
    ("COPY 1 " + BOX, "i"),
    ("MOVE 1 " + BOX, "i"),
    (f'CREATE {BOX[:-1]}/new"', "k"),
    (f'RENAME {BOX} {BOX[:-1]}d"', "x"),
    (f"DELETE {BOX}", "x"),
    (f"GETQUOTAROOT {BOX}", "r"),
    (f"GETMETADATA {BOX} /shared/comment", "lr"),
    (f'SETMETADATA {BOX} (/shared/comment "x")', "lw"),
    (f'SETMETADATA {BOX} (/private/comment "x")', "ls"),
    (f"SETMETADATA {BOX} (/private/comment NIL)", "lp"),
]
SELECTED = [
    ("STORE 1 +FLAGS (\\Seen)", "s"),
    ("STORE 1 +FLAGS (\\Deleted)", "t"),
    ("STORE 1 +FLAGS (\\Flagged)", "w"),
    ("STORE 1 +FLAGS (word)", "w"),
    ("EXPUNGE", "e"),
    ("UID EXPUNGE 1", "e"),
    ("MOVE 1 INBOX", "te"),
    (f"REPLACE 1 {BOX} {{1+}}\r\ny", "tei"),
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return mailboxes.make(tmp_path)


@pytest.fixture
def pair(home: Home) -> Iterator[tuple[Client, Client]]:
    """Alice, with a message in Archive; bob, who has one in the INBOX that he selected."""
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    alice.send(b"a APPEND Archive {1+}\r\nx\r\n")
    bob.send(b"a APPEND INBOX {1+}\r\nx\r\n")
    bob.do("SELECT INBOX")
    yield alice, bob
    alice.close()
    bob.close()


def answer(client: Client, command: str) -> str:
    return client.do(command)[-1]


def grant(alice: Client, rights: str) -> None:
    assert answer(alice, f'SETACL Archive bob@example.test "{rights}"') == "OK SETACL completed"


@pytest.mark.parametrize(("command", "rights"), NEEDS)
def test_with_its_right_alone(pair: tuple[Client, Client], command: str, rights: str) -> None:
    alice, bob = pair
    grant(alice, rights)
    said = answer(bob, command)
    if command.startswith("RENAME"):  # the new name is beside it, where only the owner makes folders
        assert said.startswith("NO [NONEXISTENT]")
    else:
        assert said.startswith("OK "), said


@pytest.mark.parametrize(("command", "rights"), NEEDS)
def test_without_its_right(home: Home, pair: tuple[Client, Client], command: str, rights: str) -> None:
    alice, bob = pair
    before = sorted(Path(mailboxes.inbox(home)).rglob("*"))
    for right in rights:
        others = "rswip" if "METADATA" in command and right in "rsp" else right
        left = "".join(letter for letter in ALL if letter not in others)
        grant(alice, left)
        assert answer(bob, command).startswith("NO [NOPERM]" if "l" in left else "NO ["), (command, left)
        without_lookup = left.replace("l", "")
        grant(alice, without_lookup)
        said = answer(bob, command)
        grant(alice, "")
        assert said.partition(" ")[2] == answer(bob, command).partition(" ")[2], "not as if it were not there"
    after = sorted(Path(mailboxes.inbox(home)).rglob("*"))
    assert {path.name for path in set(after) - set(before)} <= {"dovecot-acl"}


@pytest.mark.parametrize(("command", "rights"), SELECTED)
def test_in_the_selected_folder(pair: tuple[Client, Client], command: str, rights: str) -> None:
    alice, bob = pair
    for right in rights:
        grant(alice, "".join(letter for letter in ALL if letter != right))
        assert answer(bob, f"SELECT {BOX}").startswith("OK [READ-WRITE]")
        assert answer(bob, command).startswith("NO [NOPERM]"), (command, right)
    grant(alice, "r" + rights)
    assert answer(bob, f"SELECT {BOX}").startswith("OK [READ-WRITE]")
    assert answer(bob, command).startswith("OK "), command


def test_a_folder_one_may_only_know_of_is_listed_as_not_to_be_selected(pair: tuple[Client, Client]) -> None:
    alice, bob = pair
    grant(alice, "l")
    asked = 'LIST "" "Other Users/alice@example.test/%" RETURN (STATUS (MESSAGES))'
    assert bob.do(asked) == [
        '* LIST (\\HasNoChildren \\Noselect) "/" "Other Users/alice@example.test/Archive"',
        "OK LIST completed",
    ]
    grant(alice, "lr")
    assert bob.do(asked)[:-1] == [
        '* LIST (\\HasNoChildren) "/" "Other Users/alice@example.test/Archive"',
        '* STATUS "Other Users/alice@example.test/Archive" (MESSAGES 1)',
    ]


def test_who_changes_rights_is_in_the_log(pair: tuple[Client, Client], monkeypatch: pytest.MonkeyPatch) -> None:
    alice, _ = pair
    lines: list[str] = []
    monkeypatch.setattr(log, "sink", lines.append)
    alice.do("SETACL Archive bob@example.test +lr")
    alice.do("DELETEACL Archive bob@example.test")
    alice.do("SETACL Archive ghost@example.test lr")
    assert [line.strip().partition(" user=")[2] for line in lines if line.startswith("share ")] == [
        "alice@example.test mailbox=Archive identifier=bob@example.test rights=+lr",
        "alice@example.test mailbox=Archive identifier=bob@example.test",
    ]


def test_closing_expunges_only_with_the_right(pair: tuple[Client, Client]) -> None:
    alice, bob = pair
    grant(alice, "rt")
    bob.do(f"SELECT {BOX}")
    bob.do("STORE 1 +FLAGS (\\Deleted)")
    assert answer(bob, "CLOSE") == "OK CLOSE completed"
    assert alice.do("STATUS Archive (MESSAGES)")[0] == "* STATUS Archive (MESSAGES 1)"
    grant(alice, "re")
    bob.do(f"SELECT {BOX}")
    bob.do("CLOSE")
    assert alice.do("STATUS Archive (MESSAGES)")[0] == "* STATUS Archive (MESSAGES 0)"


def test_who_may_only_put_in_learns_no_uid(pair: tuple[Client, Client]) -> None:
    alice, bob = pair
    grant(alice, "i")
    assert bob.send(f"a APPEND {BOX} {{1+}}\r\nx\r\n".encode()) == ["a OK Stored"]
    assert bob.do(f"COPY 1 {BOX}") == ["OK COPY completed"]
    assert bob.do(f"MYRIGHTS {BOX}")[0].endswith(" i")
    assert BOX not in "".join(bob.do('LIST "" *'))
    grant(alice, "p")
    assert bob.do(f"MYRIGHTS {BOX}")[0].startswith("NO [NONEXISTENT]")


IDENTIFIERS = st.text(max_size=12) | st.lists(st.sampled_from([
    "-", "$", "!$", "anyone", "owner", "user=", "bob@example.test", "@", '"', "\\", " ", ":", "#", "\n", "\0", "é", ",", ".",
]), max_size=5).map("".join)  # fmt: skip


@given(text=IDENTIFIERS, rights=st.text(max_size=6))
def test_whatever_is_granted_can_be_read_again(text: str, rights: str) -> None:
    client = FakeSession()
    found = Mailbox("x", Tree("/nowhere"), "x", User("alice@example.test"), acl.Who("alice@example.test", owner=True))
    try:
        key = said.identifier(client, found, text)  # type: ignore[arg-type]
        sign, letters = said.modification(rights)
    except Bad:
        return
    entry = acl.Entry(key[0], letters, key[1])
    (read,) = acl.parse(entry.line())
    assert (read.key, read.rights) == (key, letters)
    assert sign in ("", "+", "-")
    assert set(letters) <= set(acl.ALL)


class FakeSession:
    """What identifiers are read with: a home without control/authdomain."""

    home = Home("/nowhere")
