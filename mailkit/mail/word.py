"""Encoded words of RFC 2047: header values with other than ASCII in them.

Decoding is lenient where mail programs are sloppy (blanks inside a word, wrong padding, no blank between
words, characters cut in two by the end of a word) and never fails. Encoding writes UTF-8 only.
"""

from __future__ import annotations

import binascii

from mailkit.mail import charset

_LONGEST = 75  # octets of one encoded word, RFC 2047 2
_LABEL_LONGEST = 60
_ONE_LINE = dict.fromkeys((0, 10, 13), " ")
_NOT_BASE64 = bytes(
    octet for octet in range(256) if octet not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)
# Q in a phrase, RFC 2047 5 (3): the strictest place, so that it fits everywhere.
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/")


def decode(value: bytes) -> str:
    """The text of an unfolded header value, in one line."""
    text = "".join(_decoded(_runs(value))) if b"=?" in value else charset.decode(value)
    return text if text.isprintable() else text.translate(_ONE_LINE)


def _runs(value: bytes) -> list[tuple[str | None, bytes]]:
    """Cut into (None, plain octets) and (charset, octets of an encoded word), in order.

    Looks at each octet a bounded number of times: `close` moves only forward.
    """
    runs: list[tuple[str | None, bytes]] = []
    plain_from = at = 0
    close = -1
    while (at := value.find(b"=?", at)) >= 0:
        label_end = value.find(b"?", at + 2, at + 2 + _LABEL_LONGEST)
        text_from = label_end + 3
        if label_end < 0 or value[label_end + 2 : text_from] != b"?":
            at += 2
            continue
        if close < text_from:
            close = value.find(b"?=", text_from)
        if close < 0:
            break
        inner = value.find(b"=?", text_from, close)
        if inner >= 0 and value[inner - 1 : inner] in b" \t":  # unfinished, and another begins
            at = inner
            continue
        octets = _octets(value[label_end + 1 : label_end + 2], value[text_from:close])
        if octets is None:
            at += 2
            continue
        if plain_from < at:
            runs.append((None, value[plain_from:at]))
        label = value[at + 2 : label_end].decode("ascii", "replace")
        runs.append((label.partition("*")[0], octets))  # RFC 2231 5: a language may follow
        plain_from = at = close + 2
    if plain_from < len(value):
        runs.append((None, value[plain_from:]))
    return runs


def _octets(encoding: bytes, text: bytes) -> bytes | None:
    if encoding in b"qQ":
        return binascii.a2b_qp(text, header=True)
    if encoding in b"bB":
        return unbase64(text)
    return None


def _decoded(runs: list[tuple[str | None, bytes]]) -> list[str]:
    """Decode runs; neighbours in one charset are decoded as one, for characters cut in two."""
    texts: list[str] = []
    label: str | None = None
    pending: list[bytes] = []
    for index, (this, octets) in enumerate(runs):
        if this is None and label is not None and index + 1 < len(runs) and not octets.strip(b" \t\r\n"):
            continue  # RFC 2047 6.2: blanks between two encoded words are not shown
        if this != label and pending:
            texts.append(charset.decode(b"".join(pending), label or ""))
            pending = []
        label = this
        pending.append(octets)
    texts.append(charset.decode(b"".join(pending), label or ""))
    return texts


def unbase64(text: bytes) -> bytes:
    """Octets of base64 as good as they can be had: junk is skipped, missing padding added."""
    try:
        return binascii.a2b_base64(text)
    except binascii.Error:
        pass
    clean = text.translate(None, _NOT_BASE64)
    clean = clean[: len(clean) - len(clean) % 4] if len(clean) % 4 == 1 else clean
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def needed(text: str) -> bool:
    """Whether text cannot stand in a header as it is."""
    return not (text.isascii() and text.isprintable()) or "=?" in text


def encode(text: str, first: int = 0) -> bytes:
    """ASCII as it is, anything else as encoded words, one a line, joined by b"\\n ".

    first: octets that the caller has on the first line already.
    """
    return words(text, first) if needed(text) else text.encode("ascii")


def words(text: str, first: int = 0) -> bytes:
    """Encoded words for any text, as `encode` lays them out."""
    text = text.translate(_ONE_LINE).encode("utf-8", "replace").decode()
    plain = sum(octet in _PLAIN for octet in text.encode())
    quoted = plain * 3 > len(text.encode()) * 2
    chunks = []
    room = _room(quoted, first)
    chunk = b""
    for character in text:
        octets = character.encode()
        grown = chunk + octets
        if chunk and (_quoted_length(grown) if quoted else len(grown)) > room:
            chunks.append(chunk)
            room, grown = _room(quoted, 1), octets
        chunk = grown
    chunks.append(chunk)
    return b"\n ".join(_word(chunk, quoted) for chunk in chunks)


def _room(quoted: bool, taken: int) -> int:
    """How much fits into a word: encoded octets (Q), octets before encoding (B)."""
    left = max(min(_LONGEST, 76 - taken) - len("=?utf-8?q??="), 12)
    return left if quoted else left // 4 * 3


def _quoted_length(octets: bytes) -> int:
    return sum(1 if octet in _PLAIN or octet == 32 else 3 for octet in octets)


def _word(octets: bytes, quoted: bool) -> bytes:
    if not quoted:
        return b"=?utf-8?b?" + binascii.b2a_base64(octets, newline=False) + b"?="
    shown = (b"_" if octet == 32 else bytes([octet]) if octet in _PLAIN else b"=%02X" % octet for octet in octets)
    return b"=?utf-8?q?" + b"".join(shown) + b"?="
