"""Parameters of Content-Type and Content-Disposition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import comment, parameter
from tests.mail.soup import octets
from tests.mail.work import steps


@pytest.mark.parametrize("value, main, params", [
    (b"text/plain", b"text/plain", []),
    (b"text/plain; charset=utf-8", b"text/plain", [(b"charset", b"utf-8")]),
    (b'Text/HTML ; CharSet="utf-8";', b"Text/HTML", [(b"charset", b"utf-8")]),
    (b'a/b; x="semi;colon"; y=z', b"a/b", [(b"x", b"semi;colon"), (b"y", b"z")]),
    (b'a/b; x="q\\"uo\\\\te"; y=z', b"a/b", [(b"x", b'q"uo\\te'), (b"y", b"z")]),
    (b'a/b; x="never closed; y=z', b"a/b", [(b"x", b"never closed"), (b"y", b"z")]),
    (b"a/b; name=my file.pdf; y=z", b"a/b", [(b"name", b"my file.pdf"), (b"y", b"z")]),
    (b"a/b (one; two=3); y=z (tail)", b"a/b", [(b"y", b"z")]),
    (b'a/b; name="a (not a comment).txt"', b"a/b", [(b"name", b"a (not a comment).txt")]),
    (b"a/b; name=report (1.txt", b"a/b", [(b"name", b"report (1.txt")]),
    (b"a/b; ; =x; y; z=", b"a/b", [(b"z", b"")]),
    (b"", b"", []),
])  # fmt: skip
def test_parse(value: bytes, main: bytes, params: list[tuple[bytes, bytes]]) -> None:
    assert parameter.parse(value) == (main, params)


@pytest.mark.parametrize("value, params", [
    # RFC 2231 3, 4 and 4.1
    (b'message/external-body; access-type=URL; URL*0="ftp://"; URL*1="cs.utk.edu/pub"',
     {"access-type": "URL", "url": "ftp://cs.utk.edu/pub"}),
    (b"application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", {"title": "This is ***fun***"}),
    (b"application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20;"
     b' title*2="isn\'t it!"', {"title": "This is even more ***fun*** isn't it!"}),
    # what mail programs send
    (b"a/b; name=old.txt; name*=utf-8''n%C3%A9w.txt", {"name": "néw.txt"}),
    (b'a/b; name="=?utf-8?q?n=C3=A9w?="', {"name": "néw"}),
    (b"a/b; name*1=b; name*0=a", {"name": "ab"}),
    (b"a/b; name*=100%", {"name": "100%"}),
    (b"a/b; name*0*=utf-8''%C3; name*1*=%A9", {"name": "é"}),
    (b"a/b; x=1; x=2", {"x": "1"}),
])  # fmt: skip
def test_decoded(value: bytes, params: dict[str, str]) -> None:
    assert parameter.decoded(value)[1] == params


def test_joined_keeps_places_and_percent_signs() -> None:
    found = parameter.parse(b"a/b; x=1; n*1=50%; y=2; n*0*=utf-8''a%20")[1]
    assert parameter.joined(found) == [(b"x", b"1"), (b"n*", b"utf-8''a%2050%25"), (b"y", b"2")]


@given(octets)
def test_never_fails(value: bytes) -> None:
    main, params = parameter.decoded(value)
    assert main == main.lower()
    assert all(isinstance(content, str) for content in params.values())


@given(st.binary(max_size=40).filter(lambda content: b"\n" not in content and b"\r" not in content))
def test_quoted_value_reads_the_same(content: bytes) -> None:
    quoted = content.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    assert parameter.parse(b'a/b; x="' + quoted + b'"; y=z') == (b"a/b", [(b"x", content), (b"y", b"z")])


@given(octets)
def test_comments_go_and_nothing_else(value: bytes) -> None:
    without = comment.removed(value)
    assert len(without) <= len(value)
    if b"(" not in value:
        assert without == value


def test_comments_nest_and_hide_quotes() -> None:
    assert comment.removed(b'a (b (c) \\) " d) e') == b"a   e"
    assert comment.removed(b'"(" a (b)') == b'"(" a  '
    assert comment.removed(b"a (b") == b"a (b"


@pytest.mark.parametrize("piece", [b'""', b'"', b";", b'";', b"(", b"()", b"\\\\", b'"\\', b"; n*1=x", b"%4"])
def test_work_is_linear(piece: bytes) -> None:
    once = steps(parameter.decoded, b"a/b; x=" + piece * 400 + b";")
    twice = steps(parameter.decoded, b"a/b; x=" + piece * 800 + b";")
    assert twice <= once * 2.1 + 20
