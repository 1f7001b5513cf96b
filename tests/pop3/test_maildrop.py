"""The maildrop on disk: sizes, and a removal that is cut short anywhere."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from mailkit import files
from mailkit.control import Home
from mailkit.pop3 import maildrop
from mailkit.pop3.maildrop import Maildrop
from mailkit.users.passwd import User
from tests.harness.crash import crashes
from tests.pop3 import maildrops
from tests.pop3.maildrops import MESSAGES, SIZES


def user(home: Home) -> User:
    return User("alice@example.test", domains=home.domains)


def test_sizes_count_crlf(tmp_path: Path) -> None:
    home = maildrops.make(tmp_path)
    new = Path(maildrops.inbox(home), "new")
    (new / "1800000000.M1P1.host").write_bytes(b"A: b\r\n\r\nc\r\n")
    (new / "1800000001.M1P1.host,S=8,W=11").write_bytes(b"A: b\n\nc\n")
    drop = Maildrop(user(home))
    assert list(drop.sizes) == [*SIZES, 11, 11]
    assert drop.octets == sum(SIZES) + 22
    drop.close()


def test_delivery_goes_on_while_a_session_is_open(tmp_path: Path) -> None:
    home = maildrops.make(tmp_path)
    drop = Maildrop(user(home))
    with pytest.raises(maildrop.Busy):
        Maildrop(user(home))
    assert not list(Path(maildrops.inbox(home)).glob("*.lock/*"))
    assert not os.path.exists(os.path.join(maildrops.inbox(home), "dovecot-uidlist.lock"))
    drop.close()
    Maildrop(user(home)).close()


def test_removal_is_whole_wherever_it_dies(tmp_path: Path) -> None:
    """After the next login either all marked messages are gone or none is."""

    def quit_(directory: Path) -> None:
        drop = Maildrop(user(Home(str(directory))))
        try:
            drop.deleted |= {1, 3}
            drop.remove()
        finally:
            drop.close()

    outcomes = set()
    for crash in crashes(tmp_path, quit_, lambda directory: maildrops.make(directory)):
        home = Home(str(crash.directory))
        for lock in Path(maildrops.inbox(home)).glob("*.lock"):
            os.utime(lock, (0, 0))  # a lock of the dead is broken when it is old
        Maildrop(user(home)).close()
        left = maildrops.stored(home)
        assert left in ([MESSAGES[1]], list(MESSAGES)), crash
        assert not os.path.exists(os.path.join(maildrops.inbox(home), "mailkit-pop3.expunge")), crash
        outcomes.add(len(left))
        if crash.done:
            assert left == [MESSAGES[1]]
    assert outcomes == {1, 3}


def test_list_of_another_life_removes_nothing(tmp_path: Path, lines: list[str]) -> None:
    home = maildrops.make(tmp_path)
    path = Path(maildrops.inbox(home), "mailkit-pop3.expunge")
    path.write_text("V99\n1\n2\n")
    drop = Maildrop(user(home))
    assert drop.count == 3
    drop.close()
    assert not path.exists()
    assert any(line.startswith("maildrop ") for line in lines)


def test_damaged_list_is_no_reason_to_refuse(tmp_path: Path) -> None:
    home = maildrops.make(tmp_path)
    path = Path(maildrops.inbox(home), "mailkit-pop3.expunge")
    path.write_bytes(b"V12345\n1\nrubbish\xff\n")
    drop = Maildrop(user(home))
    assert drop.count == 3
    drop.close()
    assert not path.exists()


def test_message_that_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = maildrops.make(tmp_path)
    drop = Maildrop(user(home))
    drop.deleted |= {1, 2, 3}

    def refuse_the_second(call: str, path: str = "", *rest: object) -> None:
        if call == "unlink" and "/1700000002." in path:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)

    monkeypatch.setattr(files, "fault", refuse_the_second)
    with pytest.raises(PermissionError):
        drop.remove()
    drop.close()
    again = Maildrop(user(home))  # it is no reason to keep the user out
    assert MESSAGES[1] in maildrops.stored(home)
    again.close()


def test_maildir_that_is_not_there_yet(tmp_path: Path) -> None:
    home = maildrops.make(tmp_path)
    shutil.rmtree(maildrops.inbox(home))
    drop = Maildrop(user(home))
    assert (drop.count, drop.octets, drop.read_names()) == (0, 0, [])
    drop.close()
