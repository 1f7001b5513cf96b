"""The tree of parts of a message, found in time proportional to its octets (RFC 2045, 2046).

The tree holds offsets into the message and what ENVELOPE, BODYSTRUCTURE and section fetches need; nothing of a
body is copied. Offsets are into the octets as they are (LF or CRLF); sizes are what they would be with every
line end as CRLF, so a message has the same answers however it is kept.

Any octets are a message. What breaks a rule is read as the nearest thing that keeps it: a multipart without a
delimiter line has one plain text part, its whole body; what is nested or numerous beyond the limits is not taken apart.

Outer delimiters win over inner ones (RFC 2046 5.1.2), so each multipart is searched for its own delimiter only,
within the bounds of the part that holds it. Octets are searched once a level; `_WORK` bounds the levels of large
messages. Lines are counted once, between all offsets found, and added up.
"""

from __future__ import annotations

from mailkit.mail import comment, header, parameter
from mailkit.mail.memo import Memo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_DEPTH_MOST = 100
_PARTS_MOST = 10_000
_WORK = 32  # octets searched for each octet of the message ...
_WORK_SMALL_OCTETS = 1 << 23  # ... and so many more, so that a small one may nest to the depth limit
_HEADER_READ_OCTETS = 1 << 20  # fields beyond are not seen; the sizes count them
_BOUNDARY_LONGEST = 1000  # RFC 2046 says 70
_NEAR_MOST = 100_000  # lines of a multipart that begin like its delimiter and are none
_CUT_OCTETS = 1 << 16
_LONG_OCTETS = 4096
_HYPHENS_MOST = 8  # a part's header has some

# Several fields of one of these are read as one list, so that nobody can hide an address behind another.
_ADDRESS_FIELDS = frozenset((b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"))
_FIELDS = header.Wanted(_ADDRESS_FIELDS | {
    b"date", b"subject", b"in-reply-to", b"message-id", b"references", b"content-type", b"content-id",
    b"content-description", b"content-transfer-encoding", b"content-md5", b"content-disposition",
    b"content-language", b"content-location",
})  # fmt: skip


class Part:
    """A message or a body part.

    start, body, end      offsets: header, body (past the empty line), past the body
    header_octets         size of the header with its empty line, as if CRLF
    octets, lines         size of the body as if CRLF; LFs in it
    fields                {lower-case name: unfolded value} of the fields in `_FIELDS`; may be shared: not to be changed
    type, subtype         lower case: b"text", b"plain"
    params                [(lower-case name, value)] of the content type, continuations joined; shared like fields
    encoding              lower case: b"base64"; b"7bit" where none is given
    parts                 of a multipart, never empty there; else empty
    message               the message inside a message/rfc822 or message/global; else None
    """

    __slots__ = ("body", "encoding", "end", "fields", "header_octets", "lines", "message", "octets", "params",
                 "parts", "start", "subtype", "type")  # fmt: skip

    def __init__(self, start: int, body: int, end: int, fields: dict[bytes, bytes], in_digest: bool) -> None:
        self.start = start
        self.body = body
        self.end = end
        self.header_octets = self.octets = self.lines = 0
        self.fields = fields
        given, encoding = fields.get(b"content-type"), fields.get(b"content-transfer-encoding")
        self.type, self.subtype, self.params = _untyped(in_digest) if given is None else _TYPE_OF[given]
        self.encoding = b"7bit" if encoding is None else _ENCODING_OF[encoding]
        self.parts: list[Part] = []
        self.message: Part | None = None

    @property
    def size(self) -> int:
        """Header and body as if CRLF: RFC822.SIZE of a message."""
        return self.header_octets + self.octets

    def param(self, name: bytes) -> bytes | None:
        """A content type parameter without its RFC 2231 coding; name in lower case."""
        for key, value in self.params:
            if key == name:
                return value
        return next((parameter.plain(value) for key, value in self.params if key == name + b"*"), None)

    def inner(self) -> list[Part]:
        """The parts directly inside."""
        return [self.message] if self.message else self.parts


def scan(data: bytes) -> Part:
    """The tree of the message in `data`."""
    body = header.body_start(data)
    root = Part(0, body, len(data), fields(data[: min(body, _HEADER_READ_OCTETS)]), False)
    found = [root]
    if root.type == b"multipart" or root.type == b"message":
        _descend(data, root, found)
    _count(data, found)
    return root


def _part(data: bytes, start: int, end: int, in_digest: bool) -> Part:
    body = header.body_start(data, start, end)
    return Part(start, body, end, _FIELDS_OF[data[start : min(body, start + _HEADER_READ_OCTETS)]], in_digest)


def fields(block: bytes) -> dict[bytes, bytes]:
    """What `Part.fields` is of a part with this header."""
    found: dict[bytes, bytes] = {}
    lists: dict[bytes, list[bytes]] = {}
    for key, value in header.keyed(block[:_HEADER_READ_OCTETS], _FIELDS):
        if key not in found:
            found[key] = value
        elif key in _ADDRESS_FIELDS:
            lists.setdefault(key, [found[key]]).append(value)
    for key, values in lists.items():
        found[key] = b", ".join(values)
    return found


_FIELDS_OF = Memo(fields)  # the headers of inner parts are few and short
_ASCII = (b"charset", b"us-ascii")


def _type(value: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """What stands for a type that is none, and for a missing charset: RFC 2045 5.2, RFC 2046 4.1.2."""
    main, params = parameter.parse(value)
    kind, slash, subtype = main.lower().partition(b"/")
    kind, subtype = kind.strip(), subtype.strip()
    if not slash or not kind or not subtype:
        return b"text", b"plain", [_ASCII]
    subtype = subtype.split()[0]  # "text/plain charset=utf-8" is not rare
    if kind == b"text" and not any(name.startswith(b"charset") for name, _ in params):
        params.append(_ASCII)
    return kind, subtype, parameter.joined(params)


_TYPE_OF = Memo(_type)


def _untyped(in_digest: bool) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """A part without a Content-Type: RFC 2045 5.2, in a digest RFC 2046 5.1.5."""
    return (b"message", b"rfc822", []) if in_digest else (b"text", b"plain", [_ASCII])


def _encoding(value: bytes) -> bytes:
    words = comment.removed(value).replace(b";", b" ").split()
    return words[0].strip(b'"').lower() if words else b"7bit"


_ENCODING_OF = Memo(_encoding)


def _descend(data: bytes, root: Part, found: list[Part]) -> None:
    """Take apart everything below `root`; `found` gets each part."""
    work = _WORK * len(data) + _WORK_SMALL_OCTETS
    pending = [(root, 0)]
    while pending:
        part, depth = pending.pop()
        if part.type == b"multipart":
            work -= part.end - part.body
            room = _PARTS_MOST - len(found) if depth < _DEPTH_MOST and work > 0 else 0
            part.parts = _children(data, part, room)
        elif part.type == b"message" and part.subtype in (b"rfc822", b"global"):
            deeper = depth < _DEPTH_MOST and len(found) < _PARTS_MOST
            part.message = _part(data, part.body, part.end, False) if deeper else _opaque(part)
        inner = part.inner()
        found += inner
        pending += [(child, depth + 1) for child in inner if child.type in (b"multipart", b"message")]


def _children(data: bytes, part: Part, room: int) -> list[Part]:
    """The parts of a multipart; with no room or no delimiter line, one plain text part: all of it."""
    boundary = part.param(b"boundary")
    if room <= 0 or not boundary or len(boundary) > _BOUNDARY_LONGEST:
        return [_opaque(part)]
    return _parts(data, part, boundary.rstrip(), room) or [_opaque(part)]


def _opaque(part: Part) -> Part:
    return Part(part.body, part.body, part.end, {}, False)


def _parts(data: bytes, whole: Part, boundary: bytes, room: int) -> list[Part]:
    """What stands between the delimiter lines, at most `room` parts; the line end before such a line belongs to it.

    Some programs give a multipart inside the boundary of the one around it: the lines up to the next closing one are
    then its own.
    """
    parts: list[Part] = []
    opened = -1
    in_namesake = was_namesake = False
    for at, after, closing in _delimiters(data, b"--" + boundary, whole.body, whole.end):
        if in_namesake:
            in_namesake = not closing
            continue
        if opened >= 0:
            part = _part(data, opened, _before_line_end(data, opened, at), whole.subtype == b"digest")
            if not (closing or was_namesake) and part.type == b"multipart" and part.param(b"boundary") == boundary:
                in_namesake = was_namesake = True
                continue
            parts.append(part)
        if closing or len(parts) == room:
            return parts
        opened, was_namesake = after, False
    if opened >= 0:
        parts.append(_part(data, opened, whole.end, whole.subtype == b"digest"))
    return parts


def _delimiters(data: bytes, delimiter: bytes, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """(offset of the line, offset past it, whether it closes) of each delimiter line (RFC 2046 5.1.1)."""
    near = 0
    at = start if data.startswith(delimiter, start, end) else _next(data, delimiter, start, end)
    while at >= 0 and near < _NEAR_MOST:
        line_end = data.find(b"\n", at + len(delimiter), end)
        line_end = end if line_end < 0 else line_end
        rest = data[at + len(delimiter) : line_end].strip()
        if rest in (b"", b"--"):
            yield at, min(line_end + 1, end), rest == b"--"
        else:
            near += 1
        at = _next(data, delimiter, line_end, end)


def _next(data: bytes, delimiter: bytes, start: int, end: int) -> int:
    """Offset of the next line that begins with the delimiter; -1: there is none."""
    line = b"\n" + delimiter
    if end - start > _LONG_OCTETS:  # base64 has no "-", and one octet is found forty times faster than a line
        for _ in range(_HYPHENS_MOST):
            at = data.find(b"-", start + 1, end)
            if at < 0:
                return -1
            if data.startswith(line, at - 1, end):
                return at
            start = at
    return data.find(line, start, end) + 1 or -1


def _before_line_end(data: bytes, start: int, at: int) -> int:
    """`at` less the LF or CRLF before it, not before `start`: a part may have no octets at all."""
    if at <= start:
        return start
    return max(start, at - 2 if data[at - 2] == 13 else at - 1)


def _count(data: bytes, found: list[Part]) -> None:
    """Fill in sizes and lines: count once between neighbouring offsets, then add up."""
    bare_only = 13 not in data
    if bare_only and len(found) == 1:
        _count_one(data, found[0])
        return
    offsets = sorted({offset for part in found for offset in (part.start, part.body, part.end)})
    lfs, crlfs = {}, {}
    lines = crlf = previous = 0
    for offset in offsets:
        lines += line_ends(data, previous, offset)
        if not bare_only:
            crlf += data.count(b"\r\n", previous, offset)
        lfs[offset], crlfs[offset] = lines, crlf
        previous = offset
    for part in found:
        start, body, end = part.start, part.body, part.end
        part.lines = lfs[end] - lfs[body]
        part.octets = end - body + part.lines - (crlfs[end] - crlfs[body])
        part.header_octets = body - start + lfs[body] - lfs[start] - (crlfs[body] - crlfs[start])


def _count_one(data: bytes, part: Part) -> None:
    """The same for a message of one part without CR."""
    part.lines = line_ends(data, part.body, part.end)
    part.octets = part.end - part.body + part.lines
    part.header_octets = part.body - part.start + line_ends(data, part.start, part.body)


def line_ends(data: bytes, start: int, end: int) -> int:
    """LFs in data[start:end]. To take them out is three times faster than to count them, before Python 3.13."""
    octets = end - start
    if octets <= _CUT_OCTETS:
        return octets - len(data[start:end].replace(b"\n", b""))
    return sum([line_ends(data, at, min(at + _CUT_OCTETS, end)) for at in range(start, end, _CUT_OCTETS)])


def size(data: bytes) -> int:
    """Octets of `data` with every line end as CRLF."""
    octets = len(data) + line_ends(data, 0, len(data))
    return octets - data.count(b"\r\n") if 13 in data else octets


def crlf(data: bytes) -> bytes:
    """`data` with every line end as CRLF; a CR that ends no line stays."""
    if 13 in data:
        data = data.replace(b"\r\n", b"\n")
    return data.replace(b"\n", b"\r\n")


def windows(data: bytes, start: int, end: int) -> Iterator[bytes]:
    """`crlf(data[start:end])` in pieces, so that a part of a huge message is never there twice."""
    while start < end:
        stop = _cut(data, min(start + _CUT_OCTETS, end), end)
        yield crlf(data[start:stop])
        start = stop


def partial(data: bytes, start: int, end: int, origin: int, octets: int) -> bytes:
    """`crlf(data[start:end])[origin:origin + octets]`, without making more of it than is asked for."""
    at, passed = start, 0
    while at < end:
        stop = _cut(data, min(at + _CUT_OCTETS, end), end)
        grown = passed + size(data[at:stop])
        if grown > origin:
            break
        at, passed = stop, grown
    skip = origin - passed
    # An octet becomes two at most, and never fewer than one: so many octets are enough.
    return crlf(data[at : _cut(data, min(at + skip + octets, end), end)])[skip : skip + octets]


def _cut(data: bytes, at: int, end: int) -> int:
    """`at`, or one further where it would part CR and LF."""
    return at + 1 if 0 < at < end and data[at - 1] == 13 and data[at] == 10 else at
