"""COMPRESS: whole answers come through, and no stream grows without end."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap import deflate
from mailkit.imap.deflate import Deflated
from tests.harness.transcript import FakeConn, run
from tests.imap import mailboxes
from tests.imap.pair import Client


def deflated(octets: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(octets) + packer.flush(zlib.Z_SYNC_FLUSH)


def test_session_goes_on_deflated(tmp_path: Path) -> None:
    client = Client(mailboxes.make(tmp_path))
    client.do("COMPRESS DEFLATE")
    start = len(client.conn.output)
    packer, unpacker = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
    said = b""
    for command in (b"a FETCH 1:2 (UID)\r\n", b"b COMPRESS DEFLATE\r\n", b"c STARTTLS\r\n", b"d LOGOUT\r\n"):
        client.conn.given.append(packer.compress(command) + packer.flush(zlib.Z_SYNC_FLUSH))
        client._run()
        said += unpacker.decompress(bytes(client.conn.output[start:]))
        start = len(client.conn.output)
        assert said.endswith(b"\r\n"), "all of an answer can be read when it is sent"
    assert said.split(b"\r\n")[:-1] == [
        b"* 1 FETCH (UID 1)",
        b"* 2 FETCH (UID 2)",
        b"a OK FETCH completed",
        b"b BAD Everything is deflated already",
        b"c BAD STARTTLS comes before the login",
        b"* BYE Until next time",
        b"d OK LOGOUT completed",
    ]
    assert client.over


@pytest.mark.parametrize("last", [zlib.Z_SYNC_FLUSH, zlib.Z_FINISH])
def test_unauthenticate_ends_it(tmp_path: Path, last: int) -> None:
    """RFC 8437 section 4.1. Who ends the stream as zlib knows it may send the next login right behind."""
    client = Client(mailboxes.make(tmp_path))
    client.do("COMPRESS DEFLATE")
    start = len(client.conn.output)
    packer, unpacker = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
    sent = packer.compress(b"a UNAUTHENTICATE\r\n") + packer.flush(last)
    ahead = last == zlib.Z_FINISH
    client.conn.given.append(sent + b"b LOGIN bob@example.test secret\r\n" if ahead else sent)
    client._run()
    said = unpacker.decompress(bytes(client.conn.output[start:]))
    assert said.startswith(b"a OK [CAPABILITY ") and said.endswith(b"Logged out\r\n")
    assert unpacker.eof
    plain = unpacker.unused_data.decode() if ahead else client.send(b"b LOGIN bob@example.test secret\r\n")[0]
    assert plain.startswith("b OK [CAPABILITY ") and "COMPRESS=DEFLATE" in plain
    assert client.do("COMPRESS DEFLATE") == ["OK DEFLATE begins"]


def test_rubbish_ends_the_session(tmp_path: Path) -> None:
    client = Client(mailboxes.make(tmp_path))
    client.do("COMPRESS DEFLATE")
    client.conn.given.append(b"\xff\xfe not deflated")
    client._run()
    assert client.over


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 40))
def test_every_octet_comes_out_once(blocks: list[bytes], cut: int) -> None:
    packer = zlib.compressobj(wbits=-15)
    sent = b"".join(packer.compress(block) + packer.flush(zlib.Z_SYNC_FLUSH) for block in blocks)
    conn = Deflated(FakeConn([sent[at : at + cut] for at in range(0, len(sent), cut)]))
    found = b""
    while data := run(conn.more()):
        found += data
    assert found == b"".join(blocks)


def test_a_small_stream_that_expands_comes_in_bounded_pieces() -> None:
    size = 40 * deflate.PIECE_OCTETS
    below = FakeConn([deflated(bytes(size))])
    turns: list[float] = []

    async def turn(seconds: float) -> None:
        turns.append(seconds)

    below.pause = turn  # type: ignore[method-assign]
    conn = Deflated(below)
    pieces = []
    while data := run(conn.more()):
        pieces.append(len(data))
    assert sum(pieces) == size
    assert max(pieces) <= deflate.PIECE_OCTETS
    assert turns == [0] * 40, "others have their turn after each piece"
