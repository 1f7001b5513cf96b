"""The framing engine: however the octets are cut, the same events; nothing it is fed makes it grow or raise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.wire.engine import Broken, Command, Continue, Data, Engine, Event, Upload, is_tag, literal_at_end
from mailkit.lines import TooLong


def shown(event: Event) -> tuple[object, ...]:
    """An event as a value that compares."""
    if isinstance(event, Command):
        return ("command", event.tag, event.name, event.args)
    if isinstance(event, Upload):
        return ("upload", event.tag, event.name, event.args, event.size_octets, event.synchronising, event.binary)
    if isinstance(event, Data):
        return ("data", event.octets)
    if isinstance(event, Broken):
        return ("broken", event.tag, event.code, event.fatal)
    return ("continue",)


def events(pieces: list[bytes], line_octets: int = 200, literal_octets: int = 50, accept: bool = True) -> list[object]:
    """Everything the engine says about `pieces`, with the data of an upload joined."""
    engine = Engine(line_octets, literal_octets)
    found: list[object] = []
    for piece in pieces:
        engine.feed(piece)
        while (event := engine.event()) is not None:
            if isinstance(event, Upload):
                engine.accept() if accept else engine.refuse()
            if isinstance(event, Data) and found and isinstance(found[-1], tuple) and found[-1][0] == "data":
                found[-1] = ("data", found[-1][1] + event.octets)
            else:
                found.append(shown(event))
    return found


def test_command_is_tag_name_and_rest() -> None:
    assert events([b"a1 noop\r\nA2 Fetch 1:* (FLAGS)\r\n"]) == [
        ("command", b"a1", "NOOP", b""),
        ("command", b"A2", "FETCH", b"1:* (FLAGS)"),
    ]


def test_bare_line_feed_ends_a_line() -> None:
    assert events([b"a1 NOOP\na2 NOOP\n"]) == [("command", b"a1", "NOOP", b""), ("command", b"a2", "NOOP", b"")]


def test_literal_stays_in_place_and_is_asked_for() -> None:
    assert events([b"a LOGIN {5}\r\n", b"al\r\nx {3+}\r\nabc\r\n"]) == [
        ("continue",),
        ("command", b"a", "LOGIN", b"{5}\r\nal\r\nx {3+}\r\nabc"),
    ]


def test_literals_of_a_command_are_counted_together() -> None:
    assert events([b"a LOGIN {30}\r\n" + b"x" * 30 + b" {30}\r\nb NOOP\r\n"]) == [
        ("continue",),
        ("broken", b"a", "TOOBIG", False),
        ("command", b"b", "NOOP", b""),
    ]


def test_refused_literal_that_comes_anyway_is_swallowed() -> None:
    sent = b"a LOGIN {60+}\r\n" + b"b NOOP\r\n".ljust(60, b".") + b" {4+}\r\nabcd {3}\r\nc NOOP\r\n"
    assert events([sent]) == [("broken", b"a", "TOOBIG", False), ("command", b"c", "NOOP", b"")]


def test_literal_nobody_would_skip_is_fatal() -> None:
    assert events([b"a LOGIN {99999999999+}\r\nb NOOP\r\n"]) == [("broken", b"a", "TOOBIG", True)]


def test_upload_comes_as_it_is_sent() -> None:
    pieces = [b"a APPEND box (\\Seen) {6}\r\n", b"one", b"two", b"\r\n"]
    assert events(pieces) == [
        ("upload", b"a", "APPEND", b"box (\\Seen) ", 6, True, False),
        ("data", b"onetwo"),
        ("command", b"a", "APPEND", b""),
    ]


def test_mailbox_as_literal_is_no_upload() -> None:
    assert events([b"a APPEND {3}\r\n", b"box {2+}\r\nhi {0+}\r\n\r\n"]) == [
        ("continue",),
        ("upload", b"a", "APPEND", b"{3}\r\nbox ", 2, False, False),
        ("data", b"hi"),
        ("upload", b"a", "APPEND", b" ", 0, False, False),
        ("data", b""),
        ("command", b"a", "APPEND", b""),
    ]


@pytest.mark.parametrize(
    "command", [b"APPEND box CATENATE (", b"REPLACE 1 box CATENATE (", b"UID REPLACE 1 box CATENATE ("]
)
def test_every_literal_behind_the_first_is_offered(command: bytes) -> None:
    found = events([b"a " + command + b"TEXT {2+}\r\nhi URL {3+}\r\nabc)\r\n"], line_octets=60)
    assert [event[0] for event in found if isinstance(event, tuple)] == ["upload", "data", "upload", "data", "command"]
    assert found[2] == ("upload", b"a", command.split()[0].decode(), b" URL ", 3, False, False)
    assert found[4] == ("command", b"a", command.split()[0].decode(), b")")


def test_refused_upload() -> None:
    assert events([b"a APPEND box {6}\r\nb NOOP\r\n"], accept=False) == [
        ("upload", b"a", "APPEND", b"box ", 6, True, False),
        ("command", b"b", "NOOP", b""),
    ]
    assert events([b"a APPEND box ~{6+}\r\nb NOOP\r\nb NOOP\r\n"], accept=False) == [
        ("upload", b"a", "APPEND", b"box ", 6, False, True),
        ("command", b"b", "NOOP", b""),
    ]


def test_abandoned_upload_is_swallowed_to_the_end_of_its_command() -> None:
    engine = Engine(200, 50)
    engine.feed(b"a APPEND box {10+}\r\n12")
    assert isinstance(engine.event(), Upload)
    engine.accept()
    assert isinstance(engine.event(), Data)
    engine.abandon()
    assert engine.event() is None
    engine.feed(b"34567890 (more)\r\nb NOOP\r\n")
    command = engine.event()
    assert isinstance(command, Command)
    assert command.tag == b"b"


@pytest.mark.parametrize("line", [b"\r\n", b" NOOP\r\n", b"+ NOOP\r\n", b"a\r\n", b"a*b NOOP\r\n", b"a \xe9\r\n", b"a {3}\r\n",
                                  b"x" * 65 + b" NOOP\r\n", b"a NO\rOP\r\n", b"a NOOP \0\r\n"])  # fmt: skip
def test_bad_line_is_one_error_and_the_next_is_read(line: bytes) -> None:
    first, second = events([line + b"b NOOP\r\n"])
    assert isinstance(first, tuple)
    assert first[0] == "broken"
    assert second == ("command", b"b", "NOOP", b"")


def test_too_long_line_is_one_error() -> None:
    assert events([b"a NOOP " + b"x" * 300, b"y" * 300, b"\r\nb NOOP\r\n"]) == [
        ("broken", b"*", "", False),
        ("command", b"b", "NOOP", b""),
    ]


def test_many_empty_literals_do_not_stretch_a_command() -> None:
    found = events([b"a SEARCH" + b" {0+}\r\n" * 100 + b"\r\nb NOOP\r\n"])
    assert isinstance(found[0], tuple)
    assert found[0][:2] == ("broken", b"a")
    assert found[-1] == ("command", b"b", "NOOP", b"")


def test_answer_to_a_challenge() -> None:
    engine = Engine(20, 50)
    engine.feed(b"DO")
    assert engine.line() is None
    engine.feed(b"NE\r\n" + b"x" * 30)
    assert engine.line() == b"DONE"
    with pytest.raises(TooLong):
        engine.line()
    engine.feed(b"\r\nb NOOP\r\n")
    command = engine.event()
    assert isinstance(command, Command)
    assert command.tag == b"b"


def test_nothing_said_before_clear_counts() -> None:
    engine = Engine(200, 50)
    engine.feed(b"a LOGIN {5}\r\nal")
    assert isinstance(engine.event(), Continue)
    engine.clear()
    engine.feed(b"b NOOP\r\n")
    command = engine.event()
    assert isinstance(command, Command)
    assert len(engine) == 0


@pytest.mark.parametrize(("line", "announced"), [
    (b"x {5}", (5, True, False)), (b"x {5+}", (5, False, False)), (b"~{0}", (0, True, True)), (b"{}", None),
    (b"5}", None), (b"{-1}", None), (b"{+}", None), (b"{1 }", None), (b"{5", None), (b"{" + b"9" * 19 + b"}", None),
])  # fmt: skip
def test_literal_at_end(line: bytes, announced: tuple[int, bool, bool] | None) -> None:
    assert literal_at_end(line) == announced


@pytest.mark.parametrize(
    ("tag", "good"), [(b"a1", True), (b"A.]b", True), (b"", False), (b"a+", False), (b"\xe9", False)]
)
def test_is_tag(tag: bytes, good: bool) -> None:
    assert is_tag(tag) is good


PIECES = st.lists(
    st.sampled_from([b"a LOGIN ", b"b APPEND x ", b"{3}\r\n", b"{3+}\r\n", b"{0+}\r\n", b"abc", b"\r\n", b"\n", b"\r",
    b"\0",
                     b"{70+}\r\n", b" ", b"~{2}\r\n", b"c NOOP\r\n", b"x" * 90, b"+", b"}",
                     b"{"]) | st.binary(max_size=8),
    max_size=30,
)  # fmt: skip


@given(PIECES, st.booleans())
def test_cuts_do_not_matter(pieces: list[bytes], accept: bool) -> None:
    whole = b"".join(pieces)
    by_octet = [whole[at : at + 1] for at in range(len(whole))]
    assert events([whole], accept=accept) == events(by_octet, accept=accept) == events(pieces, accept=accept)


@given(PIECES)
def test_what_is_kept_is_bounded(pieces: list[bytes]) -> None:
    engine = Engine(200, 50)
    for piece in pieces:
        engine.feed(piece)
        while (event := engine.event()) is not None:
            if isinstance(event, Upload):
                engine.accept()
            if isinstance(event, Command):
                assert len(event.args) <= 250
        assert len(engine) <= 250
