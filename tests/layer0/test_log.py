"""log: one event, one line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailkit import log


def test_a_line_reads_like_the_manual(lines: list[str]) -> None:
    log.event("rcpt", c="8f2a", to="<bob@example.test>", verdict="reject", size=None, from_="", ok=True)
    assert lines == ['rcpt c=8f2a to=<bob@example.test> verdict=reject from="" ok=yes']


@given(st.one_of(st.text(), st.binary()))
def test_a_value_never_breaks_the_line(value: object) -> None:
    text = log.quoted(value)
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert " " not in text or (text[0] == text[-1] == '"')


def test_traceback_is_one_line(lines: list[str]) -> None:
    try:
        raise KeyError("x\ny")
    except KeyError as error:
        log.trace("broken", error, c="1")
    assert len(lines) == 1 and "\n" not in lines[0] and "KeyError" in lines[0]
