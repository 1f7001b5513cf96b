"""Whole sessions as dialogues, each replayed whole, octet by octet and cut at random."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.imap.session import session
from mailkit.users.passwd import Passwd
from tests.harness.homes import set_control
from tests.harness.transcript import FakeTls, replay
from tests.imap import mailboxes

TRANSCRIPTS = sorted(Path(__file__).with_name("transcripts").glob("*.txt"))


def kwargs(name: str) -> dict[str, object]:
    """How the connection is, by the first part of the file's name: most dialogues begin logged in over a pipe."""
    if name.startswith("tls-"):
        return {"service": "imaps", "tls": FakeTls()}
    if name.startswith("clear-"):
        return {"service": "imap"}
    return {"service": "imap", "peer": "", "can_starttls": False}


LIMITS = {
    "quota": "userdb_quota_rule=*:storage=2K:messages=4",
    "quota-mailbox": "userdb_quota_mailbox_count=7",
    "tls-referral": "imap_referral=imap2.example.test:1143",
}
"""What alice's line says besides, by the dialogue."""


def limit_alice(home: Home, limit: str) -> None:
    passwd = Path(home.passwd)
    passwd.write_text(passwd.read_text().replace("{PLAIN}secret::::::", f"{{PLAIN}}secret::::::{limit}", 1))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path, tmp_path: Path) -> None:
    home = mailboxes.make(tmp_path)
    stranger = path.stem.startswith(("tls-", "clear-", "pipe-"))
    if path.stem in LIMITS:
        limit_alice(home, LIMITS[path.stem])
    user = None if stranger else Passwd(home).lookup("alice@example.test")
    if path.stem in ("messagelimit", "savelimit"):
        set_control(home, path.stem, "2")
    dialogue = path.read_text("utf-8")

    def fresh() -> None:
        mailboxes.fill(home)
        if path.stem == "tls-public":
            mailboxes.publish(home)

    replay(lambda conn: session(conn, home, user), dialogue, fresh=fresh, **kwargs(path.stem))
