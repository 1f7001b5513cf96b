"""Comments in structured header fields (RFC 5322 3.2.2)."""

from __future__ import annotations


def removed(value: bytes) -> bytes:
    """The value with each comment replaced by one blank; quoted strings stay as they are.

    A parenthesis that is never closed is no comment and stays. Time is linear: each pass of the loop
    moves on to the next special octet, and an unclosed parenthesis ends the search.
    """
    if b"(" not in value:
        return value
    kept = []
    depth = plain_from = at = 0
    opened = 0
    for at in _specials(value):
        octet = value[at]
        if octet == 40:  # (
            if depth == 0:
                opened = at
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                kept += [value[plain_from:opened], b" "]
                plain_from = at + 1
    kept.append(value[plain_from:])
    return b"".join(kept)


def _specials(value: bytes) -> list[int]:
    """Offsets of the parentheses that are neither quoted nor escaped; a quote inside a comment is text."""
    found = []
    at = depth = 0
    quoted = False
    while at < len(value):
        octet = value[at]
        if octet == 92:  # backslash: the next octet is text
            at += 1
        elif octet == 34 and not depth:
            quoted = not quoted
        elif not quoted and octet == 40:
            depth += 1
            found.append(at)
        elif not quoted and octet == 41 and depth:
            depth -= 1
            found.append(at)
        at += 1
    return found
