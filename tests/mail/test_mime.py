"""The tree of parts: right for mail as it is, total for anything, and linear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import mime, structure
from mailkit.mail.mime import Part
from tests.mail.soup import octets
from tests.mail.work import Searched, steps


def parts(root: Part) -> list[Part]:
    found = [root]
    for part in found:
        found += part.inner()
    return found


def outline(data: bytes) -> object:
    """Types and bodies, nested as the parts are."""

    def of(part: Part) -> object:
        kind = (part.type + b"/" + part.subtype).decode()
        if part.inner():
            return kind, [of(child) for child in part.inner()]
        return kind, data[part.body : part.end]

    return of(mime.scan(data))


MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"


@pytest.mark.parametrize("name, data, expected", [
    ("no type", b"Subject: x\n\nbody\n", ("text/plain", b"body\n")),
    ("empty", b"", ("text/plain", b"")),
    ("only a body", b"\nbody", ("text/plain", b"body")),
    ("broken type", b"Content-Type: plain\n\nx", ("text/plain", b"x")),
    ("odd type", b"Content-Type: Text / HTML\n\nx", ("text/html", b"x")),
    ("no semicolon", b"Content-Type: text/html charset=utf-8\n\nx", ("text/html", b"x")),
    ("two parts", MIXED + b"pre\n--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--\npost\n",
     ("multipart/mixed", [("text/plain", b"one"), ("text/html", b"two")])),
    ("no preamble", MIXED + b"--b\n\none\n--b--", ("multipart/mixed", [("text/plain", b"one")])),
    ("last line end is the delimiter's", MIXED + b"--b\n\none\n\n--b--",
     ("multipart/mixed", [("text/plain", b"one\n")])),
    ("never closed", MIXED + b"--b\n\none\n--b\n\ntwo\n",
     ("multipart/mixed", [("text/plain", b"one"), ("text/plain", b"two\n")])),
    ("no delimiter line", MIXED + b"lost\n", ("multipart/mixed", [("text/plain", b"lost\n")])),
    ("no boundary", b"Content-Type: multipart/mixed\n\n--b\n\nx", ("multipart/mixed", [("text/plain", b"--b\n\nx")])),
    ("closed before opened", MIXED + b"--b--\nx\n", ("multipart/mixed", [("text/plain", b"--b--\nx\n")])),
    ("blanks after the boundary", MIXED + b"--b \t\r\n\r\none\r\n--b-- \n",
     ("multipart/mixed", [("text/plain", b"one")])),
    ("longer boundary is another", MIXED + b"--b\n\none\n--bb\nrest\n--b--", ("multipart/mixed", [
        ("text/plain", b"one\n--bb\nrest")])),
    ("part without an empty line", MIXED + b"--b\nX: y\n--b\n\n--b--", ("multipart/mixed", [
        ("text/plain", b""), ("text/plain", b"")])),
    ("nothing between", MIXED + b"--b\n--b\n--b--", ("multipart/mixed", [("text/plain", b""), ("text/plain", b"")])),
    ("delimiter at the end", MIXED + b"--b", ("multipart/mixed", [("text/plain", b"")])),
    ("digest", MIXED.replace(b"mixed", b"digest") + b"--b\n\nSubject: x\n\nin\n--b\n"
     b"Content-Type: text/plain\n\ny\n--b--",
     ("multipart/digest", [("message/rfc822", [("text/plain", b"in")]), ("text/plain", b"y")])),
    ("outer wins", MIXED + b"--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--b\n\ntwo\n--c\n\nx\n--b--",
     ("multipart/mixed", [("multipart/mixed", [("text/plain", b"one")]), ("text/plain", b"two\n--c\n\nx")])),
    ("same boundary inside", MIXED + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n"
     b"--b\n\nthree\n--b--",
     ("multipart/mixed", [("multipart/mixed", [("text/plain", b"one"), ("text/plain", b"two")]),
                          ("text/plain", b"three")])),
    ("same boundary inside, closed once", MIXED + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--",
     ("multipart/mixed", [("multipart/mixed", [("text/plain", b"one")])])),
    ("coded boundary", b"Content-Type: multipart/mixed; boundary*=us-ascii''%62\n\n--b\n\none\n--b--",
     ("multipart/mixed", [("text/plain", b"one")])),
    ("quoted boundary with blanks", b'Content-Type: multipart/mixed;\n\tboundary="a b"\n\n--a b\n\none\n--a b--',
     ("multipart/mixed", [("text/plain", b"one")])),
    ("message", b"Content-Type: message/rfc822\n\nSubject: in\n\nbody", ("message/rfc822", [("text/plain", b"body")])),
    ("global message", b"Content-Type: message/global\n\n\nbody", ("message/global", [("text/plain", b"body")])),
    ("other message", b"Content-Type: message/delivery-status\n\na: b\n\nc: d",
     ("message/delivery-status", b"a: b\n\nc: d")),
])  # fmt: skip
def test_outline(name: str, data: bytes, expected: object) -> None:
    assert outline(data) == expected


def test_fields_and_attributes() -> None:
    root = mime.scan(
        b"FROM: a@b\nTo: c@d\nto: e@f\nSubject: one\nSubject: two\n"
        b"Content-Type: Text/Plain; Charset=UTF-8; format=flowed\n"
        b"Content-Transfer-Encoding: Quoted-Printable (really)\nX: y\n\nab\r\ncd\n"
    )
    assert root.fields[b"to"] == b"c@d, e@f"  # nobody hides an address behind another
    assert root.fields[b"subject"] == b"one"
    assert b"x" not in root.fields
    assert root.param(b"charset") == b"UTF-8"
    assert root.param(b"missing") is None
    assert root.encoding == b"quoted-printable"
    assert (root.octets, root.lines) == (8, 2)
    assert root.size == root.header_octets + 8


@pytest.mark.parametrize(
    "value, encoding",
    [
        (b"BASE64", b"base64"),
        (b"8bit; x", b"8bit"),
        (b'"7bit"', b"7bit"),
        (b"(only)", b"7bit"),
        (b"x y", b"x"),
        (b"", b"7bit"),
    ],
)
def test_encoding(value: bytes, encoding: bytes) -> None:
    assert mime.scan(b"Content-Transfer-Encoding: " + value + b"\n\n").encoding == encoding


@given(octets)
def test_offsets_nest_and_sizes_are_those_of_crlf(data: bytes) -> None:
    root = mime.scan(data)
    assert (root.start, root.end) == (0, len(data))
    assert root.size == mime.size(data) == len(mime.crlf(data))
    for part in parts(root):
        assert part.start <= part.body <= part.end
        assert part.octets == len(mime.crlf(data[part.body : part.end]))
        assert part.header_octets == len(mime.crlf(data[part.start : part.body]))
        assert part.lines == data.count(b"\n", part.body, part.end)
        at = part.body
        for child in part.inner():
            assert at <= child.start and child.end <= part.end
            at = child.end
        assert part.type != b"multipart" or part.parts


@given(octets)
def test_same_answers_however_lines_end(data: bytes) -> None:
    bare = data.replace(b"\r", b"")
    one, other = mime.scan(bare), mime.scan(bare.replace(b"\n", b"\r\n"))
    assert structure.bodystructure(one) == structure.bodystructure(other)
    assert structure.envelope(one) == structure.envelope(other)
    assert one.size == other.size


@given(st.lists(st.sampled_from([b"\n", b"--b", b"-", b"--", b"b", b"x" * 9, b"--bb", b"\r\n"]), max_size=40).map(b"".join),
       st.integers(0, 30), st.integers(1, 9))  # fmt: skip
def test_long_parts_are_searched_and_counted_like_short_ones(data: bytes, start: int, cut: int) -> None:
    start = min(start, len(data))
    plain = mime._next(data, b"--b", start, len(data)), mime.line_ends(data, start, len(data))
    assert plain == (data.find(b"\n--b", start) + 1 or -1, data.count(b"\n", start))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mime, "_LONG_OCTETS", 0)
        patch.setattr(mime, "_HYPHENS_MOST", cut)
        patch.setattr(mime, "_CUT_OCTETS", cut)
        assert (mime._next(data, b"--b", start, len(data)), mime.line_ends(data, start, len(data))) == plain


@given(octets, st.integers(0, 60), st.integers(0, 60), st.integers(0, 90), st.integers(0, 50), st.integers(1, 9))
def test_partial_is_a_cut_of_the_whole(data: bytes, start: int, length: int, origin: int, count: int, cut: int) -> None:
    end = min(start + length, len(data))
    start = min(start, end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mime, "_CUT_OCTETS", cut)
        found = mime.partial(data, start, end, origin, count)
    assert found == mime.crlf(data[start:end])[origin : origin + count]


def nested(depth: int, body: bytes = b"x\n") -> bytes:
    levels = [b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(depth)]
    return b"".join(levels) + b"\n" + body


def depth(root: Part) -> int:
    return 1 + max(map(depth, root.inner())) if root.inner() else 0


def test_depth_is_limited() -> None:
    assert depth(mime.scan(nested(20))) == 20
    assert depth(mime.scan(nested(150))) == 101
    assert depth(mime.scan(b"Content-Type: message/rfc822\n\n" * 10_000)) == 101
    # What is not taken apart is all in one plain part.
    data = nested(10_000)
    root = part = mime.scan(data)
    while part.inner():
        part = part.inner()[0]
    assert (part.type, part.end) == (b"text", len(data))
    assert structure.bodystructure(root)


def test_number_of_parts_is_limited() -> None:
    data = MIXED + b"--b\n\nx\n" * 20_000 + b"--b--\n"
    root = mime.scan(data)
    assert len(parts(root)) == 10_000
    inner = b"--b\nContent-Type: multipart/mixed; boundary=c\n\n" + b"--c\n\nx\n" * 150
    assert len(parts(mime.scan(MIXED + inner * 150))) <= 10_200


@pytest.mark.parametrize("name, unit", [
    ("delimiters", b"--b\n"),
    ("near delimiters", b"\n--"),
    ("longer delimiters", b"--bb\n"),
    ("empty lines", b"\n"),
    ("header lines", b"--b\nContent-Type: text/plain\n"),
    ("delimiters with blanks", b"--b                    "),
    ("CRLF", b"\r\n--b\r\n\r"),
])  # fmt: skip
def test_octets_are_searched_a_bounded_number_of_times(name: str, unit: bytes) -> None:
    for count in (2_000, 20_000):
        data = Searched(MIXED + unit * count)
        mime.scan(data)
        assert data.looked_at < 12 * len(data), name


def test_nesting_is_searched_a_bounded_number_of_times() -> None:
    for size in (1 << 20, 1 << 22):
        data = Searched(nested(10_000, b"y" * size))
        mime.scan(data)
        # 32 times, plus what small messages are allowed, plus the search for the end of each header
        assert data.looked_at < 40 * len(data) + (1 << 23)


@pytest.mark.parametrize("unit", [b"To: a@b\n", b"X: y\n", b"\n a", b": ", b"Content-Type: a/b;", b"\t\n\t"])
def test_headers_are_read_in_linear_time(unit: bytes) -> None:
    def read(data: bytes) -> None:
        structure.envelope(mime.scan(data))

    once, twice = steps(read, unit * 500), steps(read, unit * 1000)
    assert twice <= once * 2.2


def test_fields_beyond_the_first_mebibyte_are_not_read() -> None:
    data = b"X: " + b"y" * (1 << 20) + b"\nSubject: late\n\nbody"
    root = mime.scan(data)
    assert b"subject" not in root.fields
    assert data[root.body : root.end] == b"body"


@given(octets, st.integers(0, 40), st.integers(0, 400), st.integers(1, 9))
def test_windows_together_are_the_whole(data: bytes, start: int, length: int, cut: int) -> None:
    end = min(start + length, len(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mime, "_CUT_OCTETS", cut)
        found = list(mime.windows(data, start, end))
    assert b"".join(found) == mime.crlf(data[start:end])
    assert max(map(len, found), default=0) <= 2 * (cut + 1)
