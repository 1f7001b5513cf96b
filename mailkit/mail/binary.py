"""Binary parts of a message that is to be kept as lines (RFC 3516 section 4.4).

A Maildir keeps text lines, whose ends are made what the reader needs; octets with NUL or with line feeds of their own
would not come back as they were. Parts that say they are binary and hold such octets become base64, which RFC 3516
allows where it is needed; everything else stays as it is, for signatures are made over it.
"""

from __future__ import annotations

import binascii

from mailkit.mail import header, mime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.mail.mime import Part

_BASE64 = b"Content-Transfer-Encoding: base64\n"
_LINE_OCTETS = 57  # RFC 2045 6.8: lines of at most 76 characters


def storable(data: bytes) -> bytes:
    """The message with its parts in a form that lines can hold. ValueError: there is a NUL where nothing is binary."""
    if lines_hold(data):
        return data
    found = []
    at = 0
    for part in _leaves(mime.scan(data)):
        # With the line end behind it: a CR at the end of the part would become part of that.
        if part.encoding == b"binary" and not lines_hold(data[part.body : part.end + 2]):
            found += [data[at : part.start], _encoded(data, part)]
            at = part.end
    found.append(data[at:])
    result = b"".join(found)
    if b"\0" in result:
        raise ValueError("NUL stands only in parts whose transfer encoding is binary")
    return result


def lines_hold(octets: bytes) -> bool:
    """They come back the same after every line end was made LF and CRLF again."""
    return b"\0" not in octets and mime.crlf(octets.replace(b"\r\n", b"\n")) == octets


def _leaves(root: Part) -> list[Part]:
    """The parts without parts, in the order of their octets."""
    found = []
    pending = [root]
    while pending:
        part = pending.pop()
        inner = part.inner()
        if not inner:
            found.append(part)
        pending += reversed(inner)
    return found


def _encoded(data: bytes, part: Part) -> bytes:
    """A part, header and body, in base64."""
    block, _ = header.split(data[part.start : part.body])
    empty_line = data[part.start + len(block) : part.body]
    body = data[part.body : part.end]
    lines = [binascii.b2a_base64(body[at : at + _LINE_OCTETS]) for at in range(0, len(body), _LINE_OCTETS)]
    return header.replaced(block, _BASE64) + empty_line + b"".join(lines)
