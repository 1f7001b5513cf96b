"""The first words of a message."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.messages.preview import CHARACTERS, preview, without_markup
from mailkit.mail import mime


def shown(message: bytes) -> str:
    return preview(message, mime.scan(message))


HTML = b"Content-Type: text/html\n\n"


@pytest.mark.parametrize(("message", "words"), [
    (b"Subject: x\n\n  one\n\n two\t three \n", "one two three"),
    (b"Subject: x\n\n> quoted\n> more\nmine\n-- \nsignature\n", "mine"),
    (b"Subject: x\n\n> all quoted\n", ""),
    (HTML + b"<html><head><title>t</title></head><body>a&amp;b <b>c</b><!-- no --> d</body></html>", "a&b c d"),
    (HTML + b"<style>p {}</style><SCRIPT>x()</SCRIPT ><p>text", "text"),
    (HTML + b"no end <a href", "no end"),
    (HTML + b"<style>never closed", ""),
    (b"Content-Type: image/png\n\nxxxx", ""),
    (b"", ""),
    (b"Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>html\n--b\n\nplain\n--b--\n", "plain"),
    (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n>\n--b\nContent-Type: text/html\n\n<p>html\n--b--\n", "html"),
    (b"Content-Type: message/rfc822\n\nSubject: y\n\ninside\n", ""),
])  # fmt: skip
def test_preview(message: bytes, words: str) -> None:
    assert shown(message) == words


def test_long_texts_are_cut() -> None:
    assert shown(b"Subject: x\n\n" + b"word " * 1000) == ("word " * 40).strip()


@given(
    st.lists(st.sampled_from(["<", ">", "</", "<!--", "-->", "style", "<script>", "</script", " ", "é", "İ", "&amp;"]))
)
def test_any_markup_ends(pieces: list[str]) -> None:
    without_markup("".join(pieces))


@given(st.binary(max_size=300))
def test_any_octets_have_a_preview(octets: bytes) -> None:
    assert len(shown(HTML + octets)) <= CHARACTERS


def test_markup_takes_time_in_proportion() -> None:
    """What is never closed is looked for once, not from every place where it begins."""

    def took_s(size: int) -> float:
        text = "<script>x</script>" * (3 * size) + "<" * (10 * size) + "<!--" * (5 * size)
        begun = time.process_time()
        without_markup(text)
        return time.process_time() - begun

    once, eightfold = min(took_s(1000) for _ in range(3)), min(took_s(8000) for _ in range(3))
    assert eightfold < 30 * once  # 64 times, were it the square
