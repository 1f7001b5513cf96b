"""Sections: what BODY[...] gives."""

from __future__ import annotations

import pytest
from hypothesis import given

from mailkit.mail import mime, section
from tests.mail.soup import octets

# The tree of RFC 9051 6.4.5.1, with a message that is no multipart as part 4.
DATA = b"""Subject: root
Content-Type: multipart/mixed; boundary=r

--r
Content-Type: text/plain
X: 1

one
--r
Content-Type: application/octet-stream

two
--r
Content-Type: message/rfc822
X: 3

Subject: three
X-Other: y
Content-Type: multipart/mixed; boundary=t

--t

three.one
--t
Content-Type: text/html

three.two
--t--
--r
Content-Type: message/rfc822

Subject: four

four.one
--r--
"""
ROOT = mime.scan(DATA)


def fetch(path: list[int], what: str = "", names: tuple[bytes, ...] = ()) -> bytes | None:
    found = section.fetch(DATA, ROOT, path, what, names)
    return None if found is None else found.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("path, what, expected", [
    ([], "", DATA),
    ([], "HEADER", b"Subject: root\nContent-Type: multipart/mixed; boundary=r\n\n"),
    ([], "TEXT", DATA.split(b"\n\n", 1)[1]),
    ([], "MIME", None),
    ([1], "", b"one"),
    ([1], "MIME", b"Content-Type: text/plain\nX: 1\n\n"),
    ([1], "HEADER", None),
    ([1], "TEXT", None),
    ([1, 1], "", None),
    ([2], "", b"two"),
    ([3], "MIME", b"Content-Type: message/rfc822\nX: 3\n\n"),
    ([3], "HEADER", b"Subject: three\nX-Other: y\nContent-Type: multipart/mixed; boundary=t\n\n"),
    ([3], "TEXT", b"--t\n\nthree.one\n--t\nContent-Type: text/html\n\nthree.two\n--t--"),
    ([3, 1], "", b"three.one"),
    ([3, 1], "MIME", b"\n"),
    ([3, 2], "", b"three.two"),
    ([3, 2], "MIME", b"Content-Type: text/html\n\n"),
    ([3, 3], "", None),
    ([4], "", b"Subject: four\n\nfour.one"),
    ([4, 1], "", b"four.one"),
    ([4, 1], "MIME", b"Subject: four\n\n"),
    ([4, 1, 1], "", None),
    ([4, 2], "", None),
    ([5], "", None),
    ([0], "", None),
])  # fmt: skip
def test_fetch(path: list[int], what: str, expected: bytes | None) -> None:
    assert fetch(path, what) == expected


def test_fields_are_picked() -> None:
    assert fetch([], "HEADER.FIELDS", (b"SUBJECT", b"missing")) == b"Subject: root\n\n"
    assert fetch([3], "HEADER.FIELDS", (b"x-other",)) == b"X-Other: y\n\n"
    assert fetch([3], "HEADER.FIELDS.NOT", (b"subject", b"content-type")) == b"X-Other: y\n\n"
    assert fetch([], "HEADER.FIELDS", (b"missing",)) == b"\n"
    assert fetch([1], "HEADER.FIELDS", (b"x",)) is None


def test_a_message_without_an_empty_line_gets_none() -> None:
    data = b"Subject: x\n"
    root = mime.scan(data)
    assert section.fetch(data, root, [], "HEADER") == b"Subject: x\r\n"
    assert section.fetch(data, root, [], "HEADER.FIELDS", (b"subject",)) == b"Subject: x\r\n"
    assert section.fetch(data, root, [1], "") == b""


def test_number_one_of_a_plain_message_is_its_body() -> None:
    data = b"Subject: x\n\nbody\n"
    root = mime.scan(data)
    assert section.fetch(data, root, [1], "") == b"body\r\n"
    assert section.fetch(data, root, [1], "MIME") == b"Subject: x\r\n\r\n"
    assert section.fetch(data, root, [1, 1], "") is None
    assert section.fetch(data, root, [2], "") is None


def test_spans_are_the_same_octets() -> None:
    span = section.span(ROOT, [3, 1], "")
    assert span is not None
    assert DATA[slice(*span)] == b"three.one"
    assert section.span(ROOT, [9], "") is None


@given(octets)
def test_sections_add_up(data: bytes) -> None:
    root = mime.scan(data)
    whole = section.fetch(data, root, [], "")
    header, text = section.fetch(data, root, [], "HEADER"), section.fetch(data, root, [], "TEXT")
    assert whole is not None and header is not None and text is not None
    assert header + text == whole and len(whole) == root.size
    for what in ("", "MIME", "HEADER", "TEXT", "HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        for path in ([1], [2], [1, 1], [1, 2], [2, 1], [1, 1, 1]):
            found = section.fetch(data, root, path, what, (b"subject",))
            assert found is None or b"\n" not in found.replace(b"\r\n", b"")
            part = section.find(root, path)
            if what == "" and part is not None:
                assert found is not None and len(found) == part.octets


@given(octets)
def test_fields_and_the_rest_are_the_header(data: bytes) -> None:
    root = mime.scan(data)
    picked = section.fetch(data, root, [], "HEADER.FIELDS", (b"subject", b"to"))
    rest = section.fetch(data, root, [], "HEADER.FIELDS.NOT", (b"subject", b"to"))
    assert picked is not None and rest is not None
    header = section.fetch(data, root, [], "HEADER") or b""
    ended = 2 if header.endswith(b"\r\n\r\n") or header == b"\r\n" else 0
    assert len(picked) + len(rest) == len(header) + ended
