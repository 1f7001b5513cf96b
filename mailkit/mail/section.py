"""Sections of a message: what IMAP's BODY[1.2.HEADER] names (RFC 9051 6.4.5.1).

A path is the list of part numbers. Number 1 of a message that is no multipart is its body; the numbers after
a message/rfc822 part count inside its message.
"""

from __future__ import annotations

from mailkit.mail import header, mime

TYPE_CHECKING = False  # mypy takes it for true; `typing` costs a lean program 10 ms
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mailkit.mail.mime import Part


def find(root: Part, path: Sequence[int]) -> Part | None:
    """The part with these numbers; for an empty path the message itself."""
    part: Part | None = root
    within: Part | None = root
    for number in path:
        if within is None:
            return None
        part = _numbered(within, number)
        if part is None:
            return None
        within = part.message or (part if part.parts else None)
    return part


def _numbered(within: Part, number: int) -> Part | None:
    if within.parts:
        return within.parts[number - 1] if 0 < number <= len(within.parts) else None
    return within if number == 1 else None


def span(root: Part, path: Sequence[int], what: str) -> tuple[int, int] | None:
    """(start, end) offsets of a section; None when there is no such part, or it has no such section.

    what: "", "MIME", "HEADER" or "TEXT", upper case. HEADER and TEXT belong to messages: with a path the part
    must be one (RFC 9051 6.4.5.1).
    """
    part = find(root, path)
    if part is None:
        return None
    if what == "MIME":
        return (part.start, part.body) if path else None
    if what == "":
        return (part.body, part.end) if path else (part.start, part.end)
    message = part.message if path else part
    if message is None:
        return None
    return (message.body, message.end) if what == "TEXT" else (message.start, message.body)


def fetch(data: bytes, root: Part, path: Sequence[int], what: str, names: Collection[bytes] = ()) -> bytes | None:
    """The octets of a section with CRLF line ends; None when there is no such section.

    what: as for `span`, or "HEADER.FIELDS" or "HEADER.FIELDS.NOT" with the names of the fields.
    """
    picked = what.startswith("HEADER.FIELDS")
    found = span(root, path, "HEADER" if picked else what)
    if found is None:
        return None
    octets = data[found[0] : found[1]]
    if not picked:
        return mime.crlf(octets)
    block, _ = header.split(octets)
    kept = header.without(block, names) if what.endswith(".NOT") else header.only(block, names)
    # RFC 9051 6.4.5.1: the empty line is always there, except in a message that has none.
    ended = len(block) < len(octets)
    return mime.crlf(kept) + (b"\r\n" if ended else b"")
