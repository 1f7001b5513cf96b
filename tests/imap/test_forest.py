"""The folders of others: no name leads out of the trees, nothing is shown that is not granted, and rights count at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.control import Home
from mailkit.imap.folders import forest
from mailkit.imap.responses import No
from mailkit.maildir import acl, tree
from mailkit.users import edit, shares
from mailkit.users.passwd import Passwd
from tests.harness.homes import set_control
from tests.imap import mailboxes
from tests.imap.pair import Client

ARCHIVE = '"Other Users/alice@example.test/Archive"'
PIECES = st.lists(st.sampled_from([
    "Other Users", "Public", "/", "..", ".", "alice@example.test", "bob@example.test", "INBOX", "inbox", "Sent", "@public",
    "%2F", "%2f..%2F", "\0", "&AC8-", "&AC4-", "*", "%", "a", "é", "\ud800", " ", "\\", "domains", "tmp", "cur",
]) | st.text(max_size=3), max_size=9).map("".join)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return mailboxes.make(tmp_path)


@pytest.fixture(scope="module")
def grove(tmp_path_factory: pytest.TempPathFactory) -> Iterator[forest.Forest]:
    home = mailboxes.make(tmp_path_factory.mktemp("grove"))
    mailboxes.publish(home)
    bob = Passwd(home).lookup("bob@example.test")
    assert bob is not None
    yield forest.Forest(home, bob)


@given(PIECES)
def test_no_name_leads_out_of_the_trees(grove: forest.Forest, name: str) -> None:
    try:
        found = grove.locate(name)
        directory = found.directory
    except (No, ValueError):
        return
    domain = os.path.join(os.path.realpath(grove.home.domains), "example.test")
    roots = [f"{domain}/{user}" for user in ("bob/Maildir", "alice/Maildir", "@public/Maildir")]
    assert any(directory in (root, f"{root}/{os.path.basename(directory)}") for root in map(os.path.normpath, roots))
    assert os.path.basename(directory)[:1] == "." or directory in roots
    assert os.path.normpath(directory) == directory
    mine = found.tree.maildir.endswith("bob/Maildir")
    assert found.who.owner == mine
    if found.tree.maildir.endswith("alice/Maildir"):
        assert found.rights() == ""


@given(PIECES)
def test_whatever_is_done_with_a_name_others_folders_stay(grove: forest.Forest, name: str) -> None:
    alice = Path(mailboxes.inbox(grove.home))
    before = sorted(alice.iterdir())
    for doing in (grove.create, grove.delete, lambda name: grove.rename(name, "x"), lambda name: grove.rename("x", name)):
        try:
            doing(name)
        except (No, ValueError, FileExistsError, FileNotFoundError):
            continue
    assert sorted(alice.iterdir()) == before
    assert sorted(entry.name for entry in Path(mailboxes.public(grove.home)).iterdir()) == [".News", "dovecot-acl"]


def test_a_folder_of_ones_own_goes_before(home: Home) -> None:
    mailboxes.publish(home)
    bob = Path(mailboxes.inbox(home, "bob"))
    (bob / ".Public.News" / "cur").mkdir(parents=True)
    client = Client(home, "", user="bob")
    assert [line for line in client.do('LIST "" "*"') if "News" in line] == [
        '* LIST (\\HasNoChildren) "/" Public/News'
    ]
    assert client.do("MYRIGHTS Public/News")[0] == "* MYRIGHTS Public/News lrwstipekxacd"


def test_rights_are_gone_at_once(home: Home) -> None:
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    alice.do("SETACL Archive bob@example.test lrswi")
    assert bob.do(f"SELECT {ARCHIVE}")[-1] == "OK [READ-WRITE] Selected"
    bob.send(b'a APPEND %b {1+}\r\nx\r\n' % ARCHIVE.encode())
    alice.do("SETACL Archive bob@example.test lr")
    assert bob.do("STORE 1 +FLAGS (\\Flagged)") == ["NO [NOPERM] You have no right to change flags"]
    alice.do("DELETEACL Archive bob@example.test")
    assert bob.do("NOOP") == ["* BYE The selected mailbox is gone", "OK NOOP completed"]
    assert bob.over


def test_reading_leaves_no_trace_without_the_right(home: Home) -> None:
    alice, bob = Client(home), Client(home, "", user="bob")
    alice.do("SETACL INBOX bob@example.test lrw")
    assert bob.do('SELECT "Other Users/alice@example.test/INBOX"')[-1].startswith("OK [READ-WRITE]")
    assert bob.do("FETCH 2 (BODY[HEADER.FIELDS (To)])")[-1] == "OK FETCH completed"
    assert alice.do("FETCH 2 FLAGS")[0] == "* 2 FETCH (FLAGS (\\Flagged $Work))"
    alice.do("SETACL INBOX bob@example.test +s")
    bob.do("FETCH 2 (BODY[HEADER.FIELDS (To)])")
    assert "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen $Work))" in alice.news()


def test_flags_that_may_not_be_set_are_lost_on_the_way(home: Home) -> None:
    alice, bob = Client(home), Client(home, "INBOX", user="bob")
    alice.do("SETACL Archive bob@example.test lri")
    bob.send(b"a APPEND INBOX (\\Seen \\Flagged new) {1+}\r\nx\r\n")
    bob.send(b"a APPEND %b (\\Seen \\Deleted other) {1+}\r\nx\r\n" % ARCHIVE.encode())
    bob.news()
    assert bob.do(f"COPY 1 {ARCHIVE}")[-1].startswith("OK [COPYUID")
    assert bob.do(f"MOVE 1 {ARCHIVE}")[-1] == "OK MOVE completed"
    alice.do("SELECT Archive")
    assert [line.partition(" FETCH ")[2] for line in alice.do("FETCH 1:* FLAGS")[:3]] == ["(FLAGS ())"] * 3
    assert not Path(mailboxes.inbox(home), ".Archive", "dovecot-keywords").exists()


def test_a_raised_quota_counts_at_once(home: Home) -> None:
    def set_quota(rule: str) -> None:
        edit.change(home, "alice@example.test", lambda user: user.fields.update(userdb_quota_rule=f"*:storage={rule}"))

    set_quota("2K")
    alice = Client(home)
    assert alice.send(b"a APPEND INBOX {2000}\r\n") == ["a NO [OVERQUOTA] There is no room for it: remove something first"]
    set_quota("9K")
    assert alice.send(b"a APPEND INBOX {2000+}\r\n" + b"x" * 2000 + b"\r\n")[-1].startswith("a OK ")


def test_what_is_stored_counts_for_the_owner(home: Home) -> None:
    passwd = Path(home.passwd)
    rule = "::::::userdb_quota_rule=*:storage=2K"
    passwd.write_text(passwd.read_text().replace("{PLAIN}secret::::::", f"{{PLAIN}}secret{rule}", 1))
    alice, bob = Client(home), Client(home, "INBOX", user="bob")
    alice.do("SETACL Archive bob@example.test lite")
    assert bob.do(f"GETQUOTAROOT {ARCHIVE}") == ["NO [NOPERM] You have no right to do that"]
    assert bob.do('GETQUOTA "alice@example.test"') == ["NO [NONEXISTENT] There is no such quota root"]
    alice.do("SETACL Archive bob@example.test +r")
    root = '* QUOTA "alice@example.test" (STORAGE 1 2)'
    assert bob.do(f"GETQUOTAROOT {ARCHIVE}")[:2] == [f'* QUOTAROOT {ARCHIVE} "alice@example.test"', root]
    assert bob.do('GETQUOTA "alice@example.test"')[0] == root
    said = bob.send(b"a APPEND %b {2000}\r\n" % ARCHIVE.encode())
    assert said == ["a NO [OVERQUOTA] There is no room for it: remove something first"]
    bob.send(b"a APPEND INBOX {2000+}\r\n" + b"x" * 2000 + b"\r\n")
    bob.news()
    assert bob.do(f"MOVE 1 {ARCHIVE}") == ["NO [OVERQUOTA] There is no room for it: remove something first"]
    bob.send(b"a APPEND %b {600+}\r\n" % ARCHIVE.encode() + b"x" * 600 + b"\r\n")
    assert alice.do('GETQUOTA ""')[0] == '* QUOTA "" (STORAGE 2 2)'
    bob.do(f"SELECT {ARCHIVE}")
    assert bob.do("MOVE 1 INBOX")[-1] == "OK MOVE completed"
    assert alice.do('GETQUOTA ""')[0] == '* QUOTA "" (STORAGE 1 2)'


@pytest.mark.parametrize(("pattern", "looks"), [
    ("INBOX", False), ("%", True), ("*", True), ("Sent*", False), ("Other Users/%", True), ("Other Users", True),
    ("Other*", True), ("Oth%Users/*", True), ("Public/*", False), ("Other Users/alice@example.test/Archive", True),
])  # fmt: skip
def test_who_does_not_ask_for_others_does_not_wait_for_them(
    home: Home, monkeypatch: pytest.MonkeyPatch, pattern: str, looks: bool
) -> None:
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    alice.do("SETACL Archive bob@example.test lr")
    asked: list[Home] = []
    owners = shares.owners
    monkeypatch.setattr(shares, "owners", lambda home, user: asked.append(home) or owners(home, user))
    said = bob.do(f'LIST "" "{pattern}"')
    assert bool(asked) == looks
    assert ("Other" in "".join(said)) == looks


def test_groups(home: Home) -> None:
    passwd = Path(home.passwd)
    lines = passwd.read_text().splitlines()
    passwd.write_text("\n".join(line + "userdb_acl_groups=sales" if line.startswith("bob") else line for line in lines))
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    alice.do("SETACL Archive $sales lr")
    assert bob.do(f"MYRIGHTS {ARCHIVE}")[0].endswith(" lr")
    alice.do("SETACL Archive bob@example.test lrwa")
    alice.do("SETACL Archive !$sales l")
    assert bob.do(f"MYRIGHTS {ARCHIVE}")[0].endswith(" l")


def test_public_folders_may_have_a_limit(home: Home) -> None:
    mailboxes.publish(home)
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    assert alice.do("GETQUOTAROOT Public/News")[:-1] == ["* QUOTAROOT Public/News"]
    set_control(home, "publicquota", "2K")
    root = '* QUOTA "@public@example.test" (STORAGE 0 2)'
    assert bob.do("GETQUOTAROOT Public/News")[:2] == ['* QUOTAROOT Public/News "@public@example.test"', root]
    assert bob.do('GETQUOTA "@public@example.test"')[0] == root
    alice.do("CREATE Public/More")
    assert alice.send(b"a APPEND Public/News {1500+}\r\n" + b"x" * 1500 + b"\r\n")[0].startswith("a OK ")
    assert alice.send(b"a APPEND Public/More {1500}\r\n")[0].startswith("a NO [OVERQUOTA]")
    alice.do("SELECT Public/News")
    assert alice.do("MOVE 1 INBOX")[-1] == "OK MOVE completed"
    assert bob.do('GETQUOTA "@public@example.test"')[0] == root
    set_control(home, "sharing", "no")
    assert bob.do('GETQUOTA "@public@example.test"')[-1].startswith("NO [NONEXISTENT]")


def test_nobody_looks_into_a_system_users_directories(home: Home) -> None:
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    alice.do("SETACL Archive bob@example.test lr")
    assert bob.do(f"EXAMINE {ARCHIVE}")[-1].startswith("OK ")
    passwd = Path(home.passwd)
    passwd.write_text(passwd.read_text().replace("secret::::::", f"secret:{os.geteuid() + 1}:1::::", 1))
    assert bob.do(f"EXAMINE {ARCHIVE}")[-1] == "NO [NONEXISTENT] There is no such mailbox"
    assert "alice" not in "".join(bob.do('LIST "" *'))
    passwd.write_text(passwd.read_text().replace(f"secret:{os.geteuid() + 1}:", f"secret:{os.geteuid()}:", 1))
    assert bob.do(f"EXAMINE {ARCHIVE}")[-1].startswith("OK ")


def test_no_sharing(home: Home) -> None:
    mailboxes.publish(home)
    alice = Client(home, "")
    alice.do("SETACL Archive bob@example.test lr")
    set_control(home, "sharing", "no")
    bob = Client(home, "", user="bob")
    assert bob.do("NAMESPACE")[0] == '* NAMESPACE (("" "/")) NIL NIL'
    assert [line for line in bob.do('LIST "" *') if line.startswith("*")] == ['* LIST (\\HasNoChildren) "/" INBOX']
    assert bob.do(f"SELECT {ARCHIVE}")[-1].startswith("NO ")
    assert alice.do("SETACL Archive bob@example.test lrw") == ["NO [CANNOT] Folders cannot be shared here"]


def test_a_dovecot_maildir_keeps_its_rights(home: Home) -> None:
    (Path(mailboxes.inbox(home)) / ".Archive" / acl.NAME).write_text("user=bob@example.test lr\n")
    bob = Client(home, "", user="bob")
    assert "Archive" in "".join(bob.do('LIST "" *'))
    assert bob.do(f"EXAMINE {ARCHIVE}")[-1] == "OK [READ-ONLY] Read only"


def test_a_lost_index_is_made_anew(home: Home) -> None:
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    bob.do('LIST "" *')
    index = Path(home.join("run", "shared"))
    assert list(index.iterdir()) == []
    alice.do("SETACL Archive bob@example.test lr")
    assert [path.name for path in index.rglob("*")] == ["user=bob@example.test", "alice@example.test"]
    shutil.rmtree(index)
    alice.do("SETACL Sent bob@example.test lr")
    said = "".join(bob.do('LIST "" *'))
    assert "Archive" in said and "Sent" in said
    alice.do("DELETEACL Sent bob@example.test")
    assert list(index.rglob("alice*")) != []
    alice.do("DELETEACL Archive bob@example.test")
    assert list(index.rglob("*")) == []


def test_the_index_keeps_what_another_entry_needs(home: Home) -> None:
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    bob.do('LIST "" *')
    for identifier, other in (("$sales", "!$sales"), ("anyone", "authenticated")):
        alice.do(f"SETACL Archive {identifier} lr")
        alice.do(f"SETACL Sent {other} lr")
        alice.do(f"DELETEACL Archive {identifier}")
        assert len(list(Path(home.join("run", "shared")).rglob("alice*"))) == 1
        alice.do(f"DELETEACL Sent {other}")
        assert list(Path(home.join("run", "shared")).rglob("*")) == []


def test_what_was_taken_from_a_public_folder_does_not_come_back(home: Home) -> None:
    mailboxes.publish(home)
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    alice.do("SETACL Public/News bob@example.test lra")
    for identifier in ("anyone", "alice@example.test", "bob@example.test"):
        assert bob.do(f"DELETEACL Public/News {identifier}") == ["OK DELETEACL completed"]
    assert (Path(mailboxes.public(home)) / ".News" / acl.NAME).read_bytes() == b""
    assert bob.do("GETACL Public/News") == ["NO [NONEXISTENT] There is no such mailbox"]
    assert alice.do("MYRIGHTS Public/News") == ["NO [NONEXISTENT] There is no such mailbox"]


def test_an_index_that_cannot_be_made_shows_nothing(home: Home) -> None:
    shutil.rmtree(home.run)
    bob = Client(home, "", user="bob")
    assert bob.do('LIST "" *')[-1] == "OK LIST completed"


def test_new_folders_have_the_rights_of_the_one_above(home: Home) -> None:
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    alice.do("SETACL Archive bob@example.test lrkx")
    name = ARCHIVE[:-1] + '/2024"'
    assert bob.do(f"CREATE {name}")[-1].startswith("OK ")
    assert alice.do("GETACL Archive/2024")[0].endswith(" bob@example.test lrkxc")
    assert bob.do(f"RENAME {name} {ARCHIVE[:-1]}/2025\"") == ["OK RENAME completed"]
    assert bob.do(f"DELETE {ARCHIVE[:-1]}/2025\"") == ["OK DELETE completed"]
    alice.do("CREATE Archive/2026")
    alice.do("DELETE Archive/2026")
    tree.Tree(mailboxes.inbox(home)).create("Archive/2026")
    assert bob.do(f'STATUS {ARCHIVE[:-1]}/2026" (MESSAGES)') == ["NO [NONEXISTENT] There is no such mailbox"]


def test_urls_of_a_folder_are_its_owners(home: Home) -> None:
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    alice.send(b"a APPEND Archive {1+}\r\nx\r\n")
    alice.do("SETACL Archive bob@example.test lr")
    made = alice.do('GENURLAUTH "imap://alice%40example.test@mail.example.test/Archive/;UID=1;URLAUTH=anonymous" INTERNAL')
    url = made[0].removeprefix("* GENURLAUTH ")
    path = ARCHIVE.strip('"').replace(" ", "%20").replace("@", "%40")
    asked = f'"imap://bob%40example.test@mail.example.test/{path}/;UID=1;URLAUTH=anonymous" INTERNAL'
    assert bob.do(f"GENURLAUTH {asked}")[-1].startswith(("NO ", "BAD "))
    assert bob.do("RESETKEY")[-1].startswith("OK ")
    assert bob.do(f"RESETKEY {ARCHIVE} INTERNAL")[-1].startswith("NO [NOPERM]")
    assert bob.do(f"URLFETCH {url}")[1] == "x"


def test_at_most_so_many_identifiers(home: Home) -> None:
    alice = Client(home, "")
    for number in range(acl.ENTRIES_MOST):
        assert alice.do(f"SETACL Archive $g{number} l") == ["OK SETACL completed"]
    assert alice.do("SETACL Archive $more l") == ["NO [LIMIT] A mailbox has at most 200 identifiers"]
