"""Addresses as SMTP has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import address, idn
from mailkit.mail.address import Mailbox

LOCALS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=15)


@pytest.mark.parametrize("text, mailbox", [
    ("a@b", Mailbox("a", "b")),
    ("first.last+tag@Example.ORG", Mailbox("first.last+tag", "Example.ORG")),
    ("!#$%&'*+-/=?^_`{|}~@b.example", Mailbox("!#$%&'*+-/=?^_`{|}~", "b.example")),
    ('"a b"@c', Mailbox("a b", "c")),
    (r'"a\"b\\c"@d', Mailbox(r'a"b\c', "d")),
    ('"a@b"@c', Mailbox("a@b", "c")),
    ('""@c', Mailbox("", "c")),
    ("a@[192.0.2.1]", Mailbox("a", "[192.0.2.1]")),
    ("a@[IPv6:2001:db8::1]", Mailbox("a", "[IPv6:2001:db8::1]")),
    ("a@[IPv6:::ffff:192.0.2.1]", Mailbox("a", "[IPv6:::ffff:192.0.2.1]")),
    ("a@[IPv6:::]", Mailbox("a", "[IPv6:::]")),
    ("jürgen@müller.example", Mailbox("jürgen", "müller.example")),
    ("a@xn--mller-kva.example", Mailbox("a", "xn--mller-kva.example")),
    ("a@under_score.example", Mailbox("a", "under_score.example")),
    ("a" * 64 + "@b", Mailbox("a" * 64, "b")),
])  # fmt: skip
def test_mailbox(text: str, mailbox: Mailbox) -> None:
    assert address.mailbox(text) == mailbox
    assert address.mailbox(str(mailbox)) == mailbox


@pytest.mark.parametrize("text", [
    "", "a", "@", "a@", "@b", "a b@c", ".a@b", "a.@b", "a..b@c", "a@b@c", "a@b.", "a@.b", "a@b..c", "a@-b", "a@b-",
    "a@" + "b" * 64, "a@" + "b." * 127 + "bc", "a" * 65 + "@b", "ü" * 33 + "@b", '"a"b"@c', '"a@b', '"a\\"@b', 'a"b@c',
    "a(b)@c", "a@b(c)", "<a@b>", "a@[192.0.2.256]", "a@[192.0.2]", "a@[192.0.2.1", "a@[IPv6:1::2::3]",
    "a@[2001:db8::1]",
    "a@[IPv6:12345::]", "a@[IPv6:1:2:3:4:5:6:7]", "a@[IPv6:1:2:3:4:5:6:7:8:9]", "a@[IPv6::1:2:3:4:5:6:7:8]", "a@[]",
    "a@b\r\nRCPT", "a\x00b@c", "a\x7f@c", "a\x85@c", '"a\rb"@c', '"a\nb"@c', "a\ud800@b", "a@a\ud800b", "a@b c",
    "a@b!c",
    "a@[１.２.３.４]", "a@☃.example",
])  # fmt: skip
def test_no_mailbox(text: str) -> None:
    with pytest.raises(ValueError):
        address.mailbox(text)


@given(LOCALS)
def test_any_local_part_can_be_written(local: str) -> None:
    if len(local.encode()) <= 64:
        assert address.mailbox(str(Mailbox(local, "b.example"))) == Mailbox(local, "b.example")


@pytest.mark.parametrize("argument, mailbox, rest", [
    (b"<a@b> SIZE=1 BODY=8BITMIME", Mailbox("a", "b"), b"SIZE=1 BODY=8BITMIME"),
    (b"<a@b>", Mailbox("a", "b"), b""),
    (b"<>", None, b""),
    (b"<>  RET=HDRS", None, b"RET=HDRS"),
    (b"<@one.example,@two.example:a@b>", Mailbox("a", "b"), b""),
    (b"<PostMaster>", Mailbox("PostMaster", ""), b""),
    (b'<"a>b"@c> X', Mailbox("a>b", "c"), b"X"),
    (b'<"a\\\\"@c>', Mailbox("a\\", "c"), b""),
])  # fmt: skip
def test_path(argument: bytes, mailbox: Mailbox | None, rest: bytes) -> None:
    assert address.path(argument) == (mailbox, rest)


@pytest.mark.parametrize("argument", [
    b"", b"a@b", b"<a@b", b"<a@b>SIZE=1", b"<<a@b>>", b"< a@b>", b"<a@b >", b"<root>", b"<@one.example>",
    b"<@one.example:>", b"<@a,b:c@d>", b'<"a@b>', b"<\xc3\xbc@b>", b"<" + b"a" * 2000 + b"@b>", b"<a@b\x00>",
    b"<a@b\r\n>", b"<>x",
])  # fmt: skip
def test_no_path(argument: bytes) -> None:
    with pytest.raises(ValueError):
        address.path(argument)


def test_path_with_smtputf8() -> None:
    assert address.path("<jürgen@müller.example> SMTPUTF8".encode(), utf8=True) == (
        Mailbox("jürgen", "müller.example"),
        b"SMTPUTF8",
    )
    with pytest.raises(ValueError):
        address.path(b"<\xff@b>", utf8=True)


@given(st.binary(max_size=40), st.booleans())
def test_path_fails_with_a_sentence_or_gives_what_can_be_sent(argument: bytes, utf8: bool) -> None:
    try:
        mailbox, _ = address.path(b"<" + argument + b">", utf8)
    except ValueError as refusal:
        assert str(refusal).isprintable()
        return
    wire = str(mailbox or "").encode()
    assert not {0, 10, 13} & set(wire)
    assert address.path(b"<" + wire + b">", utf8)[0] == mailbox


@pytest.mark.parametrize("one, other", [
    ("Bob@Example.ORG", "bob@example.org"),
    ('"bob"@example.org', "bob@example.org"),
    ("bob@Müller.example", "bob@xn--mller-kva.example"),
    ("jürgen@b", "ju\u0308rgen@b"),
    ("a@[ipv6:2001:DB8::1]", "a@[IPv6:2001:db8::1]"),
])  # fmt: skip
def test_canonical_is_the_same(one: str, other: str) -> None:
    assert address.canonical(one) == address.canonical(other)


@pytest.mark.parametrize("one, other", [("a b", "ab"), ("a.b", "ab"), ("a+b", "a")])
def test_canonical_differs(one: str, other: str) -> None:
    assert address.canonical(f'"{one}"@c') != address.canonical(f'"{other}"@c')


def test_sorts_of_mailboxes() -> None:
    assert Mailbox("a", "[192.0.2.1]").is_literal
    assert not Mailbox("a", "b").is_literal
    assert len({Mailbox("a", "b"), Mailbox("a", "b"), Mailbox("a", "c")}) == 2


@pytest.mark.parametrize("domain, a_labels", [
    ("Example.ORG", "example.org"),
    ("MÜLLER.example", "xn--mller-kva.example"),
    ("straße.example", "xn--strae-oqa.example"),
    ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
    ("ｅｘａｍｐｌｅ.org", "example.org"),
    ("президент.рф", "xn--d1abbgf6aiiy.xn--p1ai"),
    ("क्\u200dष.example", "xn--11b2ezcw70k.example"),
    ("l·l.example", "xn--ll-0ea.example"),
])  # fmt: skip
def test_a_labels(domain: str, a_labels: str) -> None:
    assert idn.ascii(domain) == a_labels


@pytest.mark.parametrize(
    "domain",
    [
        "☃.example",
        "a·b.example",
        "\u0301a.example",
        "-ü.example",
        "xn--ü.example",
        "ü" * 60 + ".example",
        "a\u200db.example",
    ],
)
def test_no_a_label(domain: str) -> None:
    with pytest.raises(ValueError):
        idn.ascii(domain)


def test_display_gives_back_only_true_a_labels() -> None:
    assert idn.display("XN--MLLER-KVA.example") == "müller.example"
    for false in ("xn--a.example", "xn--.example", "xn--99999999.example", "xn--ls8h.example", "xn--\u00fc.example"):
        assert idn.display(false) == false


@given(st.text(max_size=20))
def test_display_never_fails(text: str) -> None:
    assert isinstance(idn.display("xn--" + text), str)


@given(st.text(st.sampled_from("aäöüßñżžабвгд日本語中ქართ"), min_size=1, max_size=12))
def test_idn_round_trip(label: str) -> None:
    assert idn.display(idn.ascii(label + ".example")) == label + ".example"
