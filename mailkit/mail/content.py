"""What the parts of a message say: transfer encodings and character sets undone, for SEARCH and BINARY.

Nothing fails: octets that are no base64 or no UTF-8 come out as well as they can.
"""

from __future__ import annotations

import binascii

from mailkit.mail import charset, header, mime, word

TYPE_CHECKING = False  # mypy takes it for true; `typing` costs a lean program 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.mail.mime import Part

_IDENTITIES = (b"7bit", b"8bit", b"binary")


def known(part: Part) -> bool:
    """Whether `decoded` can undo the transfer encoding (else RFC 3516 4.3: UNKNOWN-CTE)."""
    return part.encoding in (*_IDENTITIES, b"base64", b"quoted-printable")


def decoded(data: bytes, part: Part) -> bytes:
    """The body of a part without its transfer encoding, as octets.

    Lines end in CRLF unless the octets were base64. An unknown encoding is left as it is.
    """
    octets = data[part.body : part.end]
    if part.encoding == b"base64":
        return word.unbase64(octets)
    if part.encoding == b"quoted-printable":
        return binascii.a2b_qp(mime.crlf(octets))
    return mime.crlf(octets)


def text(data: bytes, part: Part) -> str:
    """The body of a part as text."""
    label = part.param(b"charset") or b""
    return charset.decode(decoded(data, part), label.decode("ascii", "replace"))


def texts(data: bytes, root: Part) -> Iterator[str]:
    """The text of every text part in order, and of the header of every message inside: what SEARCH BODY looks at."""
    pending = [root]
    while pending:
        part = pending.pop()
        if part.type == b"text":
            yield text(data, part)
        if part.message:
            yield header.text(data[part.message.start : part.message.body])
        pending += reversed(part.inner())
