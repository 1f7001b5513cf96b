"""Comments in structured header fields (RFC 5322 3.2.2)."""

from __future__ import annotations

_OPEN, _CLOSE, _QUOTE, _BACKSLASH = b'()"\\'


def removed(value: bytes) -> bytes:
    """The value with each comment replaced by one blank; quoted strings stay as they are.

    A parenthesis that is never closed is no comment and stays.
    """
    if b"(" not in value:
        return value
    kept = []
    depth = opened = plain_from = 0
    for at in _parentheses(value):
        if value[at] == _OPEN:
            opened = at if depth == 0 else opened
            depth += 1
            continue
        depth -= 1
        if depth == 0:
            kept += [value[plain_from:opened], b" "]
            plain_from = at + 1
    kept.append(value[plain_from:])
    return b"".join(kept)


def _parentheses(value: bytes) -> list[int]:
    """Offsets of the parentheses that are neither quoted nor escaped; a quote inside a comment is text."""
    found = []
    at = depth = 0
    quoted = False
    while at < len(value):
        octet = value[at]
        if octet == _BACKSLASH:  # the next octet is text
            at += 1
        elif octet == _QUOTE and not depth:
            quoted = not quoted
        elif not quoted and octet == _OPEN:
            depth += 1
            found.append(at)
        elif not quoted and octet == _CLOSE and depth:
            depth -= 1
            found.append(at)
        at += 1
    return found
