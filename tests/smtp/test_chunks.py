"""DATA and BDAT put the same message into the queue, however it was chunked and cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.control import Home
from tests.harness.transcript import FakeConn
from tests.smtp.worlds import codes, dotted, queued, talk, world

HEAD = b"EHLO c.example\r\nMAIL FROM:<a@b.example> BODY=8BITMIME\r\nRCPT TO:<bob@example.test>\r\n"

texts = st.lists(st.sampled_from([b"a", b".", b"\n", b"..", b"\n\n", b"\xff", b"x" * 70_000]), max_size=12).map(
    lambda parts: b"Subject: x\n\n" + b"".join(parts) + b"\n"
)
sizes = st.lists(st.sampled_from([0, 1, 2, 7, 100, 70_000]), max_size=12)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return world(tmp_path_factory.mktemp("chunks"))


def pieces(data: bytes, lengths: list[int]) -> list[bytes]:
    out = []
    for length in lengths:
        out.append(data[:length])
        data = data[length:]
    return [*out, data]


def message(home: Home, *sent: bytes) -> bytes:
    """What is in the queue after a session that sent these octets, without our Received; the queue is empty again."""
    conn: FakeConn = talk(home, *[piece for piece in sent if piece])
    assert codes(conn)[-1] == "250", conn.output
    ((_, found),) = queued(home)
    for path in [*Path(home.queue, "new").iterdir(), *Path(home.queue, "ready").iterdir()]:
        path.unlink()
    return found[found.index(b"Subject: x") :]


@given(texts, sizes, sizes)
def test_bdat_keeps_the_text(home: Home, text: bytes, chunks: list[int], cuts: list[int]) -> None:
    wire = text.replace(b"\n", b"\r\n")
    parts = pieces(wire, chunks)
    sent = [b"BDAT %d%s\r\n" % (len(part), b" LAST" if i == len(parts) - 1 else b"") + part for i, part in enumerate(parts)]
    assert message(home, *pieces(HEAD + b"".join(sent), cuts)) == text


@given(texts, sizes)
def test_data_keeps_the_text(home: Home, text: bytes, cuts: list[int]) -> None:
    assert message(home, HEAD + b"DATA\r\n", *pieces(dotted(text), cuts)) == text
