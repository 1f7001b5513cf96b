"""ENVELOPE and BODYSTRUCTURE as IMAP sends them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import mime, structure
from tests.mail import imapwire
from tests.mail.soup import octets
from tests.mail.work import steps

# RFC 9051 8 and 7.5.2
EXAMPLE = b"""Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev2 WG mtg summary and minutes
To: imap@cac.washington.edu
Cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.ed>
MIME-Version: 1.0
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII

"""


def test_envelope_of_the_rfc() -> None:
    terry = b'(("Terry Gray" NIL "gray" "cac.washington.edu"))'
    assert structure.envelope(mime.scan(EXAMPLE)) == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes"'
        + (b" " + terry) * 3
        + b' ((NIL NIL "imap" "cac.washington.edu")) '
        b'((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
        b'"<B27397-0100000@cac.washington.ed>")'
    )


def test_structure_of_the_rfc() -> None:
    root = mime.scan(EXAMPLE + b"x" * 70 + b"\n")
    assert structure.body(root) == b'("text" "plain" ("charset" "US-ASCII") NIL NIL "7bit" 72 1)'
    assert structure.bodystructure(root) == (
        b'("text" "plain" ("charset" "US-ASCII") NIL NIL "7bit" 72 1 NIL NIL NIL NIL)'
    )


NESTED = b"""Content-Type: multipart/mixed; boundary="b"
Content-Language: en

--b
Content-Type: text/html
Content-ID: <id@x>
Content-Description: a "quoted" one
Content-Transfer-Encoding: BASE64
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
Content-Disposition: Attachment; filename="a b.html"; size=3
Content-Language: de, (comment) en
Content-Location: http://example/

YQ==
--b
Content-Type: message/rfc822

From: a@b
Subject:

in
--b
Content-Type: application/octet-stream; name*0="a"; name*1="b"
Content-Disposition: inline

x
--b--
"""


def test_structure_of_a_nested_message() -> None:
    root = mime.scan(NESTED)
    assert structure.bodystructure(root) == (
        b'(("text" "html" ("charset" "us-ascii") "<id@x>" "a \\"quoted\\" one" "base64" 4 0 "Q2hlY2sgSW50ZWdyaXR5IQ==" '
        b'("attachment" ("filename" "a b.html" "size" "3")) ("de" "en") "http://example/")'
        b'("message" "rfc822" NIL NIL NIL "7bit" 25 '
        b'(NIL "" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL) '
        b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 2 0 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)'
        b'("application" "octet-stream" ("name" "ab") NIL NIL "7bit" 1 NIL ("inline" NIL) NIL NIL) '
        b'"mixed" ("boundary" "b") NIL "en" NIL)'
    )
    assert structure.body(root) == (
        b'(("text" "html" ("charset" "us-ascii") "<id@x>" "a \\"quoted\\" one" "base64" 4 0)'
        b'("message" "rfc822" NIL NIL NIL "7bit" 25 '
        b'(NIL "" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL) '
        b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 2 0) 3)'
        b'("application" "octet-stream" ("name" "ab") NIL NIL "7bit" 1) "mixed")'
    )


def test_folds_with_tabs_are_shown_as_blanks() -> None:
    assert structure.envelope(mime.scan(b"Subject: a\n\tb\n\n")).startswith(b'(NIL "a b" NIL')


@given(st.lists(st.none() | st.text("a \"\\\té(<@>)", max_size=5).map(str.encode), min_size=4, max_size=4))
def test_lines_looked_at_together_are_as_alone(values: list[bytes | None]) -> None:
    alone = [b"NIL" if value is None else structure.string(value.replace(b"\t", b" ")) for value in values]
    assert structure._lines(*values) == alone


@given(st.text("ab  <@>,;:().\"", max_size=12).map(str.encode))
def test_usual_addresses_are_read_like_all(value: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found = structure._list(value)
        patch.setattr(structure, "_OF_ADDRESS", b"")
        assert found == structure._list(value)


def test_groups_and_missing_addresses() -> None:
    def envelope(data: bytes) -> list[object]:
        return imapwire.read(structure.envelope(mime.scan(data)))

    group = [[None, None, b"g", None], [b"A", None, b"a", b"b"], [None, None, None, None]]
    assert envelope(b"To: g: A <a@b>;\n\n")[5] == group
    assert envelope(b"From:\nSender: s@t\n\n")[2:5] == [None, [[None, None, b"s", b"t"]], None]
    assert envelope(b"From: f@g\nReply-To: r@t\n\n")[2:5] == [
        [[None, None, b"f", b"g"]],
        [[None, None, b"f", b"g"]],
        [[None, None, b"r", b"t"]],
    ]
    assert envelope(b"To: root, John Doe\n\n")[5] == [[None, None, b"root", b""], [b"John Doe", None, b"", b""]]


@pytest.mark.parametrize("value, wire", [
    (b"", b'""'),
    (b"abc", b'"abc"'),
    (b'a"b\\c', b'"a\\"b\\\\c"'),
    (b"caf\xc3\xa9", b"{5}\r\ncaf\xc3\xa9"),
    (b"a\rb", b"{3}\r\na\rb"),
    (b"a\0b", b"{3}\r\na\x80b"),
    (b"\x7f", b"{1}\r\n\x7f"),
    (b"\t", b"{1}\r\n\t"),
    (b"x" * 2001, b"{2001}\r\n" + b"x" * 2001),
])  # fmt: skip
def test_string(value: bytes, wire: bytes) -> None:
    assert structure.string(value) == wire


@given(st.binary(max_size=30))
def test_string_reads_the_same(value: bytes) -> None:
    wire = b"(" + structure.string(value) + b")"
    assert imapwire.read(wire) == [value.replace(b"\0", b"\x80")] or b"\0" in value
    assert structure.nstring(None) == b"NIL"


@given(octets)
def test_anything_is_written_well_formed(data: bytes) -> None:
    root = mime.scan(data)
    envelope = imapwire.read(structure.envelope(root))
    assert len(envelope) == 10
    assert all(item is None or isinstance(item, bytes) for item in (*envelope[:2], *envelope[8:]))
    for addresses in envelope[2:8]:
        assert addresses is None or all(isinstance(entry, list) and len(entry) == 4 for entry in addresses)  # type: ignore[attr-defined]
    check(imapwire.read(structure.bodystructure(root)), True)
    check(imapwire.read(structure.body(root)), False)


def check(value: object, extended: bool) -> None:
    """RFC 9051 9: body, with or without its extension data."""
    assert isinstance(value, list)
    if isinstance(value[0], list):
        kinds = [isinstance(item, list) for item in value]
        children = kinds.index(False)
        for child in value[:children]:
            check(child, extended)
        assert isinstance(value[children], bytes)
        assert len(value) == children + (5 if extended else 1)
        return
    assert all(isinstance(item, bytes) for item in (value[0], value[1], value[5]))
    assert isinstance(value[6], int)
    basic = 7
    if value[0] == b"text":
        assert isinstance(value[7], int)
        basic = 8
    elif value[0] == b"message" and value[1] in (b"rfc822", b"global"):
        assert len(value[7]) == 10 and isinstance(value[9], int)
        check(value[8], extended)
        basic = 10
    assert len(value) == basic + (4 if extended else 0)


def test_deep_nesting_is_written_in_linear_steps() -> None:
    def write(data: bytes) -> None:
        structure.bodystructure(mime.scan(data))

    unit = b'--b\nContent-Type: text/plain; charset=utf-8; x="y;z"\nContent-Disposition: inline\n\nx\n'
    head = b"Content-Type: multipart/mixed; boundary=b\n\n"
    assert steps(write, head + unit * 1000) < 2.1 * steps(write, head + unit * 500)
