"""The receiving engine: what it gives never depends on how the input was cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.smtp.wire import BadLine, ChunkText, DotText, Receiver, TooLong
from tests.smtp.worlds import dotted


def commands(receiver: Receiver, data: bytes, cuts: list[int], limit: int = 100) -> list[bytes | str]:
    """Every command line of `data`, or the name of the error in its place."""
    out: list[bytes | str] = []
    for piece in pieces(data, cuts):
        receiver.feed(piece)
        while True:
            try:
                line = receiver.command(limit)
            except TooLong:
                out.append("too long")
                continue
            except BadLine as error:
                out.append(str(error))
                continue
            if line is None:
                break
            out.append(line)
    return out


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    out = []
    for size in cuts:
        out.append(data[:size])
        data = data[size:]
    return [*out, data]


def received(data: bytes, cuts: list[int], repair: bool = False) -> tuple[bytes, bytes, str, bool]:
    """(text, what follows it, flaw, ended) of `data` read as the text after DATA."""
    receiver, decoder, text = Receiver(), DotText(repair), b""
    for piece in pieces(data, cuts):
        receiver.feed(piece)
        while len(receiver) and not decoder.ended:
            text += receiver.text(decoder)
    return text, receiver.take(len(receiver)), decoder.flaw, decoder.ended


cuts_of = st.lists(st.integers(0, 30), max_size=40)
one_by_one = [1] * 200


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (b"NOOP\r\nQUIT\r\n", [b"NOOP", b"QUIT"]),
        (b"NOOP\nQUIT\r\n", ["bare LF", b"QUIT"]),
        (b"NO\rOP\r\nQUIT\r\n", ["bare CR", b"QUIT"]),
        (b"NO\0OP\r\n", ["NUL"]),
        (b"NOOP\r\r\n", ["bare CR"]),
        (b"\r\n", [b""]),
        (b"x" * 98 + b"\r\n", [b"x" * 98]),
        (b"x" * 99 + b"\r\nQUIT\r\n", ["too long", b"QUIT"]),
        (b"x" * 5000 + b"\r\nQUIT\r\n", ["too long", b"QUIT"]),
    ],
)
@pytest.mark.parametrize("cuts", [[], one_by_one, [99, 1, 1, 1]])
def test_command_lines(data: bytes, want: list[bytes | str], cuts: list[int]) -> None:
    assert commands(Receiver(), data, cuts) == want


def test_listed_peer_may_end_a_command_with_lf() -> None:
    assert commands(Receiver(repair=True), b"NOOP\nQUIT\r\n", []) == [b"NOOP", b"QUIT"]


def test_clear_forgets_what_came_before_tls() -> None:
    receiver = Receiver()
    receiver.feed(b"MAIL FROM:<evil@example.test>\r\n" + b"x" * 500)
    receiver.clear()
    assert commands(receiver, b"EHLO me\r\n", []) == [b"EHLO me"]


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\n"),
        (b"a\r\n.\r\n", b"a\n"),
        (b"..\r\n.\r\n", b".\n"),
        (b"a\r\n..b\r\n...\r\n.\r\n", b"a\n.b\n..\n"),
        (b".x\r\n.\r\n", b"x\n"),
        (b"a\r\n.b\r\n.\r\n", b"a\nb\n"),
        (b"A: b\r\n\r\nc\r\n.\r\n", b"A: b\n\nc\n"),
    ],
)
@pytest.mark.parametrize("cuts", [[], one_by_one])
def test_text_after_data(wire: bytes, text: bytes, cuts: list[int]) -> None:
    assert received(wire + b"RSET\r\n", cuts) == (text, b"RSET\r\n", "", True)


@pytest.mark.parametrize(
    ("wire", "flaw"),
    [
        (b"a\n.\r\nMAIL\r\n", "bare LF"),
        (b"a\r\n.\nMAIL\r\n", "bare LF"),
        (b"a\n.\nMAIL\r\n", "bare LF"),
        (b"a\r.\rMAIL\r\n", "bare CR"),
        (b"a\r\n.\rMAIL\r\n", "bare CR"),
        (b"a\r.\r\nMAIL\r\n", "bare CR"),
        (b"a\r\n\n.\r\nMAIL\r\n", "bare LF"),
        (b"a\0.\r\nMAIL\r\n", "NUL"),
        (b"\n.\r\n", "bare LF"),
    ],
)
@pytest.mark.parametrize("cuts", [[], one_by_one])
def test_smuggled_end_is_no_end(wire: bytes, flaw: str, cuts: list[int]) -> None:
    _, rest, found, ended = received(wire, cuts)
    assert (rest, found, ended) == (b"", flaw, False)
    _, rest, found, ended = received(wire + b".\r\nQUIT\r\n", cuts)
    assert (rest, found, ended) == (b"QUIT\r\n", flaw, True)


@pytest.mark.parametrize("cuts", [[], one_by_one])
def test_repair_never_ends_a_message_early(cuts: list[int]) -> None:
    assert received(b"a\n.\r\nb\rc\r\r\n.\r\n", cuts, repair=True) == (b"a\n.\nbc\n", b"", "", True)


text_of = st.lists(st.sampled_from([b"a", b".", b"\n", b"..", b"\n.\n", b"\xff", b"bc"]), max_size=40).map(b"".join)


@given(text_of, cuts_of)
def test_sent_text_is_received_as_it_was(text: bytes, cuts: list[int]) -> None:
    whole = text if not text or text.endswith(b"\n") else text + b"\n"
    assert received(dotted(text) + b"QUIT\r\n", cuts) == (whole, b"QUIT\r\n", "", True)


raw_of = st.lists(st.sampled_from([b"a", b".", b"\n", b"\r", b"\r\n", b"\r\n.\r\n", b"\0"]), max_size=40).map(b"".join)


@given(raw_of, cuts_of, st.booleans())
def test_cuts_change_nothing_after_data(raw: bytes, cuts: list[int], repair: bool) -> None:
    whole, cut = received(raw, [], repair), received(raw, cuts, repair)
    assert (cut[1], bool(cut[2]), cut[3]) == (whole[1], bool(whole[2]), whole[3])
    if not whole[2]:
        assert cut[0] == whole[0]


@given(raw_of, cuts_of)
def test_cuts_change_no_command(raw: bytes, cuts: list[int]) -> None:
    assert commands(Receiver(), raw, cuts, limit=8) == commands(Receiver(), raw, [], limit=8)


@given(raw_of, cuts_of, st.booleans())
def test_cuts_change_no_chunk(raw: bytes, cuts: list[int], repair: bool) -> None:
    whole, cut = ChunkText(repair), ChunkText(repair)
    text = whole.decode(raw, last=True)
    assert b"".join([*(cut.decode(piece) for piece in pieces(raw, cuts)), cut.decode(b"", last=True)]) == text
    assert bool(cut.flaw) == bool(whole.flaw)


def test_chunk_text() -> None:
    decoder = ChunkText()
    assert decoder.decode(b".\r\na\r") + decoder.decode(b"\n.\r\n", last=True) == b".\na\n.\n"
    assert decoder.flaw == ""


@given(st.binary(max_size=300), cuts_of)
def test_nothing_is_held_but_the_beginning_of_an_end(raw: bytes, cuts: list[int]) -> None:
    receiver, decoder = Receiver(), DotText(repair=True)
    for piece in pieces(raw, cuts):
        receiver.feed(piece)
        while len(receiver) and not decoder.ended:
            receiver.text(decoder)
        assert len(decoder._held) <= 4


def test_big_input_is_decoded_in_pieces() -> None:
    line = b"..0123456789\r\n"
    text, rest, _, ended = received(line * 100_000 + b".\r\n" + b"NOOP\r\n" * 50_000, [])
    assert (text, rest, ended) == ((line[1:-2] + b"\n") * 100_000, b"NOOP\r\n" * 50_000, True)
