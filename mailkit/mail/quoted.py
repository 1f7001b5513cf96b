"""A message in seven bits, for servers without 8BITMIME (RFC 6152 3): its parts as quoted-printable (RFC 2045 6.7).

Only parts that hold octets above 127 change, and the fields that say how they are encoded. A signature over the
octets as they were does not survive that; the other choice is to send the message back.

Header fields stay as they are: octets above 127 have no place there and no encoding that keeps their meaning.
"""

from __future__ import annotations

from binascii import b2a_qp

from mailkit.mail import header, mime
from mailkit.mail.mime import Part

_IDENTITIES = (b"7bit", b"8bit", b"binary")
_HIGH = bytes(range(128, 256))
_MASK = bytes(range(128)) + b"?" * 128


def seven_bit(data: bytes) -> bytes:
    """`data`, a message with LF line ends, with nothing above 127 in its bodies. ValueError where that cannot be."""
    root = mime.scan(data)
    out = _converted(data, root)
    if b"content-type" in root.fields or data[root.body : root.end].isascii():
        return out
    # RFC 1428 3: no MIME, and nobody knows the character set.
    block, body = header.split(out)
    block = header.without(block, (b"MIME-Version",))
    return block + b"MIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n\n" + body


def _converted(data: bytes, part: Part) -> bytes:
    """The octets of `part`, converted."""
    body = data[part.body : part.end]
    if body.isascii():
        return data[part.start : part.end]
    if part.inner():
        return _head(data, part, b"7bit") + _composite(data, part)
    if part.start == part.body:
        raise ValueError("a multipart that cannot be taken apart has 8-bit octets")
    if part.encoding in _IDENTITIES:
        return _head(data, part, b"quoted-printable") + _encoded(body, part)
    if part.encoding == b"quoted-printable":
        return _head(data, part) + b"".join(b"=%02X" % octet if octet > 127 else bytes((octet,)) for octet in body)
    if part.encoding == b"base64":
        return _head(data, part) + body.translate(None, _HIGH)  # decoders skip these octets (RFC 2045 6.8)
    raise ValueError("a part in an unknown encoding has 8-bit octets")


def _head(data: bytes, part: Part, encoding: bytes = b"") -> bytes:
    """The header of a part and the empty line; `encoding` takes the place of 7bit, 8bit and binary."""
    block, rest = header.split(data[part.start : part.body])
    if encoding and part.encoding in _IDENTITIES:
        block = header.replaced(block, b"Content-Transfer-Encoding: " + encoding + b"\n")
    return block + b"\n" + rest


def _composite(data: bytes, part: Part) -> bytes:
    """The body of a multipart or of a message in a message; what is between the parts is for nobody to read."""
    pieces = []
    at = part.body
    for inner in part.inner():
        pieces += [data[at : inner.start].translate(_MASK), _converted(data, inner)]
        at = inner.end
    return b"".join([*pieces, data[at : part.end].translate(_MASK)])


def _encoded(body: bytes, part: Part) -> bytes:
    if part.type == b"text" or b"\0" not in body:
        return b2a_qp(body.replace(b"\r\n", b"\n"), istext=True)
    return b2a_qp(body, istext=False)
