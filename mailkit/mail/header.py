"""Header blocks: find the end, read, keep, drop and write fields (RFC 5322 2.2).

A header block is the octets of the fields with their line ends (LF, CRLF or mixed), without the empty line.
A field goes on through lines that begin with a blank. Lines that are no field (no colon) are kept by what
copies and not seen by what reads. Fields come back in the order they stand.
"""

from __future__ import annotations

from mailkit.mail.memo import Memo

TYPE_CHECKING = False  # mypy takes it for true; `typing` costs a lean program 10 ms
if TYPE_CHECKING:
    from collections.abc import Collection, Container

_FOLD_AT = 78  # octets of a line before its end, RFC 5322 2.1.1
_LINE_LONGEST = 998
_LOWERED: Memo[bytes] = Memo(lambda name: name.strip().lower())


def body_start(data: bytes, start: int = 0, end: int | None = None) -> int:
    """Offset just past the empty line that ends the header at `start`; `end` where there is none."""
    stop = len(data) if end is None else end
    first = data.find(b"\n", start, stop)
    if first <= start:
        return start + 1 if first == start else stop
    if data[first - 1] == 13:
        if first == start + 1:
            return start + 2
        crlf = data.find(b"\n\r\n", first, stop)
        bare = data.find(b"\n\n", first, stop if crlf < 0 else crlf + 1)
    else:
        bare = data.find(b"\n\n", first, stop)
        before = stop if bare < 0 else bare + 1
        # One octet is found much faster than three.
        crlf = data.find(b"\n\r\n", first, before) if data.find(b"\r", first, before) >= 0 else -1
    if bare >= 0 and (crlf < 0 or bare < crlf):
        return bare + 2
    return crlf + 3 if crlf >= 0 else stop


def split(data: bytes) -> tuple[bytes, bytes]:
    """(header block, body) of a message."""
    start = body_start(data)
    block = data[:start]
    if block.endswith(b"\n\r\n") or block == b"\r\n":
        return block[:-2], data[start:]
    if block.endswith(b"\n\n") or block == b"\n":
        return block[:-1], data[start:]
    return block, data[start:]


def fields(block: bytes, names: Container[bytes] | None = None) -> list[tuple[bytes, bytes]]:
    """(name as written, unfolded value without blanks around it) of each field.

    names: only fields whose lower-case name is in it.
    """
    found = []
    for raw in _hidden(block):
        name, colon, content = raw.partition(b":")
        if colon and (names is None or _LOWERED[name] in names):
            found.append((name.strip(), content.replace(b"\0", b"").strip()))
    return found


class Wanted(Memo[bytes]):
    """`Wanted(names)[name]`: a field's name in lower case where that is one of `names`, else b""."""

    __slots__ = ()

    def __init__(self, names: Container[bytes]) -> None:
        super().__init__(lambda name: lowered if (lowered := name.strip().lower()) in names else b"")


def keyed(block: bytes, wanted: Wanted) -> list[tuple[bytes, bytes]]:
    """(lower-case name, unfolded value without blanks around it) of each field that is wanted."""
    found = []
    for raw in _hidden(block):
        name, colon, content = raw.partition(b":")
        key = wanted[name]
        if key and colon:
            found.append((key, (content.replace(b"\0", b"") if 0 in content else content).strip()))
    return found


def picked(block: bytes, wanted: Wanted) -> tuple[list[bytes], list[bytes]]:
    """(lower-case names, fields as they are written, with CRLF) of the fields that are wanted."""
    found, kept = [], []
    for raw in _hidden(block):
        name, colon, _ = raw.partition(b":")
        key = wanted[name]
        if key and colon:
            found.append(key)
            kept.append(raw.replace(b"\0", b"\r\n") + b"\r\n")
    return found, kept


def _hidden(block: bytes) -> list[bytes]:
    """Fields as they stand, with NUL for each line end inside and none behind; for other NULs stands 0x80.

    What stands before the first field is left out. Replacing in the whole block a few times is faster than looking at
    each line.
    """
    if 0 in block:
        block = block.replace(b"\0", b"\x80")
    if 13 in block:
        block = block.replace(b"\r\n", b"\n")
    found = block.replace(b"\n ", b"\0 ").replace(b"\n\t", b"\0\t").split(b"\n")
    return found[1:] if block[:1] in (b" ", b"\t") else found


def _unfolded(value: bytes) -> bytes:
    # RFC 5322 2.2.3: a line end followed by a blank is taken out, the blank stays.
    if b"\n" not in value:
        return value
    return value.replace(b"\r\n", b"\n").replace(b"\n ", b" ").replace(b"\n\t", b"\t")


def raw_fields(block: bytes) -> list[bytes]:
    """Each field as it stands, with folds and line ends; joined they are the block."""
    starts = [0]
    at = block.find(b"\n") + 1
    while 0 < at < len(block):
        if block[at] not in b" \t":
            starts.append(at)
        at = block.find(b"\n", at) + 1
    return [block[start:end] for start, end in zip(starts, [*starts[1:], len(block)], strict=True) if start < end]


def _name(raw: bytes) -> bytes:
    """Lower-case name of a raw field; b"" when it is none."""
    name, colon, _ = raw.partition(b":")
    return name.strip().lower() if colon and b"\n" not in name and raw[0] not in b" \t" else b""


def values(block: bytes, name: bytes) -> list[bytes]:
    """Unfolded values of every field of that name."""
    return [value for _, value in fields(block, (name.lower(),))]


def value(block: bytes, name: bytes) -> bytes | None:
    """The value of the first field of that name."""
    found = values(block, name)
    return found[0] if found else None


def delivered_to(block: bytes) -> list[str]:
    """Addresses this message was delivered to before, lower case, to see a forwarding loop."""
    return [text(found).strip("<> ").lower() for found in values(block, b"Delivered-To")]


def unmarked(block: bytes) -> bytes:
    """The block without the Delivered-To above any Received, which whoever hands the message over wrote just now.

    Postfix's mailbox_command and OpenSMTPD do so; it is no sign that the message goes round in a circle.
    """
    at = 0
    for raw in raw_fields(block):
        name = _name(raw)
        if name == b"delivered-to":
            return block[:at] + block[at + len(raw) :]
        if name == b"received":
            break
        at += len(raw)
    return block


def only(block: bytes, names: Collection[bytes]) -> bytes:
    """The fields of these names as they are written (IMAP HEADER.FIELDS)."""
    return _picked(block, names, True)


def without(block: bytes, names: Collection[bytes]) -> bytes:
    """Everything but the fields of these names."""
    return _picked(block, names, False)


def _picked(block: bytes, names: Collection[bytes], wanted: bool) -> bytes:
    lowered = {name.lower() for name in names}
    *lines, last = block.split(b"\n")
    kept = []
    keep = not wanted
    for line in (*lines, last) if last else lines:
        if not (line and line[0] in b" \t"):
            name, colon, _ = line.partition(b":")
            keep = (colon == b":" and _LOWERED[name] in lowered) == wanted
        if keep:
            kept.append(line)
    ended = kept and not (last and keep)
    return b"\n".join(kept) + (b"\n" if ended else b"")


def appended(block: bytes, new: bytes) -> bytes:
    """The block with a field (or several) at its end."""
    return _ended(block) + _like(block, new)


def replaced(block: bytes, new: bytes) -> bytes:
    """The block with a field in place of all of its name, where the first stood; else at the end."""
    name = _name(new)
    kept: list[bytes] = []
    done = False
    for raw in raw_fields(block):
        if _name(raw) != name:
            kept.append(raw)
        elif not done:
            kept.append(_like(block, new))
            done = True
    return b"".join(kept) if done else appended(block, new)


def _like(block: bytes, new: bytes) -> bytes:
    """A field with the line ends of the block it goes into."""
    bare = new.replace(b"\r\n", b"\n")
    if not bare.endswith(b"\n"):
        bare += b"\n"
    return bare.replace(b"\n", b"\r\n") if b"\r\n" in block else bare


def _ended(block: bytes) -> bytes:
    if not block or block.endswith(b"\n"):
        return block
    return block + (b"\r\n" if b"\r\n" in block else b"\n")


def text(raw_value: bytes) -> str:
    """A value as text in one line: folds undone, encoded words and raw 8-bit decoded. Never fails."""
    from mailkit.mail import word  # deliveries never come here

    return word.decode(_unfolded(raw_value).strip())


def field(name: str, content: str, line_end: bytes = b"\n") -> bytes:
    """A new unstructured field: encoded words where needed, folded, with its line end.

    Line ends in `content` become blanks, so that nobody can smuggle a field in.
    """
    from mailkit.mail import word

    content = " ".join(content.split("\n")).replace("\r", " ").strip()
    if word.needed(content):
        coded = word.encode(content, len(name) + 2)
    elif max(map(len, content.split(" "))) > _LINE_LONGEST - len(name) - 2:
        coded = word.words(content, len(name) + 2)
    else:
        coded = _folded(content, len(name) + 2).encode("ascii")
    return (name.encode("ascii") + b": " + coded).replace(b"\n", line_end) + line_end


def structured(name: str, content: str) -> bytes:
    """A new field whose content is not to be encoded: `Name: content`, folded, with LF line ends.

    Line ends in `content` become blanks.
    """
    content = " ".join(content.replace("\r", " ").split("\n")).strip()
    return f"{name}: {_folded(content, len(name) + 2)}\n".encode("utf-8", "replace")


def _folded(content: str, first: int) -> str:
    """Lines of at most 78 octets where blanks allow it, the first shorter by `first`.

    Folded before single words, so that no line is of blanks only (RFC 5322 3.2.2).
    """
    lines: list[str] = []
    line, room = "", _FOLD_AT - first
    for piece in content.split(" "):
        if line.strip() and piece and len(line) + 1 + len(piece) > room:
            lines.append(line)
            line, room = " " + piece, _FOLD_AT
        else:
            line = line + " " + piece if line or lines else piece
    return "\n".join([*lines, line])
