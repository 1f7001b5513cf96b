"""What holds for every command of the table: nothing may follow its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailkit import log
from mailkit.imap import commands
from tests.imap import mailboxes
from tests.imap.pair import Client

# Each with arguments that it takes in the selected state; those that need another state or a continuation are tried in
# their own dialogues.
COMMANDS = [
    "CAPABILITY", "NOOP", "ID NIL", "LANGUAGE en", "ENABLE CONDSTORE", "SELECT INBOX", "EXAMINE INBOX", "CREATE new",
    "DELETE new", "RENAME new newer", "SUBSCRIBE INBOX", "UNSUBSCRIBE INBOX", 'LIST "" *', 'LSUB "" *', "NAMESPACE",
    'GETQUOTA ""', "GETQUOTAROOT INBOX", "STATUS INBOX (MESSAGES)", "GETACL INBOX", "SETACL INBOX anyone l",
    "DELETEACL INBOX anyone", "LISTRIGHTS INBOX anyone", "MYRIGHTS INBOX", 'GETMETADATA "" /shared/comment',
    'SETMETADATA INBOX (/private/comment "x")', "APPEND INBOX {1+}\r\nx", 'CANCELUPDATE "t"', "ESEARCH ALL",
    'GENURLAUTH "imap://a/INBOX/;uid=1;urlauth=anonymous" INTERNAL', "RESETKEY", 'URLFETCH "imap://a/INBOX/;uid=1"',
    "REPLACE 1 INBOX {1+}\r\nx", "UID REPLACE 1 INBOX {1+}\r\nx", "UNAUTHENTICATE", "COMPRESS DEFLATE", "NOTIFY NONE",
    "IDLE", "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "UID EXPUNGE 1", "SEARCH ALL", "UID SEARCH ALL",
    "SORT (DATE) UTF-8 ALL", "UID SORT (DATE) UTF-8 ALL", "THREAD REFS UTF-8 ALL", "UID THREAD REFS UTF-8 ALL",
    "FETCH 1 FLAGS", "UID FETCH 1 FLAGS", "STORE 1 FLAGS ()", "UID STORE 1 FLAGS ()", "COPY 1 INBOX", "UID COPY 1 INBOX",
    "MOVE 1 INBOX", "UIDBATCHES 100", "UID MOVE 1 INBOX", "LOGOUT",
]  # fmt: skip
ELSEWHERE = {"STARTTLS", "AUTHENTICATE", "LOGIN"}


def name(command: str) -> str:
    words = command.split()
    return " ".join(words[:2]) if words[0] == "UID" else words[0]


def test_every_command_is_here() -> None:
    assert {name(command) for command in COMMANDS} | ELSEWHERE == set(commands.TABLE)


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_follows_the_arguments(command: str, tmp_path: Path) -> None:
    client = Client(mailboxes.make(tmp_path))
    before = client.do("STATUS INBOX (MESSAGES UIDNEXT)")[0]
    refusal = "NO [LIMIT]" if "REPLACE" in command else "BAD "  # to APPEND and REPLACE it would be another message
    assert client.do(f"{command} )")[-1].startswith(refusal)
    assert client.do("STATUS INBOX (MESSAGES UIDNEXT)")[0] == before


def test_a_client_that_says_nothing_of_itself_has_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(log, "sink", lines.append)
    client = Client(mailboxes.make(tmp_path))
    client.do("ID NIL")
    client.do('ID ("name" "Outlook" "version" NIL)')
    assert [line.split()[-1] for line in lines if "client c=" in line] == ["name=Outlook"]
