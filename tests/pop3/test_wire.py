"""The wire engine: whatever the cuts, the same commands and the same octets."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.pop3 import wire

MESSAGES = st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b".", b"..", b"a", b"bc "])).map(b"".join)


def _pieces(octets: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(octets) + 1) for cut in cuts} | {0, len(octets)})
    return [octets[a:b] for a, b in itertools.pairwise(places)]


def _commands(pieces: list[bytes]) -> list[object]:
    engine = wire.Wire()
    got: list[object] = []
    for piece in pieces:
        engine.feed(piece)
        while True:
            try:
                command = engine.command()
            except wire.Malformed as error:
                got.append(str(error))
                continue
            if command is None:
                break
            got.append(command)
    return got


def _stuffed(pieces: list[bytes]) -> bytes:
    stuffer = wire.Stuffer()
    return b"".join(map(stuffer.feed, pieces)) + stuffer.end()


def _unstuffed(octets: bytes) -> bytes:
    assert octets.endswith(b"\r\n.\r\n") or octets == b".\r\n"
    lines = octets.removesuffix(b".\r\n").split(b"\r\n")
    assert b"." not in lines  # nothing inside ends the response early
    return b"\n".join(line[1:] if line.startswith(b".") else line for line in lines)


def test_keyword_in_capitals_and_argument_as_it_came() -> None:
    assert _commands([b"pass a  b \r\nQUIT\r\n"]) == [(b"PASS", b"a  b "), (b"QUIT", b"")]


def test_bare_lf_ends_a_command() -> None:
    assert _commands([b"noop\nquit\n"]) == [(b"NOOP", b""), (b"QUIT", b"")]


@pytest.mark.parametrize("line", [b"NO\0OP\r\n", b"NOOP\rQUIT\r\n"])
def test_nul_and_bare_cr_are_refused(line: bytes) -> None:
    assert _commands([line, b"QUIT\r\n"]) == ["a command holds no NUL and no CR", (b"QUIT", b"")]


def test_line_of_255_octets_is_taken_and_256_is_not() -> None:
    longest = b"USER " + b"x" * 248 + b"\r\n"
    assert _commands([longest]) == [(b"USER", b"x" * 248)]
    assert _commands([b"USER x" + longest[5:], b"NOOP\r\n"]) == ["line too long", (b"NOOP", b"")]


def test_endless_line_is_dropped_as_it_comes() -> None:
    engine = wire.Wire()
    engine.feed(b"x" * 300)
    with pytest.raises(wire.Malformed):
        engine.command()
    for _ in range(100):
        engine.feed(b"x" * 1000)
        assert engine.command() is None
        assert len(engine._lines) == 0
    engine.feed(b"\r\nNOOP\r\n")
    assert engine.command() == (b"NOOP", b"")


def test_continuation_may_be_longer_than_a_command() -> None:
    engine = wire.Wire()
    engine.feed(b"A" * 9000 + b"\r\n")
    assert engine.continuation() == b"A" * 9000
    engine.feed(b"A" * wire.CONTINUATION_OCTETS)
    with pytest.raises(wire.Malformed):
        engine.feed(b"A\r\n")
        engine.continuation()


def test_clear_forgets_what_came_before_tls() -> None:
    engine = wire.Wire()
    engine.feed(b"STLS\r\nUSER mallory\r\nx")
    assert engine.command() == (b"STLS", b"")
    engine.clear()
    engine.feed(b"NOOP\r\n")
    assert engine.command() == (b"NOOP", b"")


@given(st.binary(max_size=600), st.lists(st.integers(min_value=0, max_value=700)))
def test_cuts_do_not_change_commands(octets: bytes, cuts: list[int]) -> None:
    octets = octets.replace(b"\x01", b"\r\n") + b"\r\nQUIT\r\n"
    assert _commands(_pieces(octets, cuts)) == _commands([octets])


@given(MESSAGES, st.lists(st.integers(min_value=0, max_value=100)))
def test_cuts_do_not_change_a_message(stored: bytes, cuts: list[int]) -> None:
    assert _stuffed(_pieces(stored, cuts)) == _stuffed([stored])


@given(MESSAGES)
def test_message_comes_out_as_stored(stored: bytes) -> None:
    plain = stored.replace(b"\r\n", b"\n")
    if not plain.endswith(b"\n") and plain:
        plain += b"\n"
    assert _unstuffed(_stuffed([stored])) == plain


def test_stuffing_at_every_line_start() -> None:
    assert _stuffed([b".\n..a\nb.\n.c"]) == b"..\r\n...a\r\nb.\r\n..c\r\n.\r\n"


def test_empty_message_is_an_empty_response() -> None:
    assert _stuffed([]) == b".\r\n"


def test_listing() -> None:
    assert wire.listing(enumerate([120, 340], 1)) == b"1 120\r\n2 340\r\n.\r\n"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(("lines", "wanted"), [(0, b""), (1, b"one|"), (2, b"one||"), (3, b"one||three|")])
def test_top_counts_lines_of_the_body(end: bytes, lines: int, wanted: bytes) -> None:
    header = b"A: b" + end + b"C: d" + end + end
    stored = header + b"one" + end + end + b"three" + end + b"four" + end
    assert stored[: wire.top(stored, lines)] == header + wanted.replace(b"|", end)


def test_top_wants_more_when_the_beginning_is_too_short() -> None:
    assert wire.top(b"A: b\nC: d\n", 0) is None
    assert wire.top(b"A: b\n\none\n", 2) is None


def test_top_of_a_message_without_header() -> None:
    assert wire.top(b"\none\n", 0) == 1
    assert wire.top(b"\r\none\r\n", 1) == 7
