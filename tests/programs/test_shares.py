"""mailkit-shares, and the public folder that an administrator makes as mailkit-imapd(8) says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.programs import shares
from mailkit.users import shares as users_shares
from tests.harness.servers import environment, program
from tests.imap import mailboxes
from tests.imap.pair import Client

PAGE = Path(__file__).parents[2] / "man" / "mailkit-imapd.8"
ALICE = "alice@example.test"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    made = mailboxes.make(tmp_path)
    monkeypatch.setenv("MAILKIT_HOME", made.path)
    return made


def test_what_is_shared(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    alice = Client(home, "")
    alice.do("SETACL Archive bob@example.test lr")
    alice.do("SETACL INBOX -$sales w")
    alice.do("SETACL INBOX owner lra")
    assert shares.main([]) == 0
    lines = f"{ALICE}\tINBOX\t-group=sales\tw\n{ALICE}\tArchive\tuser=bob@example.test\tlr\n"
    assert capsys.readouterr().out == lines
    assert shares.main(["--json", ALICE]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[1]) == {
        "owner": ALICE, "folder": "Archive", "identifier": "user=bob@example.test", "rights": "lr",
    }  # fmt: skip
    assert shares.main(["bob@example.test"]) == 0
    assert capsys.readouterr().out == ""
    assert shares.main(["ghost@example.test"]) == 100


def test_the_index_is_made_anew(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    maildir = Path(mailboxes.inbox(home))
    (maildir / ".Archive" / "dovecot-acl").write_text("user=bob@example.test lr\nowner lrwstipekxa\n")
    (maildir / ".Sent" / "dovecot-acl").write_text("rubbish\n")
    users_shares.rebuild(home, [])
    bob = Client(home, "", user="bob")
    assert "Archive" not in "".join(bob.do('LIST "" *'))
    assert shares.main(["--rebuild"]) == 100
    said = capsys.readouterr()
    assert said.out == f"1 entries in {home.path}/run/shared\n"
    assert ".Sent/dovecot-acl: line 1" in said.err
    assert "Archive" in "".join(bob.do('LIST "" *'))
    assert shares.main(["--rebuild", ALICE]) == 100


def test_a_public_folder_as_the_page_says(home: Home) -> None:
    (example,) = re.findall(r"\.Bd -literal -offset indent\n(cd [^\n]*/domains/.*?)\.Ed", PAGE.read_text(), re.DOTALL)
    commands = [line for line in example.splitlines() if not line.startswith("chown ")]
    script = "\n".join(commands).replace("/var/lib/mailkit", home.path).replace("example.org", "example.test")
    subprocess.run(["bash", "-e", "-c", script.replace("carol@", "alice@")], check=True)
    message = b"From: eve@example.net\nSubject: offer\n\nHow much?\n"
    sent = program("local", "--home", home.path, "-f", "eve@example.net", "sales@example.test")
    subprocess.run(sent, input=message, env=environment(), check=True, timeout=30)
    bob = Client(home, "", user="bob")
    assert '* LIST (\\HasNoChildren) "/" Public/Sales' in bob.do('LIST "" *')
    assert bob.do("SELECT Public/Sales")[-1] == "OK [READ-ONLY] Read only"
    assert "offer" in "".join(bob.do("FETCH 1 ENVELOPE"))
    alice = Client(home, "")
    assert alice.do("SELECT Public/Sales")[-1] == "OK [READ-WRITE] Selected"
    assert alice.do("STORE 1 +FLAGS (\\Flagged)")[0] == "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent))"
