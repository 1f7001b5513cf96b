"""log: one event, one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import log
from tests.harness import fakeclock
from tests.harness.servers import environment

EVENT = """
import os
from mailkit import log
log.event("one", a=1)
os.system("echo stamp=$MAILKIT_STAMP")
"""


def test_a_line_reads_like_the_manual(lines: list[str]) -> None:
    log.event("rcpt", c="8f2a", to="<bob@example.test>", verdict="reject", size=None, from_="", ok=True)
    assert lines == ['rcpt c=8f2a to=<bob@example.test> verdict=reject from="" ok=yes']


@given(st.one_of(st.text(), st.binary()))
def test_a_value_never_breaks_the_line(value: object) -> None:
    text = log.quoted(value)
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert " " not in text or (text[0] == text[-1] == '"')


@given(st.lists(st.one_of(st.text(), st.binary(), st.integers(), st.booleans(), st.sampled_from(("a", "", "a b"))), max_size=4))
def test_each_value_of_a_line_is_quoted_as_it_would_be_alone(values: list[object]) -> None:
    kept: list[str] = []
    old, log.sink = log.sink, kept.append
    try:
        log.event("word", **{f"f{i}": value for i, value in enumerate(values)})
    finally:
        log.sink = old
    assert kept == [" ".join(["word", *(f"f{i}={log.quoted(value)}" for i, value in enumerate(values))])]


def test_traceback_is_one_line(lines: list[str]) -> None:
    try:
        raise KeyError("x\ny")
    except KeyError as error:
        log.trace("broken", error, c="1")
    assert len(lines) == 1 and "\n" not in lines[0] and "KeyError" in lines[0]


def test_lines_that_nobody_else_stamps_begin_with_time_and_program(monkeypatch: pytest.MonkeyPatch) -> None:
    fakeclock.install(monkeypatch, start=1763780056.25)
    assert log.stamp("smtpd") == "2025-11-22T02:54:16.250Z smtpd: "


def test_only_the_program_that_was_meant_stamps_its_lines() -> None:
    """Not those it starts: what they say may be the text of a reply."""
    stamped = {**os.environ, **environment(), "MAILKIT_STAMP": "smtpd"}
    done = subprocess.run([sys.executable, "-c", EVENT], env=stamped, capture_output=True, text=True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z smtpd: one a=1\n", done.stderr), done.stderr
    assert done.stdout == "stamp=\n"
