"""The arguments of NOTIFY: what the grammar allows is read, everything else is refused in the way it must be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.wire import Bad, events
from mailkit.imap.wire.reader import Reader


def read(data: bytes) -> events.Request | None:
    reader = Reader(data)
    request = events.read(reader)
    reader.end()
    return request


def test_request() -> None:
    request = read(
        b"set status (Selected-Delayed (messageNew (uid body.peek[header.fields (from)]) MessageExpunge FlagChange))"
        b' (subtree ("Lists" x&-y) (MessageNew MessageExpunge)) (mailboxes inbox NONE) (personal (MailboxName))'
    )
    assert request is not None and request.status
    one, two, three, four = request.groups
    assert (one.kind, one.events) == ("SELECTED-DELAYED", {"MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE"})
    assert [item.label for item in one.items] == [b"UID", b"BODY[HEADER.FIELDS (from)]"]
    assert (two.kind, two.names, two.events) == ("SUBTREE", ["Lists", "x&y"], {"MESSAGENEW", "MESSAGEEXPUNGE"})
    assert (three.kind, three.names, three.events) == ("MAILBOXES", ["INBOX"], set())
    assert (four.kind, four.names, four.events) == ("PERSONAL", [], {"MAILBOXNAME"})
    assert read(b"NONE") is None


@pytest.mark.parametrize("data", [
    b"", b"GET", b"SET", b"SET ()", b"SET STATUS", b"SET FOO (selected NONE)", b"SET (selected)", b"SET (selected ())",
    b"SET (everything NONE)", b"SET (selected SOME)", b"SET (subtree NONE)", b"SET (mailboxes () NONE)",
    b"SET (selected MessageNew)", b"SET (selected (MessageNew))", b"SET (personal (MessageExpunge))",
    b"SET (personal (FlagChange))", b"SET (personal (FlagChange MessageNew))", b"SET (selected NONE) (selected NONE)",
    b"SET (selected NONE)(personal NONE)", b"SET (selected NONE) ", b"SET (selected (MailboxName))",
    b"SET (selected NONE) (selected-delayed NONE)", b"SET (personal (MessageNew (UID) MessageExpunge))",
    b"SET (selected (MessageNew (FOO) MessageExpunge))", b"SET (selected (MessageNew () MessageExpunge))", b"NONE x",
])  # fmt: skip
def test_what_is_not_grammar_is_bad(data: bytes) -> None:
    with pytest.raises(Bad):
        read(data)


@pytest.mark.parametrize("event", [b"AnnotationChange", b"MessageRead", b"x"])
def test_unsupported_event(event: bytes) -> None:
    with pytest.raises(events.Unsupported):
        read(b"SET (personal (MailboxName " + event + b"))")


@pytest.mark.parametrize("data", [
    b"SET " + b" ".join([b"(personal NONE)"] * 51),
    b"SET (mailboxes (" + b" ".join(b"f%d" % number for number in range(1001)) + b") NONE)",
])  # fmt: skip
def test_too_much(data: bytes) -> None:
    with pytest.raises(events.Overflow):
        read(data)


TOKENS = st.lists(st.sampled_from([
    b"SET ", b"STATUS ", b"NONE", b"(", b")", b" ", b"selected", b"selected-delayed", b"personal", b"subtree ",
    b"mailboxes ", b"INBOX", b"(a b)", b"MessageNew", b"MessageExpunge", b" (UID)", b"FlagChange", b"MailboxName",
    b"SubscriptionChange", b"AnnotationChange", b'"', b"{1}\r\na", b"BODY[",
]) | st.binary(max_size=2), max_size=20).map(b"".join)  # fmt: skip


@given(TOKENS)
def test_rubbish_is_refused_and_nothing_worse(data: bytes) -> None:
    for before in (b"", b"SET (", b"SET (selected (MessageNew "):
        try:
            events.read(Reader(before + data))
        except (Bad, events.Unsupported, events.Overflow):
            continue
