"""Whatever a client sends, in whatever pieces: answers are well formed, nothing breaks, no mail is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.control import Home
from mailkit.pop3 import verbs
from mailkit.pop3.session import session
from tests.harness import transcript
from tests.harness.transcript import FakeConn, FakeTls
from tests.pop3 import maildrops

ARGUMENTS = st.sampled_from([b"", b" 1", b" 2", b" 3 1", b" 0", b" -1", b" 99999999999", b" x", b" *", b"  1 ", b" \xff"])
COMMANDS = st.tuples(st.sampled_from(sorted(verbs.TABLE.keys() - {b"STLS", b"AUTH"})), ARGUMENTS).map(b"".join)
LINES = st.lists(st.one_of(COMMANDS, COMMANDS, st.binary(max_size=20)), max_size=25)
STATUS = re.compile(rb"(\+OK|-ERR)( [^\r\n]*)?")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return maildrops.make(tmp_path_factory.mktemp("fuzz") / "home")


@given(LINES, st.booleans(), st.integers(min_value=1, max_value=50))
def test_any_dialogue(home: Home, lines: list[str], sent: list[bytes], logged_in: bool, piece: int) -> None:
    maildrops.fill(home)
    login = b"USER alice@example.test\r\nPASS secret\r\n" if logged_in else b""
    octets = login + b"".join(line + b"\r\n" for line in sent)
    pieces: list[object] = [octets[i : i + piece] for i in range(0, len(octets), piece)]
    conn = FakeConn(pieces, service="pop3", tls=FakeTls())
    transcript.run(session(conn, home))
    answers = _responses(bytes(conn.output))
    assert len(answers) <= 1 + octets.count(b"\n") + 1  # greeting, an answer to each line, a last word
    assert not [line for line in lines if line.startswith("broken ")]
    if not any(line.upper().startswith(b"QUIT") for line in sent):
        assert len(maildrops.stored(home)) == len(maildrops.MESSAGES)


def _responses(output: bytes) -> list[bytes]:
    """The status lines of an output that is nothing but responses."""
    assert output.endswith(b"\r\n")
    lines = output[:-2].split(b"\r\n")
    assert STATUS.fullmatch(lines[0])
    found = []
    many = False
    for line in lines:
        if many:
            many = line != b"."
        elif STATUS.fullmatch(line):
            found.append(line)
        else:
            many = True  # the first line of a body: the status line before announced it
            many = line != b"."
    assert not many
    return found
