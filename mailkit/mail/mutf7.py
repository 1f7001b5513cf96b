"""Modified UTF-7, the form of mailbox names in IMAP4rev1 and on disk (RFC 3501 5.1.3).

Names on disk may hold anything, so decoding loses nothing: an octet that is not modified UTF-7 as this module
would write it (8-bit, a control, an ampersand that begins no shortest sequence) becomes U+F000 + octet, a
private character, as Cygwin does with octets that a file name cannot have. A well-formed sequence that stands
for such a private character is kept in the same way, so two names on disk are never one name in memory:

    encode(decode(octets)) == octets                 for any octets
    decode(encode(name)) == name                     for any name without such private characters
"""

from __future__ import annotations

import binascii

_RAW = 0xF000
_AMPERSAND = ord("&")


def encode(name: str) -> bytes:
    """A mailbox name as octets for IMAP4rev1 and for the disk. Lone surrogates become question marks."""
    if name.isascii() and name.isprintable():
        return name.encode("ascii").replace(b"&", b"&-")
    out: list[bytes] = []
    shifted = ""
    for character in name.encode("utf-8", "replace").decode():
        if not (" " <= character <= "~" or _stands_for_octet(ord(character))):
            shifted += character
            continue
        out += [_shift(shifted), _direct(character)]
        shifted = ""
    return b"".join([*out, _shift(shifted)])


def decode(octets: bytes) -> str:
    """The mailbox name; see above for what is not modified UTF-7."""
    first, *rest = octets.split(b"&")
    out = [_unshifted(first)]
    after_run = False  # a run directly after a run would have been written as one
    for piece in rest:
        run, dash, tail = piece.partition(b"-")
        text = _run(run) if dash and not (run and after_run) else None
        if text is None:
            out += [chr(_RAW + _AMPERSAND), _unshifted(piece)]
            after_run = False
        else:
            out += [text, _unshifted(tail)]
            after_run = bool(run) and not tail
    return "".join(out)


def broken(name: str) -> bool:
    """Whether the name holds octets that are no modified UTF-7: it may be used, not created."""
    return any(_stands_for_octet(ord(character)) for character in name)


def _stands_for_octet(point: int) -> bool:
    octet = point - _RAW
    return 0 <= octet <= 0xFF and (not 0x20 <= octet <= 0x7E or octet == _AMPERSAND)


def _direct(character: str) -> bytes:
    if character == "&":
        return b"&-"
    return bytes([ord(character) & 0xFF])


def _shift(text: str) -> bytes:
    if not text:
        return b""
    coded = binascii.b2a_base64(text.encode("utf-16-be"), newline=False)
    return b"&" + coded.rstrip(b"=").replace(b"/", b",") + b"-"


def _unshifted(octets: bytes) -> str:
    if octets.isascii() and (text := octets.decode("ascii")).isprintable():
        return text
    return "".join(chr(octet if 0x20 <= octet <= 0x7E else _RAW + octet) for octet in octets)


def _run(run: bytes) -> str | None:
    """The text of what stands between & and -, or None where `encode` would not have written it so."""
    if not run:
        return "&"
    try:
        coded = binascii.a2b_base64(run.replace(b",", b"/") + b"=" * (-len(run) % 4))
        text = coded.decode("utf-16-be")
    except ValueError:
        return None
    plain = any(" " <= character <= "~" or _stands_for_octet(ord(character)) for character in text)
    return None if plain or _shift(text) != b"&" + run + b"-" else text
