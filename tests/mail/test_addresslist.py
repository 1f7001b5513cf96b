"""Lists of addresses as people's programs write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import addresslist
from mailkit.mail.addresslist import GROUP_END, Entry
from tests.mail.soup import octets
from tests.mail.work import steps


@pytest.mark.parametrize("value, entries", [
    (b"a@b", [(None, None, b"a", b"b")]),
    (b"a@b, c@d ,, e@f,", [(None, None, b"a", b"b"), (None, None, b"c", b"d"), (None, None, b"e", b"f")]),
    (b"Joe Q. Public <john.q.public@example.com>", [(b"Joe Q. Public", None, b"john.q.public", b"example.com")]),
    (b"<a@b>", [(None, None, b"a", b"b")]),
    (b'"Joe, \\"Q\\" Public" <a@b>', [(b'Joe, "Q" Public', None, b"a", b"b")]),
    (b"=?utf-8?q?J=C3=BCrgen?= <a@b>", [(b"=?utf-8?q?J=C3=BCrgen?=", None, b"a", b"b")]),
    (b"a@b (Joe (junior) Public)", [(b"Joe (junior) Public", None, b"a", b"b")]),
    (b"Joe <a@b> (remark)", [(b"Joe", None, b"a", b"b")]),
    (b'"a b"@c', [(None, None, b"a b", b"c")]),
    (b'<"a@b"@c>', [(None, None, b"a@b", b"c")]),
    (b"a@[192.0.2.1]", [(None, None, b"a", b"[192.0.2.1]")]),
    (b"A Group: Chris <c@d>, joe@e;, x@y",
     [(None, None, b"A Group", None), (b"Chris", None, b"c", b"d"), (None, None, b"joe", b"e"), GROUP_END,
      (None, None, b"x", b"y")]),
    (b"undisclosed-recipients:;", [(None, None, b"undisclosed-recipients", None), GROUP_END]),
    (b"g: a@b", [(None, None, b"g", None), (None, None, b"a", b"b"), GROUP_END]),
    (b"g: a@b; h: c@d", [(None, None, b"g", None), (None, None, b"a", b"b"), GROUP_END,
                         (None, None, b"h", None), (None, None, b"c", b"d"), GROUP_END]),
    (b"<@x,@y:a@b>, c@d", [(None, b"@x,@y", b"a", b"b"), (None, None, b"c", b"d")]),
    (b"a . b @ c . d", [(None, None, b"a.b", b"c.d")]),
    (b'"x" a (c) . b@d', [(b"c", None, b"xa.b", b"d")]),
    (b"root", [(None, None, b"root", b"")]),
    (b"John Doe", [(b"John Doe", None, b"", b"")]),
    (b'"John" Doe', [(b"John Doe", None, b"", b"")]),
    (b"John <>", [(b"John", None, b"", b"")]),
    (b"John <root>", [(b"John", None, b"root", b"")]),
    (b"John <a@b", [(b"John", None, b"a", b"b")]),
    (b'"John <a@b>', [(None, None, b"John <a@b>", b"")]),
    (b"a@b@c", [(None, None, b"a@b", b"c")]),
    (b"a@b\\,", [(None, None, b"a", b"b\\")]),
    (b"", []),
    (b" ", []),
])  # fmt: skip
def test_entries(value: bytes, entries: list[Entry]) -> None:
    assert addresslist.entries(value) == entries


@given(octets)
def test_entries_of_anything_are_well_formed(value: bytes) -> None:
    depth = 0
    for name, route, local, domain in addresslist.entries(value):
        assert route is None or domain is not None
        if domain is None:
            assert name is None
            depth += 1 if local is not None else -1
            assert depth in (0, 1)
        else:
            assert local is not None
    assert depth == 0
    for display, mailbox in addresslist.mailboxes(value):
        assert (display + mailbox).encode() is not None


PLAIN = st.text(st.sampled_from("abcXYZ019._-+= "), max_size=12).map(lambda text: text.strip().encode())
QUOTED = st.text(st.sampled_from("ab,<>@ \t:;()["), max_size=12).map(lambda text: b'"' + text.encode() + b'"')


@given(st.lists(st.tuples(PLAIN | QUOTED, (PLAIN | QUOTED).filter(bool), PLAIN.filter(bool)), max_size=5))
def test_all_readers_agree(triples: list[tuple[bytes, bytes, bytes]]) -> None:
    quick = b", ".join(b"%b <%b@%b>" % triple for triple in triples)
    assert addresslist.entries(quick) == addresslist.entries(quick + b",()")


def test_mailboxes_are_decoded() -> None:
    assert addresslist.mailboxes(b'=?utf-8?q?J=C3=BCrgen?= <a@b>, g: "x y"@z;, \xc3\xa9@f, only name') == [
        ("Jürgen", "a@b"),
        ("", '"x y"@z'),
        ("", "é@f"),
        ("only name", ""),
    ]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"<a@b> <c@d>", {"a@b", "c@d"}),
        (b"c@d <a@b>", {"a@b", "c@d"}),
        (b'"c@d" (e@f) <a@b>', {"a@b"}),
        (b'"c d"@e, <@relay:a@[192.0.2.1]>', {'"c d"@e', "a@[192.0.2.1]"}),
        (b"@ <", set()),
    ],
)
def test_claimed_is_whatever_a_reader_might_show(value: bytes, found: set[str]) -> None:
    assert addresslist.claimed(value) == found


@given(st.text(max_size=60))
def test_formatted_reads_the_same(display: str) -> None:
    display = " ".join(display.encode("utf-8", "ignore").decode().replace("\0", "").split())
    value = addresslist.formatted(display, "a@b.example").replace(b"\n", b"")
    assert addresslist.mailboxes(value) == [(display, "a@b.example")]


@pytest.mark.parametrize(
    "piece",
    [
        b"<",
        b">",
        b"@",
        b",",
        b"(",
        b")",
        b'"',
        b"\\",
        b":",
        b";",
        b"[",
        b"a ",
        b"a,",
        b"g:a;",
        b"a@b,",
        b'"a" <b@c>,',
        b"()",
        b'""',
    ],
)
def test_work_is_linear(piece: bytes) -> None:
    once = steps(addresslist.entries, b"(x)" + piece * 400)
    twice = steps(addresslist.entries, b"(x)" + piece * 800)
    assert twice <= once * 2.1 + 30
