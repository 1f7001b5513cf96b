"""Parameters of structured MIME fields: Content-Type, Content-Disposition (RFC 2045 5.1, RFC 2231).

Reading is lenient: unquoted blanks and colons, missing quotes, empty parameters, comments.
"""

from __future__ import annotations

from mailkit.mail import charset, comment, word

_QUOTE = ord('"')
_HEX = b"0123456789abcdefABCDEF"


def parse(value: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """(what stands before the first semicolon, [(lower-case name, value without quotes), ...])."""
    if b'"' not in value and b"(" not in value and b"\\" not in value:
        first, *rest = value.split(b";")
    else:
        first, *rest = _split(comment.removed(value))
    found = []
    for item in rest:
        name, equals, content = item.partition(b"=")
        name = name.strip().lower()
        if equals and name:
            found.append((name, _unquoted(content.strip())))
    return first.strip(), found


def _split(value: bytes) -> list[bytes]:
    """Cut at the semicolons outside quoted strings.

    Pieces between quotes alternate outside, inside, outside ... once escapes are out of the way; a last quote
    that is not closed is taken for text.
    """
    hidden = value.replace(b"\\\\", b"\0\0").replace(b'\\"', b"\0\0") if b"\\" in value else value
    pieces: list[bytes] = []
    start = at = 0
    cut = hidden.find(b";")
    while cut >= 0:
        quote = hidden.find(b'"', at, cut)
        close = hidden.find(b'"', quote + 1) if quote >= 0 else -1
        if quote >= 0 and close >= 0:
            at = close + 1
            cut = cut if cut >= at else hidden.find(b";", at)
            continue
        if quote >= 0:  # no quote closes any more
            return pieces + value[start:].split(b";")
        pieces.append(value[start:cut])
        start = at = cut + 1
        cut = hidden.find(b";", at)
    return [*pieces, value[start:]]


def _unquoted(content: bytes) -> bytes:
    if not content.startswith(b'"'):
        return content
    if b"\\" not in content:
        return content[1:].partition(b'"')[0]
    octets = bytearray()
    escaped = False
    for octet in content[1:]:
        if escaped or octet not in b'"\\':
            octets.append(octet)
            escaped = False
        elif octet == _QUOTE:
            break
        else:
            escaped = True
    return bytes(octets)


def joined(found: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same with the continuations of RFC 2231 3 put together, each where its first piece stood.

    Where any piece is percent-encoded the whole is, under the name with a star: `filename*`.
    """
    if not any(b"*" in name for name, _ in found):
        return found
    whole: dict[bytes, bytes] = {}
    pieces: dict[bytes, dict[int, tuple[bool, bytes]]] = {}
    for name, content in found:
        base, number, coded = _numbered(name)
        if number is None:
            whole.setdefault(name, content)
        else:
            whole.setdefault(base + b"*0", b"")  # keeps the place
            pieces.setdefault(base + b"*0", {}).setdefault(number, (coded, content))
    return [
        _assembled(name[:-2], pieces[name]) if name in pieces else (name, content) for name, content in whole.items()
    ]


def _numbered(name: bytes) -> tuple[bytes, int | None, bool]:
    """(b"filename", 3, True) of b"filename*3*"; the number is None when the name has none."""
    bare = name.removesuffix(b"*")
    base, _, digits = bare.rpartition(b"*")
    if base and digits.isdigit() and len(digits) < 5:
        return base, int(digits), bare != name
    return name, None, False


def _assembled(base: bytes, pieces: dict[int, tuple[bool, bytes]]) -> tuple[bytes, bytes]:
    ordered: list[tuple[bool, bytes]] = []
    while (piece := pieces.get(len(ordered))) is not None:
        ordered.append(piece)
    ordered = ordered or [pieces[number] for number in sorted(pieces)]
    if not any(coded for coded, _ in ordered):
        return base, b"".join(content for _, content in ordered)
    octets = b"".join(content if coded else _percent(content) for coded, content in ordered)
    if not ordered[0][0]:
        octets = b"''" + octets
    return base + b"*", octets


def _percent(content: bytes) -> bytes:
    return content.replace(b"%", b"%25")


def decoded(value: bytes) -> tuple[str, dict[str, str]]:
    """(lower-case main value, {lower-case name: text}).

    RFC 2231 values, raw 8-bit and (against RFC 2047 5, but in wide use) encoded words are decoded; the
    RFC 2231 form wins over the plain one of the same name, the first over the second.
    """
    main, found = parse(value)
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for name, content in joined(found):
        key = name.decode("ascii", "replace")
        if key.endswith("*"):
            extended.setdefault(key[:-1], _extended(content))
        else:
            plain.setdefault(key, word.decode(content))
    return charset.decode(main).lower(), plain | extended


def _extended(content: bytes) -> str:
    """charset'language'percent-encoded to text."""
    label = content.partition(b"'")[0] if content.count(b"'") > 1 else b""
    return charset.decode(plain(content), label.decode("ascii", "replace"))


def plain(content: bytes) -> bytes:
    """The octets of charset'language'percent-encoded; without the two quotes all of it is meant."""
    pieces = content.split(b"'", 2)
    return _unpercent(pieces[2] if len(pieces) == 3 else content)


def _unpercent(coded: bytes) -> bytes:
    first, *rest = coded.split(b"%")
    octets = [first]
    for piece in rest:
        if len(piece) >= 2 and piece[0] in _HEX and piece[1] in _HEX:
            octets += [bytes([int(piece[:2], 16)]), piece[2:]]
        else:
            octets.append(b"%" + piece)
    return b"".join(octets)
