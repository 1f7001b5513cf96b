"""SORT and THREAD say the same whether the cache of their numbers is there, old, foreign or missing."""

from __future__ import annotations

from pathlib import Path

from mailkit.maildir import facts
from tests.imap import mailboxes
from tests.imap.pair import Client

COMMANDS = ("SORT (DATE) UTF-8 ALL", "UID SORT (REVERSE DATE) UTF-8 2:30", "THREAD REFERENCES UTF-8 ALL",
            "UID THREAD REFS UTF-8 UNSEEN", "THREAD ORDEREDSUBJECT UTF-8 5:*")  # fmt: skip


def fill(home_path: Path) -> Path:
    """Alice's INBOX with 40 more messages in it."""
    maildir = Path(mailboxes.inbox(mailboxes.make(home_path)))
    for number in range(40):
        day = number * 7 % 28 + 1
        text = f"Subject: {'re: ' * (number % 3)}topic {number % 5}\nDate: {day} Mar 1994 10:00:00 +0000\n"
        text += f"Message-ID: <m{number}@x>\nReferences: <m{number // 2}@x> <m{number - 3}@x>\n\n"
        (maildir / "new" / f"77{number:07}.M1P1.host").write_text(text)
    return maildir


def answers(home_path: Path) -> list[str]:
    from mailkit.control import Home

    client = Client(Home(str(home_path)))
    found = [client.do(command)[0] for command in COMMANDS]
    client.close()
    return found


def test_cache_changes_no_answer(tmp_path: Path) -> None:
    maildir = fill(tmp_path)
    first = answers(tmp_path)
    cache = maildir / facts.NAME
    assert cache.stat().st_mode & 0o777 == 0o600
    assert len(facts.read(str(maildir), 12345)) == 43
    assert answers(tmp_path) == first
    cache.write_bytes(b"rubbish")
    assert answers(tmp_path) == first
    cache.unlink()
    assert answers(tmp_path) == first


def test_messages_that_came_and_went(tmp_path: Path) -> None:
    maildir = fill(tmp_path)
    answers(tmp_path)
    for path in sorted((maildir / "cur").iterdir())[::9]:
        path.unlink()
    for number in range(30):
        (maildir / "new" / f"78{number:07}.M1P1.host").write_text(f"Subject: later {number}\nIn-Reply-To: <m1@x>\n\n")
    with_cache = answers(tmp_path)
    assert len(facts.read(str(maildir), 12345)) == 73
    (maildir / facts.NAME).unlink()
    assert answers(tmp_path) == with_cache
