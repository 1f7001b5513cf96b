"""Several sessions on one folder: who is told what, and when (RFC 9051 section 7.5.1, RFC 2180)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.imap import mailboxes
from tests.imap.pair import Client

Open = Callable[..., Client]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return mailboxes.make(tmp_path)


@pytest.fixture
def opened(home: Home) -> Iterator[Open]:
    clients: list[Client] = []

    def client(select: str = "INBOX") -> Client:
        clients.append(Client(home, select))
        return clients[-1]

    yield client
    for each in clients:
        each.close()


def test_flags_of_one_are_told_to_the_other(opened: Open) -> None:
    one, two = opened(), opened()
    one.do("STORE 1 +FLAGS.SILENT (\\Answered)")
    assert two.news() == ["* 1 FETCH (UID 1 FLAGS (\\Answered \\Seen))"]
    assert one.news() == []
    assert two.news() == []


def test_keyword_of_one_is_told_to_the_other_before_it_is_used(opened: Open) -> None:
    one, two = opened(), opened()
    one.do("STORE 1 +FLAGS.SILENT ($Junk)")
    assert two.news() == [
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work $Junk)",
        "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work $Junk \\*)] Flags that are kept",
        "* 1 FETCH (UID 1 FLAGS (\\Seen $Junk))",
    ]
    assert one.news() == []
    assert two.news() == []


def test_expunge_waits_for_a_command_that_may_tell_it(opened: Open) -> None:
    one, two = opened(), opened()
    one.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert one.do("EXPUNGE") == ["* 1 EXPUNGE", "OK EXPUNGE completed"]
    assert two.do("FETCH 1:3 (UID)") == [
        "* 2 FETCH (UID 2)",
        "* 3 FETCH (UID 5)",
        "OK [EXPUNGEISSUED] Some of the messages are gone",
    ]
    assert two.do("SEARCH ALL") == ["* SEARCH 2 3", "OK SEARCH completed"]
    assert two.do("STORE 1 +FLAGS (\\Seen)") == ["OK [EXPUNGEISSUED] Some of the messages are gone"]
    assert two.do("FETCH 1 BODY.PEEK[]") == ["NO [EXPUNGEISSUED] Some of the messages are gone"]
    assert two.news() == ["* 1 EXPUNGE"]
    assert two.do("FETCH 1 (UID)") == ["* 1 FETCH (UID 2)", "OK FETCH completed"]


def test_uid_commands_may_tell_it(opened: Open) -> None:
    one, two = opened(), opened()
    one.do("UID STORE 2 +FLAGS.SILENT (\\Deleted)")
    one.do("EXPUNGE")
    assert two.do("UID FETCH 5 (FLAGS)") == ["* 3 FETCH (UID 5 FLAGS ())", "* 2 EXPUNGE", "OK UID FETCH completed"]


def test_numbers_stay_while_an_expunge_waits_and_a_message_comes(opened: Open, home: Home) -> None:
    one, two = opened(), opened()
    one.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    one.do("EXPUNGE")
    drop(home, "761000000.M9P9.host", b"Subject: new\n\nnew\n")
    assert two.do("FETCH 2 (UID)")[:2] == ["* 2 FETCH (UID 2)", "* 4 EXISTS"]
    assert two.do("FETCH 4 (UID)") == ["* 4 FETCH (UID 6)", "OK FETCH completed"]
    assert two.news() == ["* 1 EXPUNGE"]
    assert two.do("FETCH 3 (UID)") == ["* 3 FETCH (UID 6)", "OK FETCH completed"]


def test_recent_belongs_to_one_session(opened: Open) -> None:
    one, two = opened(), opened()
    assert one.do("SEARCH RECENT") == ["* SEARCH 3", "OK SEARCH completed"]
    assert two.do("SEARCH RECENT") == ["* SEARCH", "OK SEARCH completed"]


def test_message_of_another_program_is_told(opened: Open, home: Home) -> None:
    one = opened()
    drop(home, "761000000.M9P9.host", b"Subject: new\n\nnew\n")
    assert one.news() == ["* 4 EXISTS", "* 2 RECENT"]
    assert one.do("UID FETCH 6 (RFC822.SIZE)") == ["* 4 FETCH (UID 6 RFC822.SIZE 21)", "OK UID FETCH completed"]


def test_message_removed_by_another_program_is_told(opened: Open, home: Home) -> None:
    one = opened()
    for path in Path(mailboxes.inbox(home), "cur").glob("*M2P1*"):
        path.unlink()
    assert one.news() == ["* 2 EXPUNGE"]


def test_expunge_is_told_with_the_refusal_of_a_command_by_uid(opened: Open) -> None:
    one, two = opened(), opened()
    one.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    one.do("EXPUNGE")
    assert two.do("UID FETCH 1 (BODY.PEEK[])") == [
        "* 1 EXPUNGE",
        "NO [EXPUNGEISSUED] Some of the messages are gone",
    ]


def test_flags_set_by_another_program_are_told(opened: Open, home: Home) -> None:
    one = opened()
    (path,) = Path(mailboxes.inbox(home), "cur").glob("*M1P1*")
    path.rename(path.with_name(path.name.replace(":2,S", ":2,FS")))
    assert one.news() == ["* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))"]


def test_message_that_vanishes_while_it_is_fetched(opened: Open, home: Home) -> None:
    one = opened()
    (path,) = Path(mailboxes.inbox(home), "cur").glob("*M1P1*")
    one.conn.before_offload = path.unlink
    lines = one.do("FETCH 1:2 (BODY.PEEK[HEADER.FIELDS.NOT (X)]<0.5>)")
    assert lines[0].startswith("* 2 FETCH ")
    assert lines[-1] == "NO [EXPUNGEISSUED] Some of the messages are gone"


def test_idle_is_told_at_once(opened: Open, home: Home) -> None:
    one, two = opened(), opened()
    assert one.do("IDLE") == ["+ idling"]
    drop(home, "761000000.M9P9.host", b"Subject: new\n\nnew\n")
    assert one.wake() == ["* 4 EXISTS", "* 2 RECENT"]
    two.do("UID STORE 1,2 +FLAGS (\\Deleted)")
    assert one.wake() == [
        "* 1 FETCH (UID 1 FLAGS (\\Deleted \\Seen))",
        "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Deleted $Work))",
    ]
    two.do("EXPUNGE")
    assert one.wake() == ["* 2 EXPUNGE", "* 1 EXPUNGE"]
    assert one.send(b"DONE\r\n")[-1].endswith("OK IDLE completed")
    assert one.conn.watches == []


def test_idle_watches_while_it_lasts(opened: Open, home: Home) -> None:
    one = opened()
    one.do("IDLE")
    (watch,) = one.conn.watches
    assert watch.directories == [f"{mailboxes.inbox(home)}/new", f"{mailboxes.inbox(home)}/cur"]


def test_copy_into_the_folder_of_another(opened: Open) -> None:
    one, two = opened(), opened("Archive")
    assert one.do("COPY 1:2 Archive")[-1].startswith("OK [COPYUID ")
    assert two.news()[0] == "* 2 EXISTS"


def test_move_out_under_another_session(opened: Open) -> None:
    one, two = opened(), opened()
    one.do("MOVE 2 Archive")
    assert two.news() == ["* 2 EXPUNGE"]
    assert two.do("UID MOVE 2 Archive") == ["OK UID MOVE completed"]


def test_new_keyword_of_one_is_readable_by_the_other(opened: Open) -> None:
    one, two = opened(), opened()
    one.do("STORE 1 +FLAGS (Fresh)")
    assert two.news()[-1] == "* 1 FETCH (UID 1 FLAGS (\\Seen Fresh))"


def test_examine_sees_the_changes_of_others(opened: Open) -> None:
    one, two = opened(), opened("")
    two.do("EXAMINE INBOX")
    one.do("STORE 1 -FLAGS (\\Seen)")
    assert two.news() == ["* 1 FETCH (UID 1 FLAGS ())"]
    assert two.do("FETCH 1 (BODY[TEXT]<0.5>)")[0] == "* 1 FETCH (BODY[TEXT]<0> {5}"
    assert one.news() == []


def test_selected_folder_deleted_by_another(opened: Open) -> None:
    one, two = opened("Archive"), opened()
    assert two.do("DELETE Archive")[-1] == "OK DELETE completed"
    assert one.do("NOOP") == ["* BYE The selected mailbox is gone", "OK NOOP completed"]
    assert one.over


def test_selected_folder_renumbered_by_another_program(opened: Open, home: Home) -> None:
    one = opened()
    os.unlink(os.path.join(mailboxes.inbox(home), "dovecot-uidlist"))
    shutil.copy(*listing(home))
    assert one.do("NOOP")[0] == "* BYE The selected mailbox is gone"


def test_client_that_vanishes_in_an_append_leaves_nothing(opened: Open, home: Home) -> None:
    one = opened()
    one.send(b"a APPEND INBOX {100}\r\n")
    one.send(b"half a message")
    one.send(b"")
    assert one.over
    assert len(mailboxes.stored(home)) == 3
    assert os.listdir(os.path.join(mailboxes.inbox(home), "tmp")) == []


def drop(home: Home, name: str, message: bytes) -> None:
    """Another program delivers."""
    tmp = Path(mailboxes.inbox(home), "tmp", name)
    tmp.write_bytes(message)
    tmp.rename(tmp.parent.parent / "new" / name)


def listing(home: Home) -> tuple[str, str]:
    """Another dovecot-uidlist, and where it belongs."""
    other = Path(home.path, "other-uidlist")
    other.write_text("3 V777 N9 G00112233445566778899aabbccddeeff\n")
    return str(other), os.path.join(mailboxes.inbox(home), "dovecot-uidlist")


def test_target_that_was_made_anew_by_another(opened: Open, home: Home) -> None:
    one, two = opened(), opened()
    assert one.do("COPY 1 Archive")[-1].startswith("OK [COPYUID ")
    two.do("DELETE Archive")
    assert one.do("COPY 1 Archive") == ["NO [TRYCREATE] There is no such mailbox"]
    two.do("CREATE Archive")
    assert one.do("COPY 1:2 Archive")[-1].startswith("OK [COPYUID ")
    assert two.do("STATUS Archive (MESSAGES)")[0] == "* STATUS Archive (MESSAGES 2)"
    assert len(mailboxes.stored(home, ".Archive")) == 2


def test_target_that_others_write_to_as_well(opened: Open) -> None:
    one, two = opened(), opened()
    for writer in (one, two, one, two):
        assert writer.do("COPY 1 Archive")[-1].startswith("OK [COPYUID ")
    assert one.do("STATUS Archive (MESSAGES UIDNEXT)")[0] == "* STATUS Archive (MESSAGES 4 UIDNEXT 5)"
