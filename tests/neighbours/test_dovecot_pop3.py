"""Dovecot's pop3 and ours over one Maildir: the same numbers, sizes, unique names and octets, whoever comes first."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.pop3.session import session
from tests.harness import programs, transcript
from tests.harness.transcript import FakeConn, FakeTls
from tests.pop3 import maildrops

pytestmark = pytest.mark.neighbour

_POP3 = "/usr/lib/dovecot/pop3"
_NOBODY = 65534
_CONFIG = """
protocols = pop3
ssl = no
mail_location = maildir:{maildir}
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = 1
first_valid_gid = 1
log_path = {directory}/log
base_dir = {directory}/run
state_dir = {directory}/state
"""
QUESTIONS = "STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nRETR 3\r\nTOP 2 0\r\n"


@pytest.fixture
def home() -> Iterator[Home]:
    directory = Path(tempfile.mkdtemp(prefix="mailkit-pop3-", dir="/tmp"))
    directory.chmod(0o755)
    home = maildrops.make(directory / "home")
    for place in ("", "domains", "domains/example.test", "domains/example.test/alice"):
        os.chmod(home.join(place), 0o755)
    (Path(maildrops.inbox(home)) / "new" / "1800000000.M1P1.host").write_bytes(b"A: b\n\n.dotted\n")
    yield home
    shutil.rmtree(directory)


def dovecots(home: Home, questions: str) -> list[str]:
    """What Dovecot's pop3 answers, logged in already; it runs as nobody when we are root."""
    uid = os.getuid() or _NOBODY
    directory = Path(home.path).parent
    if not os.path.exists(_POP3):
        programs.absent("Dovecot's pop3 is not installed")
    conf = directory / "dovecot.conf"
    conf.write_text(_CONFIG.format(directory=directory, maildir=maildrops.inbox(home), uid=uid))
    if os.getuid() == 0:
        for parent, _, names in os.walk(directory):
            for path in (parent, *(os.path.join(parent, name) for name in names)):
                os.chown(path, uid, uid)
    done = subprocess.run(
        [_POP3, "-c", conf, "-k"],
        input=f"{questions}QUIT\r\n".encode(),
        capture_output=True,
        env={"USER": "alice", "HOME": str(directory), "PATH": "/usr/bin:/bin"},
        timeout=30,
    )
    assert done.stdout.startswith(b"+OK"), done.stderr + (directory / "log").read_bytes()
    return _facts(done.stdout)


def ours(home: Home, questions: str) -> list[str]:
    """What our session answers."""
    conn = FakeConn([f"USER alice@example.test\r\nPASS secret\r\n{questions}QUIT\r\n".encode()], tls=FakeTls())
    transcript.run(session(conn, home))
    return _facts(bytes(conn.output))


def _facts(answer: bytes) -> list[str]:
    """The lines, without those that are each server's own words after +OK."""
    lines = answer.decode().split("\r\n")
    return [line for line in lines if not line.startswith("+OK") or re.fullmatch(r"\+OK \d+ \d+", line)]


@pytest.mark.parametrize("first", ["dovecot", "mailkit"])
def test_same_answers(home: Home, first: str) -> None:
    askers = [dovecots, ours] if first == "dovecot" else [ours, dovecots]
    answers = [asker(home, QUESTIONS) for asker in askers]
    assert answers[0] == answers[1]
    assert answers[0][0] == "+OK 4 392"
    assert any("00003039" in line for line in answers[0])


def test_names_that_dovecot_keeps_for_another_server(home: Home) -> None:
    path = Path(maildrops.inbox(home), "dovecot-uidlist")
    path.write_text(path.read_text().replace("\n2 :", "\n2 PUID25-1262304000 :"))
    theirs = dovecots(home, "UIDL\r\n")
    assert "2 UID25-1262304000" in theirs
    assert [line for line in ours(home, "UIDL\r\n") if line[:1].isdigit()] == [
        line for line in theirs if line[:1].isdigit()
    ]


def test_deleted_by_one_is_gone_for_the_other(home: Home) -> None:
    ours(home, "DELE 2\r\n")
    assert [line.split()[0] for line in dovecots(home, "UIDL\r\nDELE 1\r\n") if line[:1].isdigit()] == ["1", "2", "3"]
    left = [line for line in ours(home, "UIDL\r\n") if line[:1].isdigit()]
    assert left == ["1 0000000300003039", "2 0000000400003039"]
