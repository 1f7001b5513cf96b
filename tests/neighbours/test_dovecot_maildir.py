"""One Maildir, Dovecot and us in turns: same UIDVALIDITY, UIDs, flags, keywords; nothing lost, nothing renumbered.

Dovecot's imap is run on a pipe, logged in already (it refuses to be root: then it runs as uid 65534).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.maildir import marks, tree
from mailkit.maildir.folder import Folder
from tests.harness import programs
from tests.maildir import boxes

pytestmark = pytest.mark.neighbour

_IMAP = "/usr/lib/dovecot/imap"
_NOBODY = 65534
_CONFIG = """
protocols = imap
ssl = no
mail_location = maildir:{home}/Maildir
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = 1
first_valid_gid = 1
log_path = {home}/log
base_dir = {home}/run
state_dir = {home}/state
namespace inbox {{
  inbox = yes
  separator = /
}}
"""
State = dict[int, tuple[frozenset[str], bytes]]


class Dovecot:
    """Dovecot's imap over one Maildir."""

    def __init__(self, home: str, user: str = "bob") -> None:
        self.home = home
        self.user = user
        self.uid = os.getuid() or _NOBODY
        Path(home, "conf").write_text(_CONFIG.format(home=home, uid=self.uid))

    def __call__(self, *commands: str) -> str:
        """Run commands in one session; everything it answered. Fails when a command did."""
        self.hand_over()
        text = "".join(f"a{n} {command}\r\n" for n, command in enumerate((*commands, "LOGOUT")))
        done = subprocess.run(
            [_IMAP, "-c", f"{self.home}/conf", "-k"],
            input=text.encode(),
            capture_output=True,
            env={"USER": self.user, "HOME": self.home, "PATH": "/usr/bin:/bin"},
            timeout=30,
        )
        answer = done.stdout.decode("latin-1")
        for n in range(len(commands) + 1):
            assert re.search(rf"^a{n} OK", answer, re.M), answer + self.log()
        return answer

    def hand_over(self) -> None:
        """Give it everything we made, when we are root."""
        if os.getuid() == 0:
            for directory, _, found in os.walk(self.home):
                os.chown(directory, self.uid, self.uid)
                for name in found:
                    os.chown(f"{directory}/{name}", self.uid, self.uid)

    def log(self) -> str:
        """What it complained of."""
        path = Path(self.home, "log")
        return path.read_text("latin-1") if path.exists() else ""

    def state(self, box: str = "INBOX") -> tuple[int, State]:
        """UIDVALIDITY, and flags and Subject of each UID."""
        answer = self(f"SELECT {box}", "UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        found: State = {}
        pattern = (
            r"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) BODY\[HEADER.FIELDS \(SUBJECT\)\] \{\d+\}\r\nSubject: (.*)\r"
        )
        for uid, flags, subject in re.findall(pattern, answer):
            found[int(uid)] = (frozenset(flags.split()) - {"\\Recent"}, subject.encode())
        validity = re.search(r"UIDVALIDITY (\d+)", answer)
        assert validity is not None
        return int(validity[1]), found


def ours(directory: str) -> tuple[int, State]:
    """The same as we see it."""
    folder = boxes.alone(directory)
    folder.view().close()
    found: State = {}
    for uid, flags in boxes.flags_of(folder).items():
        subject = re.search(rb"^Subject: (.*)$", folder.read(uid), re.M)
        assert subject is not None
        found[uid] = (frozenset(flags.decode().split()), subject[1])
    return folder.uidvalidity, found


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    programs.need("dovecot")
    if not os.path.exists(_IMAP):
        programs.absent(f"{_IMAP} is not installed")
    home = tempfile.mkdtemp(prefix="dovecot-")
    os.chmod(home, 0o755)
    boxes.make(Path(home, "Maildir"))
    yield Dovecot(home)
    shutil.rmtree(home)


def theirs_turn(dovecot: Dovecot, turn: int) -> None:
    text = f"Subject: theirs {turn}\r\n\r\nbody\r\n"
    dovecot(
        f"APPEND INBOX (\\Flagged their{turn % 5}) {{{len(text)}+}}\r\n{text}",
        "SELECT INBOX",
        f"STORE 1 +FLAGS (\\Answered $Theirs{turn % 3})",
        "STORE * -FLAGS (\\Flagged)",
        "COPY 2 INBOX",
        "STORE 3 +FLAGS (\\Deleted)",
        "EXPUNGE",
    )


def our_turn(directory: str, turn: int) -> None:
    folder = boxes.alone(directory)
    folder.view().close()
    uids = list(folder.table.uids)
    folder.store(uids[:2], add=folder.mask([b"\\Seen", b"$Ours%d" % (turn % 3)]), remove=marks.ANSWERED)
    boxes.append(folder, 2, marks.DRAFT)
    folder.expunge(uids[2:3])
    boxes.deliver(directory, 1)


def test_ten_turns_each_keep_every_uid_flag_and_keyword(dovecot: Dovecot) -> None:
    directory = f"{dovecot.home}/Maildir"
    boxes.deliver(directory, 4)
    validity, expected = dovecot.state()
    assert len(expected) == 4
    highest = max(expected)
    for turn in range(10):
        assert ours(directory) == (validity, expected), dovecot.log()
        our_turn(directory, turn)
        mine = ours(directory)
        assert dovecot.state() == mine, dovecot.log()
        assert all(uid > highest for uid in mine[1].keys() - expected.keys())
        highest = max(highest, *mine[1])
        theirs_turn(dovecot, turn)
        validity, expected = dovecot.state()
        assert validity == mine[0]
        assert all(uid > highest for uid in expected.keys() - mine[1].keys())
        highest = max(highest, *expected)
    assert len(expected) > 15
    complaints = [
        line for line in dovecot.log().splitlines() if re.search("Error|Warning|Panic|Broken|Duplicate", line)
    ]
    assert complaints == []


def test_both_at_once_on_one_folder(dovecot: Dovecot) -> None:
    """Our session stays open while Dovecot works in the folder."""
    directory = f"{dovecot.home}/Maildir"
    boxes.deliver(directory, 5)
    folder = boxes.alone(directory)
    view = folder.view()
    for turn in range(4):
        theirs_turn(dovecot, turn)
        folder.sync()
        view.changes()
        assert list(view.uids[: view.count]) == sorted(dovecot.state()[1])
        folder.store(list(folder.table.uids)[-1:], add=marks.SEEN)
        boxes.append(folder)
    assert ours(directory) == dovecot.state(), dovecot.log()


def test_folders_subscriptions_and_names_are_shared(dovecot: Dovecot) -> None:
    root = tree.Tree(f"{dovecot.home}/Maildir")
    root.create("Lists/Grüße & co")
    root.subscribe("Lists/Grüße & co")
    root.create("Sent")
    answer = dovecot('LIST "" *', 'LSUB "" *', "CREATE Theirs/Box", "SUBSCRIBE Theirs/Box", "SUBSCRIBE INBOX")
    assert '"Lists/Gr&APwA3w-e &- co"' in answer
    assert re.search(r'LSUB .*"Lists/Gr&APwA3w-e &- co"', answer)
    assert root.names() == ["INBOX", "Lists/Grüße & co", "Sent", "Theirs/Box"]
    assert root.subscriptions() == {"Lists/Grüße & co", "Theirs/Box", "INBOX"}
    dovecot("RENAME Theirs/Box Mine")
    assert root.exists("Mine")
    root.rename("Mine", "Theirs/Again")
    assert "Theirs/Again" in dovecot('LIST "" *')


def test_adopting_keeps_their_guid_and_pop3_extensions(dovecot: Dovecot) -> None:
    directory = f"{dovecot.home}/Maildir"
    boxes.deliver(directory, 3)
    dovecot.state()
    path = Path(directory, "dovecot-uidlist")
    path.write_bytes(path.read_bytes().replace(b"\n2 :", b"\n2 Ppop3-uidl O7 :"))
    guid = re.search(rb"G([0-9a-f]{32})", path.read_bytes())
    folder: Folder = boxes.alone(directory)
    folder.sync()
    assert guid is not None
    assert folder.guid == guid[1].decode()
    name = os.path.basename(folder.path(1))
    os.rename(folder.path(1), f"{directory}/tmp/x")
    folder.sync()
    os.rename(f"{directory}/tmp/x", f"{directory}/cur/{name}")
    folder.sync()  # it comes back: the list is written anew, without its old line
    assert list(folder.table.uids) == [2, 3, 4]
    assert b"\n1 " not in path.read_bytes()
    assert b"\n2 Ppop3-uidl O7 :" in path.read_bytes()
