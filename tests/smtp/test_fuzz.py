"""Whatever a client sends, in whatever pieces: whole replies, no exception, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.homes import make_home
from tests.smtp.worlds import left_over, set_control, talk

words = st.sampled_from(
    [
        b"EHLO a.example\r\n", b"HELO a\r\n", b"LHLO a\r\n", b"MAIL FROM:<a@b.example>", b"MAIL FROM:<>", b" SIZE=10",
        b" BODY=BINARYMIME", b" SMTPUTF8", b" RET=FULL", b"\r\n", b"RCPT TO:<bob@example.test>\r\n",
        b"RCPT TO:<nobody@example.test>\r\n", b"DATA\r\n", b"\r\n.\r\n", b".", b"\n", b"\r", b"\0", b"BDAT 5\r\n",
        b"BDAT 3 LAST\r\n", b"BDAT 0 LAST\r\n", b"RSET\r\n", b"NOOP\r\n", b"STARTTLS\r\n", b"QUIT\r\n", b"AUTH PLAIN",
        b"AUTH LOGIN\r\n", b"VRFY bob\r\n", b"HELP\r\n", b"Subject: x\r\n\r\n", b"\xff\xfe", b"x" * 3000, b"<", b">",
        b"XCLIENT ADDR=1\r\n", b"\xc3\xa9",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz")
    home = make_home(path)
    set_control(home, "policy", "relay")
    set_control(home, "tarpit", "0")
    set_control(home, "authdelay", "0")
    set_control(home, "barefrom", "192.0.2.9")
    return path


@settings(max_examples=200)
@given(
    st.lists(st.one_of(words, words, words, st.binary(max_size=8)), max_size=40).map(b"".join),
    st.lists(st.integers(1, 40), max_size=40),
    st.sampled_from(["mx", "lmtp", "submission"]),
    st.sampled_from(["192.0.2.1", "192.0.2.9", ""]),
)
def test_any_octets_in_any_pieces(place: Path, data: bytes, cuts: list[int], service: str, peer: str) -> None:
    from mailkit import log
    from mailkit.control import Home

    home = Home(str(place))
    pieces = []
    for size in cuts:
        pieces.append(data[:size])
        data = data[size:]
    seen: list[str] = []
    log.sink = seen.append
    conn = talk(home, *[piece for piece in [*pieces, data] if piece], service=service, peer=peer)
    assert not [line for line in seen if line.startswith("broken")], seen
    said = bytes(conn.output)
    assert said.endswith(b"\r\n")
    for line in said[:-2].split(b"\r\n"):
        assert line[:3].isdigit() and line[3:4] in (b" ", b"-") and b"\n" not in line and len(line) <= 510
    assert left_over(home) == []
