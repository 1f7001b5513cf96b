"""Base subjects and threads (RFC 5256)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.messages import pieces
from mailkit.imap.searching import subject, threads
from mailkit.imap.searching.facts import references_of
from mailkit.imap.searching.references import identifiers


@pytest.mark.parametrize(("text", "base", "replied"), [
    ("hello", "hello", False), ("re: hello", "hello", True), ("re:re: fw: hello", "hello", True),
    ("re[2]: x", "x", True),
    ("[list] re: hello", "hello", True), ("re: [list] hello", "hello", True), ("hello (fwd) (fwd)", "hello", True),
    ("[fwd: hello]", "hello", True), ("[fwd: re: hello (fwd)]", "hello", True), ("[list]", "[list]", False),
    ("[a] [b] x", "x", False), ("re: [b]", "[b]", True), ("regard", "regard", False), ("fwd", "fwd", False),
    ("  a \t b ", "a b", False), ("", "", False), ("re:", "", True), ("[a[b] x", "[a[b] x", False),
    ("fw : x", "x", True),
])  # fmt: skip
def test_base_subject(text: str, base: str, replied: bool) -> None:
    assert subject.base(text) == (base, replied)


@given(
    st.lists(st.sampled_from(["re:", "fwd", "[", "]", "x", " ", "(fwd)", "[fwd:", ":", "fw"]), max_size=40).map("".join)
)
def test_base_subject_is_its_own(text: str) -> None:
    base, _ = subject.base(text)
    assert subject.base(base)[0] == base


Message = tuple[int, int, str, bool, str, list[str]]


def message(number: int, refers: str = "", text: str = "", sent: int = 0, name: str | None = None) -> Message:
    """A message whose Message-ID is its number, and which refers to others."""
    base, replied = subject.base(text)
    return number, sent or number, base, replied, name if name is not None else str(number), refers.split()


def formed(threaded: Callable[[threads.Messages], threads.Forest], *messages: Message) -> bytes:
    numbers, sent, *columns, refers_to = zip(*messages, strict=True) if messages else [()] * 6
    references = [(place, names) for place, names in enumerate(refers_to) if names]
    return threads.form(threaded(threads.Messages(list(sent), *columns, references)), numbers)


def threaded(*messages: Message) -> bytes:
    return formed(threads.references, *messages)


def test_replies_are_below_what_they_answer() -> None:
    assert threaded(message(1), message(2, "1"), message(3, "1 2"), message(4, "1")) == b"(1 (2 3)(4))"


def test_order_of_arrival_does_not_matter() -> None:
    assert threaded(message(3, "1 2"), message(2, "1"), message(1)) == b"(1 2 3)"


def test_missing_message_with_one_child_is_left_out() -> None:
    assert threaded(message(2, "1"), message(5)) == b"(2)(5)"


def test_missing_root_holds_its_children_together() -> None:
    assert threaded(message(2, "1"), message(3, "1")) == b"((2)(3))"


def test_missing_message_in_the_middle_is_left_out() -> None:
    assert threaded(message(1), message(3, "1 2"), message(4, "1 2")) == b"(1 (3)(4))"


def test_references_in_a_circle() -> None:
    assert threaded(message(1, "2"), message(2, "1")) in (b"(1 2)", b"(2 1)")
    assert threaded(message(1, "1")) == b"(1)"


def test_same_message_id_twice() -> None:
    assert threaded(message(1), message(2, name="1")) == b"(1)(2)"
    assert threaded(message(1, name=""), message(2, name="")) == b"(1)(2)"


def test_reply_without_references_finds_its_subject() -> None:
    assert threaded(message(1, text="x"), message(2, text="re: x"), message(3, text="re: x")) == b"(1 (2)(3))"
    assert threaded(message(1, text="re: x", sent=1), message(2, text="x", sent=5)) == b"(2 1)"


def test_same_subject_twice_is_held_together() -> None:
    assert threaded(message(1, text="x"), message(2, text="x"), message(3, text="x")) == b"((1)(2)(3))"
    assert threaded(message(1, text="y"), message(2, text="x"), message(3, text="x")) == b"(1)((2)(3))"


def test_siblings_are_in_the_order_of_their_dates() -> None:
    assert threaded(message(1, sent=9), message(2, "1", sent=30), message(3, "1", sent=20)) == b"(1 (3)(2))"


def test_ordered_subject() -> None:
    messages = [message(1, text="x", sent=3), message(2, text="y", sent=1), message(3, text="re: x", sent=5)]
    messages.append(message(4, text="x (fwd)", sent=4))
    assert formed(threads.ordered_subject, *messages) == b"(2)(1 (4)(3))"


def refs(*messages: Message) -> bytes:
    return formed(threads.refs, *messages)


def test_refs_are_by_the_youngest_message() -> None:
    assert refs(message(1, sent=1), message(2, sent=2), message(3, "1", sent=3)) == b"(2)(1 3)"
    assert refs(message(1, "9", sent=7), message(2, "9", sent=8), message(3, sent=1), message(4, sent=9)) == (
        b"(3)((1)(2))(4)"
    )


def test_refs_know_no_subject() -> None:
    assert refs(message(1, text="x"), message(2, text="re: x"), message(3, "7", "re: x")) == b"(1)(2)(3)"


MESSAGES = st.lists(
    st.tuples(st.lists(st.integers(1, 12), max_size=4), st.sampled_from(["", "x", "re: x", "y"])), max_size=12
)


@given(MESSAGES)
def test_every_message_is_in_one_thread(found: list[tuple[list[int], str]]) -> None:
    messages = [message(at, " ".join(map(str, refers)), text) for at, (refers, text) in enumerate(found, 1)]
    for form in (threaded(*messages), refs(*messages)):
        assert sorted(map(int, re.findall(rb"\d+", form))) == list(range(1, len(messages) + 1))
        assert form.count(b"(") == form.count(b")")
        assert b"()" not in form


def test_deep_threads() -> None:
    messages = [message(1)] + [message(number, str(number - 1)) for number in range(2, 20_000)]
    assert threaded(*messages) == b"(" + b" ".join(b"%d" % number for number in range(1, 20_000)) + b")"
    assert threaded(*reversed(messages)) == threaded(*messages)


def test_identifiers() -> None:
    assert identifiers(b"<a@b> junk <c d@e> <> <open") == [b"a@b", b"cd@e"]
    assert references_of(pieces.fields(b"Message-ID: <a>\nIn-Reply-To: <b> <c>\n\n", True)) == (b"a", [b"b"])
    assert references_of(pieces.fields(b"References: <x>\n <y>\nIn-Reply-To: <b>\n\n", True)) == (b"", [b"x", b"y"])
