"""ENVELOPE, BODY and BODYSTRUCTURE of a scanned message, in the octets IMAP sends (RFC 9051 7.5.2 and 9).

Strings are quoted where that is allowed without any extension, else literals: the answers are right for every
client, whatever it has enabled, so they can be kept. Header values stand as they are written, unfolded.
"""

from __future__ import annotations

from mailkit.mail import addresslist, comment, parameter
from mailkit.mail.memo import Memo

TYPE_CHECKING = False  # mypy takes it for true; `typing` costs a lean program 10 ms
if TYPE_CHECKING:
    from mailkit.mail.mime import Part

_QUOTED_LONGEST = 2000  # beyond, a literal: some clients read lines into small buffers
_QUOTABLE = bytes(range(0x20, 0x7F))
_PLAIN = bytes(octet for octet in _QUOTABLE if octet not in b'"\\')
_OF_ADDRESS = bytes(octet for octet in _PLAIN if octet not in b" (),:;<>@[]")  # without anything to be understood


def string(value: bytes) -> bytes:
    """A quoted string, or a literal for 8-bit, controls and great length (RFC 9051 4.3).

    A literal cannot hold NUL; 0x80 stands for it.
    """
    odd = value.translate(None, _PLAIN)
    if len(value) > _QUOTED_LONGEST or (odd and odd.translate(None, b'"\\')):
        return b"{%d}\r\n%b" % (len(value), value.replace(b"\0", b"\x80"))
    if odd:
        value = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%b"' % value


def nstring(value: bytes | None) -> bytes:
    return b"NIL" if value is None else string(value)


def _line(value: bytes | None) -> bytes:
    """An nstring of a value that may have been folded with tabs, which are blanks to people."""
    return b"NIL" if value is None else string(value.replace(b"\t", b" "))


def envelope(part: Part) -> bytes:
    """ENVELOPE of a message: the root, or `part.message`."""
    return envelope_of(part.fields)


def envelope_of(fields: dict[bytes, bytes]) -> bytes:
    """The same from `Part.fields`."""
    get, lists = fields.get, _LIST_OF
    date, subject, replied, name = _lines(get(b"date"), get(b"subject"), get(b"in-reply-to"), get(b"message-id"))
    sent_from = lists[get(b"from", b"")] or b"NIL"
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        date,
        subject,
        sent_from,
        lists[get(b"sender", b"")] or sent_from,  # RFC 9051 7.5.2: these two default to From
        lists[get(b"reply-to", b"")] or sent_from,
        lists[get(b"to", b"")] or b"NIL",
        lists[get(b"cc", b"")] or b"NIL",
        lists[get(b"bcc", b"")] or b"NIL",
        replied,
        name,
    )


def _lines(*values: bytes | None) -> list[bytes]:
    """`_line` of each. Mostly one look shows that none of them needs more than quotes."""
    whole = b"".join([value for value in values if value])
    if len(whole) > _QUOTED_LONGEST or whole.translate(None, _PLAIN):
        return list(map(_line, values))
    return [b"NIL" if value is None else b'"%b"' % value for value in values]


def _list(value: bytes) -> bytes:
    """The addresses of a field in wire form; b"" where there is none."""
    special = value.translate(None, _OF_ADDRESS)
    if special.lstrip(b" ") == b"<@>" and value.endswith(b">") and len(value) < _QUOTED_LONGEST:
        name, _, spec = value.partition(b"<")  # `Name <local@domain>`
        local, _, domain = spec[:-1].partition(b"@")
        return b'((%b NIL "%b" "%b"))' % (_quoted(b" ".join(name.split()) or None), local, domain)
    quoted = nstring if value.translate(None, _PLAIN) or len(value) > _QUOTED_LONGEST else _quoted
    entries = [
        b"(%b %b %b %b)" % (quoted(name), quoted(route), quoted(local), quoted(domain))
        for name, route, local, domain in addresslist.entries(value)
    ]
    return b"(%b)" % b"".join(entries) if entries else b""


def _quoted(value: bytes | None) -> bytes:
    """`nstring` of what is known to need no escapes."""
    return b"NIL" if value is None else b'"%b"' % value


_LIST_OF = Memo(_list)


def bodystructure(part: Part) -> bytes:
    """BODYSTRUCTURE: with the extension data."""
    return _structure(part, True)


def body(part: Part) -> bytes:
    """BODY: without the extension data."""
    return _structure(part, False)


def _structure(part: Part, extended: bool) -> bytes:
    if part.parts:
        inner = b"".join([_structure(child, extended) for child in part.parts])
        extension = b" %b %b" % (_params(part.params), _extension(part)) if extended else b""
        return b"(%b %b%b)" % (inner, string(part.subtype), extension)
    fields = part.fields
    if part.message is None and fields.keys().isdisjoint(_SELDOM):
        return _usual(part, extended)
    own = b"%b %b %b %b %b %b %d" % (
        string(part.type),
        string(part.subtype),
        _params(part.params),
        nstring(fields.get(b"content-id")),
        _line(fields.get(b"content-description")),
        string(part.encoding),
        part.octets,
    )
    if part.message:
        own += b" %b %b %d" % (envelope(part.message), _structure(part.message, extended), part.lines)
    elif part.type == b"text":
        own += b" %d" % part.lines
    if extended:
        own += b" %b %b" % (nstring(fields.get(b"content-md5")), _extension(part))
    return b"(%b)" % own


def _usual(part: Part, extended: bool) -> bytes:
    """`_structure` of a part with a type and an encoding at most: what is constant for many is remembered."""
    key = (part.fields.get(b"content-type"), part.fields.get(b"content-transfer-encoding"))
    start = _STARTS.get(key)
    if start is None:
        start = b"(%b %b %b NIL NIL %b" % (
            string(part.type), string(part.subtype), _params(part.params), string(part.encoding)
        )  # fmt: skip
        if len(start) < _START_LONGEST:
            if len(_STARTS) > _STARTS_MOST:
                _STARTS.clear()
            _STARTS[key] = start
    lines = b" %d" % part.lines if part.type == b"text" else b""
    return b"%b %d%b%b)" % (start, part.octets, lines, b" NIL NIL NIL NIL" if extended else b"")


_SELDOM = frozenset({
    b"content-id", b"content-description", b"content-md5", b"content-disposition", b"content-language",
    b"content-location",
})  # fmt: skip
_STARTS: dict[tuple[bytes | None, bytes | None], bytes] = {}
_STARTS_MOST, _START_LONGEST = 2000, 400


def _params(params: list[tuple[bytes, bytes]]) -> bytes:
    if not params:
        return b"NIL"
    return b"(%b)" % b" ".join([b"%b %b" % (string(name), string(value)) for name, value in params])


def _extension(part: Part) -> bytes:
    """body-fld-dsp, body-fld-lang and body-fld-loc."""
    fields = part.fields
    return b"%b %b %b" % (
        _disposition(fields.get(b"content-disposition")),
        _languages(fields.get(b"content-language")),
        nstring(fields.get(b"content-location")),
    )


def _disposition(value: bytes | None) -> bytes:
    kind, params = parameter.parse(value) if value else (b"", [])
    if not kind:
        return b"NIL"
    return b"(%b %b)" % (string(kind.lower()), _params(parameter.joined(params)))


def _languages(value: bytes | None) -> bytes:
    tags = [tag.strip() for tag in comment.removed(value).split(b",") if tag.strip()] if value else []
    if not tags:
        return b"NIL"
    return string(tags[0]) if len(tags) == 1 else b"(%b)" % b" ".join([string(tag) for tag in tags])
