"""The save date stays whatever happens to a message in its folder, and is new in every folder it comes to."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.harness import fakeclock
from tests.imap import mailboxes
from tests.imap.pair import Client


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return mailboxes.make(tmp_path)


def dates(client: Client) -> list[str]:
    return re.findall(r'SAVEDATE ("[^"]*"|NIL)', "\n".join(client.do("UID FETCH 1:* (SAVEDATE)")))


def test_date_outlives_flags_and_the_index(home: Home) -> None:
    client = Client(home)
    before = dates(client)
    client.do("STORE 1:3 +FLAGS.SILENT (\\Flagged Kept)")
    (path,) = Path(mailboxes.inbox(home), "cur").glob("*M1P1*")
    path.rename(path.with_name(path.name.partition(":")[0] + ":2,"))
    assert dates(client) == before
    client.do("LOGOUT")
    for path in Path(mailboxes.inbox(home)).glob("mailkit-*"):
        path.unlink()
    assert dates(Client(home)) == before


def test_date_is_that_of_the_copy(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    fakeclock.install(monkeypatch, 1_000_000_000.0)
    client = Client(home)
    client.do("COPY 1 Archive")
    client.do("SELECT Archive")
    assert dates(client) == ['" 9-Sep-2001 01:46:40 +0000"']


def test_name_without_a_time_has_the_date_of_arrival(home: Home) -> None:
    path = Path(mailboxes.inbox(home), "new", "odd-name")
    path.write_bytes(b"Subject: odd\n\n")
    os.utime(path, (86400, 86400))
    assert '" 2-Jan-1970 00:00:00 +0000"' in dates(Client(home))
