"""Replies: what the server formats, the client parses back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.smtp.reply import LINE_LIMIT, Malformed, Parser, Reply, split_status


def test_one_line() -> None:
    assert Reply(250, "2.1.5", "ok").wire() == b"250 2.1.5 ok\r\n"


def test_every_line_carries_the_enhanced_code() -> None:
    assert Reply(550, "5.1.1", "one", "two").wire() == b"550-5.1.1 one\r\n550 5.1.1 two\r\n"


def test_no_enhanced_code() -> None:
    assert Reply(250, "", "me", "SIZE 10").wire() == b"250-me\r\n250 SIZE 10\r\n"


def test_text_cannot_make_a_new_line() -> None:
    assert Reply(550, "5.1.1", "<a\r\n250 ok> no").wire() == b"550 5.1.1 <a??250 ok> no\r\n"


def test_long_text_is_cut_on_a_character() -> None:
    wire = Reply(250, "2.1.5", "ü" * 600, utf8=True).wire()
    assert len(wire) <= LINE_LIMIT
    assert wire.endswith("ü\r\n".encode())


def test_replies_are_ascii_unless_the_client_allowed_more() -> None:
    """RFC 6531 3.7.4."""
    assert Reply(550, "5.1.1", "<jürgen@x.test> no").wire() == b"550 5.1.1 <j\\xfcrgen@x.test> no\r\n"
    long = Reply(550, "5.1.1", "ü" * 600).wire()
    assert long.isascii()
    assert len(long) <= LINE_LIMIT


@pytest.mark.parametrize(
    ("code", "text", "want"),
    [
        (250, "2.1.5 ok", ("2.1.5", "ok")),
        (550, "2.1.5 ok", ("", "2.1.5 ok")),
        (250, "2.1 ok", ("", "2.1 ok")),
        (250, "2.1.x ok", ("", "2.1.x ok")),
        (421, "4.3.2", ("4.3.2", "")),
        (250, "", ("", "")),
    ],
)
def test_split_status(code: int, text: str, want: tuple[str, str]) -> None:
    assert split_status(code, text) == want


@pytest.mark.parametrize(
    "wire",
    [b"hello\r\n", b"25\r\n", b"250x\r\n", b"199 a\r\n", b"600 a\r\n", b"\r\n", b"250-a\r\nxyz\r\n", b"2" * 5000],
)
def test_what_is_no_reply_is_refused(wire: bytes) -> None:
    parser = Parser()
    parser.feed(wire)
    with pytest.raises(Malformed):
        parser.reply()


def test_endless_reply_is_refused() -> None:
    parser = Parser()
    parser.feed(b"250-x\r\n" * 500)
    with pytest.raises(Malformed):
        parser.reply()


def test_half_a_reply_waits() -> None:
    parser = Parser()
    parser.feed(b"250-a\r\n250")
    assert parser.reply() is None
    parser.feed(b" b\n220 next\r\n")
    assert parser.reply() == Reply(250, "", "a", "b")
    assert parser.reply() == Reply(220, "", "next")
    assert not parser.pending()


texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=60)


@given(st.integers(200, 599), st.lists(texts, min_size=1, max_size=5), st.lists(st.integers(1, 40), max_size=30))
def test_parsed_back_however_cut(code: int, lines: list[str], cuts: list[int]) -> None:
    reply = Reply(code, f"{code // 100}.1.5", *lines, utf8=True)
    wire = reply.wire()
    parser = Parser()
    found = None
    for size in [*cuts, len(wire)]:
        parser.feed(wire[:size])
        wire = wire[size:]
        found = found or parser.reply()
    assert found == reply
