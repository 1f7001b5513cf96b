"""Arguments: what the grammar allows is read, everything else is Bad, and nothing else is ever raised."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.wire import Bad, items, keys, orders, scopes, sets
from mailkit.imap.wire.reader import Reader


def read(method: str, data: bytes) -> object:
    """One thing, which has to be all there is."""
    reader = Reader(data)
    value = getattr(reader, method)()
    reader.end()
    return value


@pytest.mark.parametrize(("method", "data", "value"), [
    ("atom", b"$Forwarded", b"$Forwarded"),
    ("word", b"Fetch", "FETCH"),
    ("number", b"9223372036854775807", 9223372036854775807),
    ("quoted", b'""', b""),
    ("quoted", b'"a \\"b\\\\c\\""', b'a "b\\c"'),
    ("literal", b"{3}\r\na\r\n", b"a\r\n"),
    ("literal", b"~{1+}\r\n\0", b"\0"),
    ("astring", b"a]b", b"a]b"),
    ("astring", b'"x y"', b"x y"),
    ("astring", b"{0}\r\n", b""),
    ("nstring", b"nil", None),
    ("nstring", b'"NIL"', b"NIL"),
    ("text", b'"\xc3\xa9"', "é"),
    ("words", b"()", []),
    ("words", b"(A b)", [b"A", b"b"]),
    ("astrings", b'(From "Reply-To")', [b"From", b"Reply-To"]),
    ("flag", b"\\Seen", "\\Seen"),
    ("flags", b"(\\Seen $Junk)", ["\\Seen", "$Junk"]),
    ("bare_flags", b"\\Seen x", ["\\Seen", "x"]),
    ("mailbox", b"inBox", "INBOX"),
    ("mailbox", b"Entw&APw-rfe", "Entwürfe"),
    ("mailbox", b'"Entw\xc3\xbcrfe"', "Entwürfe"),
    ("mailbox", b"a&-b", "a&b"),
    ("mailbox", b'"a/b c"', "a/b c"),
    ("pattern", b"INBOX/%", "INBOX/%"),
    ("pattern", b'"*"', "*"),
    ("date", b"1-Feb-1994", 8797),
    ("date", b'"01-feb-1994"', 8797),
    ("date_time", b'"17-Jul-1996 02:44:25 -0700"', 837596665),
    ("date_time", b'" 1-Jan-1970 00:00:00 +0000"', 0),
])  # fmt: skip
def test_grammar(method: str, data: bytes, value: object) -> None:
    assert read(method, data) == value


@pytest.mark.parametrize(("method", "data"), [
    ("atom", b""), ("atom", b'"x"'), ("atom", b"a b"), ("number", b"9223372036854775808"), ("number", b"-1"),
    ("quoted", b'"abc'), ("quoted", b'"a\\b"'), ("quoted", b'"a\\"'), ("literal", b"{5}\r\nabc"),
    ("literal", b"{x}\r\n"),
    ("astring", b"{1}\r\n\0"), ("astring", b"("), ("text", b'"\xff"'), ("words", b"(a"), ("words", b"(a  b)"),
    ("words", b"(a b )"),
    ("flag", b"\\"), ("mailbox", b'"a\xff"'), ("date", b"31-Feb-1994"), ("date", b"1-Foo-1994"),
    ("date_time", b'"17-Jul-1996 25:44:25 -0700"'), ("date_time", b'"17-Jul-1996"'),
])  # fmt: skip
def test_what_is_not_grammar_is_bad(method: str, data: bytes) -> None:
    with pytest.raises(Bad):
        read(method, data)


def test_utf8_names_once_enabled() -> None:
    assert Reader(b'"a&-b"', utf8=True).mailbox() == "a&-b"


@pytest.mark.parametrize(("data", "last", "pairs"), [
    (b"1", 9, [(1, 1)]), (b"3:1,2:5", 9, [(1, 5)]), (b"7,1", 9, [(1, 1), (7, 7)]), (b"*", 9, [(9, 9)]),
    (b"4:*", 9, [(4, 9)]), (b"12:*", 9, [(9, 12)]), (b"1,2,3", 9, [(1, 3)]), (b"*", 0, []), (b"2,1:*", 0, [(2, 2)]),
    (b"1:3,2:2", 9, [(1, 3)]),
])  # fmt: skip
def test_sets(data: bytes, last: int, pairs: list[tuple[int, int]]) -> None:
    reader = Reader(data)
    assert sets.resolve(sets.read(reader), last) == pairs
    assert reader.done


@pytest.mark.parametrize("data", [b"", b"0", b"1:", b":1", b"1,,2", b"4294967296", b"1:2:3", b"**", b"x"])
def test_no_set(data: bytes) -> None:
    with pytest.raises(Bad):
        sets.read(Reader(data))


def test_saved_result() -> None:
    assert sets.read(Reader(b"$")) is sets.SAVED


@given(st.sets(st.integers(1, 60)))
def test_set_form_and_back(numbers: set[int]) -> None:
    octets = sets.form(sorted(numbers))
    pairs = sets.resolve(sets.read(Reader(octets)), 60) if numbers else []
    assert {number for low, high in pairs for number in range(low, high + 1)} == numbers
    assert octets.count(b",") == max(len(pairs) - 1, 0)


def item(data: bytes) -> items.Item:
    found = items.read(Reader(data))
    assert len(found) == 1
    return found[0]


def test_macros() -> None:
    assert [each.name for each in items.read(Reader(b"fast"))] == ["FLAGS", "INTERNALDATE", "RFC822.SIZE"]
    assert [each.name for each in items.read(Reader(b"(UID BODYSTRUCTURE)"))] == ["UID", "BODYSTRUCTURE"]


def test_section() -> None:
    found = item(b"BODY.PEEK[1.2.header.fields (From {2}\r\nto)]<10.20>")
    assert (found.path, found.what, found.fields, found.partial) == (
        [1, 2],
        "HEADER.FIELDS",
        [b"From", b"to"],
        (10, 20),
    )
    assert found.peek
    assert found.label == b'BODY[1.2.HEADER.FIELDS ("From" "to")]<10>'


@pytest.mark.parametrize(("data", "label", "peek"), [
    (b"BODY[]", b"BODY[]", False), (b"body[text]", b"BODY[TEXT]", False), (b"BODY.PEEK[1.MIME]", b"BODY[1.MIME]", True),
    (b"RFC822", b"RFC822", False), (b"RFC822.HEADER", b"RFC822.HEADER", True),
    (b"BINARY.PEEK[1]<0.5>", b"BINARY[1]<0>", True),
    (b"BINARY.SIZE[2]", b"BINARY.SIZE[2]", True),
    (b"BODY[HEADER.FIELDS.NOT (Date)]", b"BODY[HEADER.FIELDS.NOT (Date)]", False),
])  # fmt: skip
def test_sections_are_labelled_as_asked(data: bytes, label: bytes, peek: bool) -> None:
    found = item(data)
    assert (found.label, found.peek) == (label, peek)


@pytest.mark.parametrize("data", [
    b"", b"()", b"(FLAGS ALL)", b"NONE", b"BODY[", b"BODY[0]", b"BODY[1.]", b"BODY[1TEXT]", b"BODY[MIME]", b"BODY[FOO]",
    b"BODY[HEADER.FIELDS]", b"BODY[HEADER.FIELDS ()]", b"BODY[]<0.0>", b"BODY[]<1>", b"BODY.SEEK[]", b"BINARY[TEXT]",
    b"BINARY[1.MIME]", b"FLAGS[]", b"BINARY.SIZE", b"RFC822.PEEK[]",
])  # fmt: skip
def test_no_fetch_item(data: bytes) -> None:
    with pytest.raises(Bad):
        reader = Reader(data)
        items.read(reader)
        reader.end()


def key(data: bytes) -> object:
    return keys.read(Reader(data)).key


@pytest.mark.parametrize(("data", "wanted"), [
    (b"ALL", ("ALL",)),
    (b"unseen", ("NOT", ("FLAG", "\\Seen"))),
    (b"1:* DELETED", ("AND", [("SEQ", [(1, sets.LAST)]), ("FLAG", "\\Deleted")])),
    (b"UID 5", ("UID", [(5, 5)])),
    (b"OR FROM a (TO b NOT CC c)",
     ("OR", ("HEADER", "FROM", "a"), ("AND", [("HEADER", "TO", "b"), ("NOT", ("HEADER", "CC", "c"))]))),
    (b"HEADER x-Thing {3}\r\nabc", ("HEADER", "X-THING", "abc")),
    (b"SENTSINCE 1-Feb-1994", ("SENTSINCE", 8797)),
    (b"KEYWORD $Junk", ("FLAG", "$Junk")),
    (b"LARGER 10", ("LARGER", 10)),
    (b"YOUNGER 60", ("YOUNGER", 60)),
    (b'CHARSET ISO-8859-1 BODY "\xe9"', ("BODY", "é")),
    (b'TEXT "\xc3\xa9"', ("TEXT", "é")),
])  # fmt: skip
def test_search_keys(data: bytes, wanted: object) -> None:
    assert key(data) == wanted


def test_search_returns() -> None:
    assert keys.read(Reader(b"ALL")).returns is None
    assert keys.read(Reader(b"RETURN () ALL")).returns == {"ALL"}
    options = keys.read(Reader(b"RETURN (UPDATE (UID BODY[TEXT]) COUNT) ALL"))
    assert (options.returns, [item.label for item in options.items]) == ({"UPDATE", "COUNT"}, [b"UID", b"BODY[TEXT]"])
    assert keys.read(Reader(b"return (min COUNT) CHARSET UTF-8 ALL")).returns == {"MIN", "COUNT"}


@pytest.mark.parametrize("data", [
    b"", b"()", b"ALL ", b"NOT", b"OR ALL", b"(ALL", b"LARGER x", b"BEFORE 1", b"FROM", b"FOO", b"KEYWORD \\",
    b"HEADER a",
    b"RETURN (FOO) ALL", b'CHARSET UTF-8 BODY "\xff"', b"(" * 60 + b"ALL" + b")" * 60, b"NOT " * 60 + b"ALL",
])  # fmt: skip
def test_no_search(data: bytes) -> None:
    with pytest.raises(Bad):
        reader = Reader(data)
        keys.read(reader)
        reader.end()


@pytest.mark.parametrize("charset", [b"X-UNKNOWN", b"rot13", b"hex", b"idna", b"UTF-8\\0"])
def test_unknown_charset(charset: bytes) -> None:
    with pytest.raises((keys.UnknownCharset, Bad)):
        keys.read(Reader(b"CHARSET " + charset + b" ALL"))


TOKENS = st.lists(st.sampled_from([
    b"(", b")", b" ", b"BODY", b"[", b"]", b"HEADER.FIELDS", b"1", b".", b"<", b">", b"{2}\r\nab", b'"', b"\\", b"OR ",
    b"NOT ",
    b"FROM", b"1:*", b"$", b"CHARSET", b"RETURN", b"UTF-8", b"&", b"-", b"\\Seen", b"NIL", b"*", b"\xc3",
    b"1-Feb-1994", b"BINARY", b"IN ", b"SUBTREE ", b"SELECTED",
]) | st.binary(max_size=3), max_size=20).map(b"".join)  # fmt: skip


@given(TOKENS)
def test_rubbish_is_bad_and_nothing_worse(data: bytes) -> None:
    methods = ("astring", "nstring", "flags", "bare_flags", "mailbox", "pattern", "date", "date_time", "words", "text")
    readings: list[Callable[[Reader], object]] = [
        items.read, items.read_modifiers, keys.read, scopes.read, sets.read, orders.read_sort, orders.read_thread,
    ]  # fmt: skip
    readings += [lambda reader, name=name: getattr(reader, name)() for name in methods]
    for reading in readings:
        try:
            reader = Reader(data)
            reading(reader)
        except (Bad, keys.UnknownCharset):
            continue
        assert reader.at <= len(data)
