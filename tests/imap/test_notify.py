"""Who follows folders is told what others do there, at once, and nothing else (RFC 5465)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import files, log
from mailkit.control import Home
from mailkit.imap.folders import following
from mailkit.maildir.tree import Tree
from tests.harness import fakeclock
from tests.harness.homes import set_control
from tests.imap import mailboxes
from tests.imap.pair import Client


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return mailboxes.make(tmp_path)


@pytest.fixture
def other(home: Home) -> Client:
    """Another session of the same user, with INBOX selected."""
    return Client(home)


def follow(home: Home, groups: str, select: str = "", *before: str) -> Client:
    """A session that follows these."""
    client = Client(home, select)
    for command in before:
        client.do(command)
    assert client.do(f"NOTIFY SET {groups}")[-1] == "OK NOTIFY completed"
    return client


def plain(lines: list[str]) -> list[str]:
    """Without what differs from run to run."""
    return [re.sub(r"(UIDVALIDITY|HIGHESTMODSEQ) \d{6,}", r"\1 n", line) for line in lines]


def deliver(home: Home, folder: str = "", name: str = "1000000000.M1P7.host") -> None:
    """What an MDA does."""
    Path(mailboxes.inbox(home), folder, "new", name).write_bytes(b"From: carol@example.net\nSubject: new\n\ntext\n")


MESSAGES = "(MessageNew MessageExpunge FlagChange)"


# The selected folder.


def test_new_message_is_told_between_commands_with_what_was_asked(home: Home) -> None:
    client = follow(home, "(selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (Subject)]) MessageExpunge))", "INBOX")
    deliver(home)
    assert client.wake() == [
        "* 4 EXISTS",
        "* 2 RECENT",
        "* 4 FETCH (UID 6 BODY[HEADER.FIELDS (Subject)] {16}",
        "Subject: new",
        "",
        ")",
    ]
    assert client.wake() == []


def test_what_is_fetched_unasked_is_not_read(home: Home) -> None:
    client = follow(home, "(selected (MessageNew (FLAGS BODY[]) MessageExpunge))", "INBOX")
    deliver(home)
    assert any("FLAGS (\\Recent)" in line for line in client.wake())
    assert client.do("SEARCH UNSEEN")[0] == "* SEARCH 2 3 4"


def test_flags_and_removals_are_told_between_commands(home: Home, other: Client) -> None:
    client = follow(home, f"(selected {MESSAGES})", "INBOX")
    other.do("STORE 1 +FLAGS.SILENT (\\Flagged)")
    assert client.wake() == ["* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))"]
    other.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.do("EXPUNGE")
    assert client.wake() == ["* 1 EXPUNGE"]


def test_delayed_removals_wait_for_a_command_that_allows_them(home: Home, other: Client) -> None:
    client = follow(home, f"(selected-delayed {MESSAGES})", "INBOX")
    other.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.do("EXPUNGE")
    deliver(home)
    assert client.wake() == ["* 4 EXISTS", "* 0 RECENT"], "numbers stay"
    assert client.do("FETCH 4 (UID)")[0] == "* 4 FETCH (UID 6)"
    assert client.do("NOOP") == ["* 1 EXPUNGE", "OK NOOP completed"]


def test_delayed_removals_are_told_in_idle(home: Home, other: Client) -> None:
    client = follow(home, f"(selected-delayed {MESSAGES})", "INBOX")
    other.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.do("EXPUNGE")
    client.wake()
    assert client.do("IDLE") == ["+ idling", "* 1 EXPUNGE"]


def test_events_that_are_not_asked_for_are_not_told(home: Home, other: Client) -> None:
    client = follow(home, "(selected (MessageNew MessageExpunge))", "INBOX")
    other.do("STORE 1 +FLAGS.SILENT (\\Flagged)")
    assert client.wake() == []
    assert client.news() == []
    deliver(home)
    assert client.wake() == ["* 4 EXISTS", "* 0 RECENT"]


@pytest.mark.parametrize("command", ["NOTIFY NONE", "NOTIFY SET (selected NONE)", f"NOTIFY SET (subtree x {MESSAGES})"])
def test_numbers_stand_still_where_nothing_is_followed(home: Home, other: Client, command: str) -> None:
    client = Client(home)
    client.do(command)
    deliver(home)
    other.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.do("EXPUNGE")
    assert client.news() == []
    assert client.do("SEARCH ALL")[0] == "* SEARCH 2 3"
    assert client.do("NOTIFY SET (selected (MessageNew MessageExpunge))")[:-1] == [
        "* 1 EXPUNGE",
        "* 3 EXISTS",
        "* 0 RECENT",
    ]


def test_own_messages_are_counted_and_not_fetched(home: Home) -> None:
    client = follow(home, "(selected (MessageNew (UID) MessageExpunge))", "INBOX")
    deliver(home)
    lines = client.do("COPY 1 INBOX")
    assert [line for line in lines if "EXISTS" in line] == ["* 5 EXISTS"]
    assert [line for line in lines if "FETCH" in line] == ["* 5 FETCH (UID 7)"], "that of somebody else's"


def test_removals_are_vanished_with_qresync(home: Home, other: Client) -> None:
    client = follow(home, f"(selected {MESSAGES})", "", "ENABLE QRESYNC")
    client.do("SELECT INBOX")
    other.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.do("EXPUNGE")
    assert client.wake() == ["* VANISHED 1"]


def test_uidonly_is_told_by_uid(home: Home, other: Client) -> None:
    client = follow(home, "(selected (MessageNew (FLAGS) MessageExpunge FlagChange))", "", "ENABLE UIDONLY")
    client.do("SELECT INBOX")
    deliver(home)
    other.do("STORE 2 +FLAGS.SILENT (\\Seen)")
    assert client.wake() == [
        "* 4 EXISTS",
        "* 0 RECENT",
        "* 6 UIDFETCH (FLAGS ())",
        "* 2 UIDFETCH (FLAGS (\\Flagged \\Seen $Work))",
    ]


def test_selected_folder_that_goes_ends_the_session(home: Home) -> None:
    client = follow(home, f"(selected {MESSAGES})", "Archive")
    Tree(mailboxes.inbox(home)).delete("Archive")
    assert client.wake() == ["* BYE The selected mailbox is gone"]
    assert client.over


# Other folders.


def test_messages_of_other_folders_are_told_as_status(home: Home) -> None:
    client = follow(home, f"(subtree Sent {MESSAGES})")
    Tree(mailboxes.inbox(home)).create("Sent/2024")
    deliver(home, ".Sent.2024")
    assert plain(client.wake()) == ["* STATUS Sent/2024 (MESSAGES 1 UIDNEXT 2 UIDVALIDITY n HIGHESTMODSEQ n)"]
    deliver(home, ".Sent")
    deliver(home, ".Archive")
    assert plain(client.wake()) == ["* STATUS Sent (MESSAGES 1 UIDNEXT 2 UIDVALIDITY n UNSEEN 1)"]


def test_flags_of_other_folders_are_told_with_condstore(home: Home, other: Client) -> None:
    plainly = follow(home, f"(mailboxes INBOX {MESSAGES})")
    exactly = follow(home, f"(mailboxes INBOX {MESSAGES})", "", "ENABLE CONDSTORE")
    other.do("STORE 1 +FLAGS.SILENT (\\Flagged)")
    assert plainly.wake() == []
    assert plain(exactly.wake()) == ["* STATUS INBOX (UIDVALIDITY 12345 HIGHESTMODSEQ n)"]
    other.do("STORE 2 +FLAGS.SILENT (\\Seen)")
    assert plainly.wake() == ["* STATUS INBOX (UIDVALIDITY 12345 UNSEEN 1)"]
    assert plain(exactly.wake()) == ["* STATUS INBOX (UIDVALIDITY 12345 UNSEEN 1 HIGHESTMODSEQ n)"]


def test_the_selected_folder_is_not_told_of_twice(home: Home, other: Client) -> None:
    client = follow(home, f"(selected {MESSAGES}) (personal {MESSAGES})", "INBOX")
    other.do("STORE 1 +FLAGS.SILENT (\\Flagged)")
    assert client.wake() == ["* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))"]
    client.do("UNSELECT")
    deliver(home)
    assert plain(client.wake()) == ["* STATUS INBOX (MESSAGES 4 UIDNEXT 7 UIDVALIDITY 12345 UNSEEN 3)"]


def test_own_messages_in_other_folders_are_not_told(home: Home) -> None:
    client = follow(home, f"(personal {MESSAGES})", "INBOX")
    client.do("COPY 1:2 Archive")
    assert client.wake() == []
    client.do("COPY 1:2 Archive")
    deliver(home, ".Archive")
    assert plain(client.wake()) == ["* STATUS Archive (MESSAGES 5 UIDNEXT 6 UIDVALIDITY n UNSEEN 3)"]


def test_changes_within_one_tick_of_the_clock_are_all_told(home: Home) -> None:
    client = follow(home, f"(mailboxes Archive {MESSAGES})")
    for number in range(1, 20):
        deliver(home, ".Archive", f"1000000000.M{number}P7.host")
        assert f"MESSAGES {number} " in client.wake()[0]


def test_subscribed_folders_are_those_of_the_moment(home: Home, other: Client) -> None:
    client = follow(home, f"(subscribed {MESSAGES})")
    other.do("UNSUBSCRIBE Archive")
    deliver(home, ".Archive")
    assert client.wake() == []
    other.do("SUBSCRIBE Archive")
    client.wake()
    deliver(home, ".Archive", "1000000001.M1P7.host")
    assert plain(client.wake())[0].startswith("* STATUS Archive (MESSAGES 2 ")


# Names.


def test_names_that_come_and_go(home: Home, other: Client) -> None:
    client = follow(home, "(personal (MailboxName))")
    other.do("CREATE Work")
    assert client.wake() == ['* LIST (\\HasNoChildren) "/" Work']
    other.do("CREATE Work/2024")
    assert client.wake() == ['* LIST (\\HasChildren) "/" Work', '* LIST (\\HasNoChildren) "/" Work/2024']
    other.do("RENAME Work Projects")
    assert client.wake() == ['* LIST (\\HasChildren) "/" Projects ("OLDNAME" (Work))'], "those below go with it"
    other.do("DELETE Projects/2024")
    assert client.wake() == [
        '* LIST (\\HasNoChildren) "/" Projects',
        '* LIST (\\NonExistent \\HasNoChildren) "/" Projects/2024',
    ]


def test_only_the_names_that_are_followed(home: Home, other: Client) -> None:
    client = follow(home, "(subtree Work (MailboxName)) (mailboxes Old (MailboxName))")
    other.do("CREATE Other")
    other.do("CREATE Work/x")
    assert client.wake() == [
        '* LIST (\\NonExistent \\HasChildren) "/" Work',
        '* LIST (\\HasNoChildren) "/" Work/x',
    ]
    other.do("CREATE Old")
    client.wake()
    other.do("RENAME Old Elsewhere")
    assert client.wake() == ['* LIST (\\HasNoChildren) "/" Elsewhere ("OLDNAME" (Old))']


def test_subscriptions(home: Home, other: Client) -> None:
    client = follow(home, "(personal (SubscriptionChange))")
    other.do("UNSUBSCRIBE Archive")
    assert client.wake() == ['* LIST (\\HasNoChildren \\Archive) "/" Archive']
    other.do("SUBSCRIBE Archive")
    assert client.wake() == ['* LIST (\\HasNoChildren \\Subscribed \\Archive) "/" Archive']


def test_own_changes_of_names_are_not_told(home: Home) -> None:
    client = follow(home, f"(personal (MailboxName SubscriptionChange {MESSAGES[1:]})")
    for command in ("CREATE a/b", "SUBSCRIBE a/b", "RENAME a c", "UNSUBSCRIBE a/b", "DELETE c/b"):
        assert client.do(command)[-1].startswith("OK"), command
        assert client.wake() == []


# Annotations.


def test_annotations(home: Home, other: Client) -> None:
    client = follow(home, "(mailboxes INBOX (MailboxMetadataChange)) (personal (ServerMetadataChange))")
    other.do('SETMETADATA INBOX (/private/comment "x" /shared/comment "y")')
    other.do('SETMETADATA Archive (/private/comment "x")')
    assert client.wake() == ["* METADATA INBOX /private/comment /shared/comment"]
    other.do("SETMETADATA INBOX (/shared/comment NIL)")
    assert client.wake() == ["* METADATA INBOX /shared/comment"]
    set_control(home, "imapmetadata", "/shared/comment Hello")
    assert client.wake() == ['* METADATA "" /shared/comment']


# Searches that go on.


@pytest.mark.parametrize(
    "options", ["UPDATE (UID BODY[HEADER.FIELDS (Subject)])", "COUNT UPDATE(UID BODY[HEADER.FIELDS (Subject)])"]
)
def test_search_that_goes_on_fetches_what_comes_into_it(home: Home, other: Client, options: str) -> None:
    client = Client(home)
    assert client.do(f"UID SEARCH RETURN ({options}) FROM carol UNSEEN")[-1] == "OK UID SEARCH completed"
    deliver(home)
    Path(mailboxes.inbox(home), "new", "1000000001.M1P7.host").write_bytes(b"From: dave@example.org\n\nx\n")
    assert client.news() == [
        "* 5 EXISTS",
        "* 0 RECENT",
        "* 4 FETCH (UID 6 BODY[HEADER.FIELDS (Subject)] {16}",
        "Subject: new",
        "",
        ")",
        '* ESEARCH (TAG "t2") UID ADDTO (0 6)',
    ]
    other.do("UID STORE 1 -FLAGS.SILENT (\\Seen)")
    assert client.news() == [
        "* 1 FETCH (UID 1 FLAGS ())",
        '* ESEARCH (TAG "t2") UID ADDTO (0 1)',
    ], "what only changed is not fetched"


# Other users' folders.


def test_shared_folder_is_told_of_while_it_may_be_read(home: Home) -> None:
    alice = Client(home)
    alice.do("SETACL Archive bob@example.test lr")
    bob = Client(home, "", user="bob")
    box = "Other Users/alice@example.test/Archive"
    assert bob.do(f'NOTIFY SET (mailboxes "{box}" {MESSAGES}) (personal (MailboxName))') == ["OK NOTIFY completed"]
    deliver(home, ".Archive", "1000000000.M1P1.host")
    assert plain(bob.wake()) == [f'* STATUS "{box}" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY n UNSEEN 1)']
    alice.do("SETACL Archive bob@example.test l")
    deliver(home, ".Archive", "1000000000.M2P1.host")
    assert bob.wake() == []
    assert bob.do(f'NOTIFY SET STATUS (mailboxes "{box}" {MESSAGES})')[0] == f'* LIST (\\NoAccess) "/" "{box}"'
    alice.do("SETACL Archive bob@example.test lr")
    deliver(home, ".Archive", "1000000000.M3P1.host")
    assert plain(bob.wake()) == [f'* STATUS "{box}" (MESSAGES 3 UIDNEXT 4 UIDVALIDITY n HIGHESTMODSEQ n)']
    alice.do("DELETEACL Archive bob@example.test")
    deliver(home, ".Archive", "1000000000.M4P1.host")
    assert bob.wake() == []


# Limits and trouble.


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(following, "FOLDERS_MOST", 6)
    yield


@pytest.mark.usefixtures("few")
def test_more_than_can_be_followed_is_refused_or_ends_it(home: Home, other: Client) -> None:
    client = follow(home, f"(personal {MESSAGES})")
    other.do("CREATE a/b")
    assert client.wake() == ["* OK [NOTIFICATIONOVERFLOW] There is more than we can follow"]
    deliver(home)
    assert client.do("NOOP") == ["OK NOOP completed"]
    assert client.conn.watches == []
    assert client.do(f"NOTIFY SET (personal {MESSAGES})") == [
        "NO [NOTIFICATIONOVERFLOW] That is more than we can follow"
    ]


def test_a_refused_command_leaves_what_was(home: Home) -> None:
    client = follow(home, f"(mailboxes Archive {MESSAGES})")
    client.do("NOTIFY SET (personal (AnnotationChange))")
    deliver(home, ".Archive")
    assert plain(client.wake()) == ["* STATUS Archive (MESSAGES 1 UIDNEXT 2 UIDVALIDITY n UNSEEN 1)"]


def test_one_watch_whatever_happens(home: Home) -> None:
    client = follow(home, f"(selected {MESSAGES}) (personal {MESSAGES})", "INBOX")
    for command in ("SELECT Archive", "UNSELECT", "CREATE x", f"NOTIFY SET (personal {MESSAGES})"):
        client.do(command)
        assert len(client.conn.watches) == 1, command
    client.do("IDLE")
    assert len(client.conn.watches) == 1
    client.send(b"DONE\r\n")
    client.do("NOTIFY NONE")
    assert client.conn.watches == []
    client.do(f"NOTIFY SET (personal {MESSAGES})")
    client.do("LOGOUT")
    assert client.conn.watches == []


def test_trouble_with_the_disk_is_not_the_end(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(log, "sink", lines.append)
    client = follow(home, f"(mailboxes Archive {MESSAGES})")

    def refuse(path: str) -> None:
        raise OSError(5, os.strerror(5), path)

    deliver(home, ".Archive")
    with monkeypatch.context() as patch:
        patch.setattr(following.folders, "status", refuse)
        assert client.wake() == []
    assert any(line.startswith("trouble") and "command=NOTIFY" in line for line in lines)
    assert plain(client.wake()) == ["* STATUS Archive (MESSAGES 1 UIDNEXT 2 UIDVALIDITY n UNSEEN 1)"]


def test_deleted_index_is_no_news(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    client = follow(home, f"(personal {MESSAGES})", "", "ENABLE CONDSTORE")
    fakeclock.install(monkeypatch)
    for path in Path(mailboxes.inbox(home)).glob("mailkit-*"):
        files.unlink(str(path))
    assert not [line for line in client.wake() if "MESSAGES" in line]


def test_folder_that_is_made_slowly_is_told_of_when_it_is_one(home: Home) -> None:
    client = follow(home, "(personal (MailboxName))")
    directory = Path(mailboxes.inbox(home), ".Slow")
    directory.mkdir()
    assert client.wake() == []
    assert str(directory) in client.conn.watches[0].directories
    for part in ("cur", "new", "tmp"):
        (directory / part).mkdir()
    assert client.wake() == ['* LIST (\\HasNoChildren) "/" Slow']


def test_change_before_the_watch_was_there_is_told_of(home: Home, other: Client) -> None:
    client = follow(home, f"(personal {MESSAGES})")
    watch = client.conn.watch

    def late(directories: list[str]) -> object:
        if any(path.endswith(".New/cur") for path in directories):
            deliver(home, ".New", f"{len(os.listdir(Path(mailboxes.inbox(home), '.New', 'new')))}.M1P1.host")
        return watch(directories)

    client.conn.watch = late  # type: ignore[method-assign, assignment]
    other.do("CREATE New")
    assert plain(client.wake()) == ["* STATUS New (MESSAGES 1 UIDNEXT 2 UIDVALIDITY n UNSEEN 1)"]


# Whatever happens, who follows everything knows everything.


class Follower:
    """A client that follows all there is, and believes what it is told."""

    def __init__(self, home: Home) -> None:
        self.client = Client(home, "")
        self.client.do("ENABLE QRESYNC UIDONLY")
        self.client.do("SELECT INBOX")
        fetched = "\n".join(self.client.do("UID FETCH 1:* (FLAGS)"))
        self.flags = {int(uid): flags_in(found) for uid, found in re.findall(FETCHED, fetched)}
        listed = "\n".join(self.client.do('LIST "" "*" RETURN (SUBSCRIBED)'))
        self.names = {
            name: "\\Subscribed" in found for found, name in re.findall(LISTED, listed) if "NonExistent" not in found
        }
        self.counts: dict[str, int] = {}
        told = self.client.do(f"NOTIFY SET STATUS (selected {MESSAGES.replace('New', 'New (FLAGS)')}) (personal {ALL})")
        self.learn(told)

    def learn(self, lines: list[str]) -> None:
        """What the server says."""
        for line in lines:
            for uid, found in re.findall(FETCHED, line):
                self.flags[int(uid)] = flags_in(found)
            for found in re.findall(r"^\* VANISHED (\S+)", line):
                gone = [tuple(map(int, part.split(":"))) for part in found.split(",")]
                self.flags = {u: f for u, f in self.flags.items() if not any(p[0] <= u <= p[-1] for p in gone)}
            for found, name in re.findall(LISTED, line):
                self.names.pop(name, None)
                for old in re.findall(r'OLDNAME" \(([^)]*)\)', line):
                    self.rename(old, name)
                if "NonExistent" not in found:
                    self.names[name] = "\\Subscribed" in found
                    self.counts.setdefault(name, 0)
                else:
                    self.counts.pop(name, None)
            for name, count in re.findall(r"^\* STATUS (\S+) \(MESSAGES (\d+)", line):
                self.counts[name] = int(count)

    def rename(self, old: str, new: str) -> None:
        """Those below go with it; a subscription stays with the old name (RFC 9051 section 6.3.6)."""
        for kept in (self.names, self.counts):
            for name in [name for name in kept if name == old or name.startswith(f"{old}/")]:
                kept[new + name[len(old) :]] = kept.pop(name)  # type: ignore[index, assignment]


ALL = "(MailboxName SubscriptionChange MessageNew MessageExpunge FlagChange)"
FETCHED = r"\* (\d+) UIDFETCH \(FLAGS \(([^)]*)\)"
LISTED = r'\* LIST \(([^)]*)\) "/" (\S+)'


def flags_in(text: str) -> frozenset[str]:
    return frozenset(text.split()) - {"\\Recent"}


FOLDERS = ["Archive", "a", "a/b", "c"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.sampled_from(["", ".Archive", ".a", ".a.b", ".c"]), st.just("")),
        st.tuples(
            st.sampled_from(["CREATE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE"]), st.sampled_from(FOLDERS), st.just("")
        ),
        st.tuples(st.just("RENAME"), st.sampled_from(FOLDERS), st.sampled_from(FOLDERS)),
        st.tuples(st.just("COPY"), st.sampled_from(["1", "2", "1:*"]), st.sampled_from(["INBOX", *FOLDERS])),
        st.tuples(st.just("STORE"), st.sampled_from(["1", "2"]), st.sampled_from(["+FLAGS (\\Deleted)", "FLAGS (x)"])),
        st.tuples(st.just("EXPUNGE"), st.just(""), st.just("")),
        st.tuples(st.just("own COPY"), st.sampled_from(["1:*"]), st.sampled_from(FOLDERS)),
        st.tuples(st.just("wake"), st.just(""), st.just("")),
    ),
    max_size=15,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return mailboxes.make(tmp_path_factory.mktemp("follow"))


@given(steps=STEPS)
def test_who_follows_everything_knows_everything(shared: Home, steps: list[tuple[str, str, str]]) -> None:
    mailboxes.fill(shared)
    follower, other = Follower(shared), Client(shared)
    for number, (what, one, two) in enumerate(steps):
        if what == "deliver":
            if Path(mailboxes.inbox(shared), one, "new").is_dir():
                deliver(shared, one, f"1000000{number:03d}.M1P1.host")
        elif what == "own COPY":
            follower.learn(follower.client.do(f"UID COPY {one} {two}"))
        elif what == "wake":
            follower.learn(follower.client.wake())
        else:
            other.do(f"{what} {one} {two}".strip())
            follower.learn(follower.client.wake() if what == "RENAME" else [])
    follower.learn(follower.client.wake())
    fresh = Follower(shared)
    assert follower.flags == fresh.flags
    assert follower.names.keys() == fresh.names.keys()
    if not any(what == "RENAME" for what, _, _ in steps):  # of folders below nothing is told, subscriptions neither
        assert follower.names == fresh.names
    own = {two for what, _, two in steps if what == "own COPY"}
    for name in fresh.counts.keys() - own:
        assert follower.counts.get(name, 0) == fresh.counts[name]
