"""BINARYMIME messages as text: binary parts become base64, everything else keeps its octets (RFC 3030 3, RFC 2045 6).

RFC 3030 asks a server that hands on to one without BINARYMIME to do this; we do it on arrival, because a Maildir file
has lines that end in LF, and in that form a binary part could not be told from its CRLFs.
"""

from __future__ import annotations

from binascii import b2a_base64

from mailkit.mail import header, mime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# 57 octets make a line of 76 (RFC 2045 6.8).
_LINE_OCTETS = 57
_TRANSFER_ENCODING = b"Content-Transfer-Encoding"


def texts(data: bytes) -> Iterator[bytes]:
    """The message with LF line ends and no binary part left, in pieces. `data` is as it came, with CRLF."""
    at = 0
    for part in _binary_leaves(mime.scan(data)):
        yield _lf(data[at : part.start])
        block, _ = header.split(data[part.start : part.body])
        yield header.replaced(_lf(block), _TRANSFER_ENCODING + b": base64\n")
        yield b"\n"
        body = data[part.body : part.end]
        for start in range(0, len(body), _LINE_OCTETS * 1000):
            yield _lines(body[start : start + _LINE_OCTETS * 1000])
        at = part.end
    yield _lf(data[at:])


def _binary_leaves(part: mime.Part) -> list[mime.Part]:
    """Parts with binary encoding that hold no parts themselves, in order."""
    inner = part.inner()
    if inner:
        return [leaf for child in inner for leaf in _binary_leaves(child)]
    return [part] if part.encoding == b"binary" else []


def _lf(octets: bytes) -> bytes:
    # A stray CR would later be taken for a line end, and NUL has no place in text.
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\0", b"")


def _lines(octets: bytes) -> bytes:
    return b"".join(b2a_base64(octets[at : at + _LINE_OCTETS]) for at in range(0, len(octets), _LINE_OCTETS))
