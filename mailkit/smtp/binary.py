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
_LINES = 1000  # of a piece


def texts(data: bytes) -> Iterator[bytes]:
    """The message with LF line ends and no binary part left, in pieces. `data` is as it came, with CRLF."""
    at = 0
    for part in _binary_parts(mime.scan(data)):
        is_leaf = not part.inner()
        yield _lf(data[at : part.start])
        block, _ = header.split(data[part.start : part.body])
        # RFC 2045 6.4: what holds parts has no encoding of its own but 7bit, 8bit or binary.
        encoding = b"base64" if is_leaf else b"8bit"
        yield header.replaced(_lf(block), b"Content-Transfer-Encoding: " + encoding + b"\n") + b"\n"
        at = part.body
        if is_leaf:
            yield from _base64(data[part.body : part.end])
            at = part.end
    yield _lf(data[at:])


def _binary_parts(part: mime.Part) -> Iterator[mime.Part]:
    """Parts with binary encoding, in the order they begin."""
    if part.encoding == b"binary":
        yield part
    for inner in part.inner():
        yield from _binary_parts(inner)


def _lf(octets: bytes) -> bytes:
    # A stray CR would later be taken for a line end, and NUL has no place in text.
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\0", b"")


def _base64(octets: bytes) -> Iterator[bytes]:
    for start in range(0, len(octets), _LINE_OCTETS * _LINES):
        end = min(start + _LINE_OCTETS * _LINES, len(octets))
        yield b"".join(b2a_base64(octets[at : min(at + _LINE_OCTETS, end)]) for at in range(start, end, _LINE_OCTETS))
