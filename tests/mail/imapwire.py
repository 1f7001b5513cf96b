"""A strict reader of what IMAP servers send inside parentheses, to check that what we write is well-formed."""

from __future__ import annotations

Value = "bytes | int | None | list[Value]"


def read(wire: bytes) -> list[object]:
    """The nested lists of a parenthesized value: bytes for strings, None for NIL, int for numbers."""
    value, at = _value(wire, 0)
    assert at == len(wire), wire[at:]
    assert isinstance(value, list)
    return value


def _value(wire: bytes, at: int) -> tuple[object, int]:
    octet = wire[at : at + 1]
    if octet == b"(":
        return _list(wire, at + 1)
    if octet == b'"':
        return _quoted(wire, at + 1)
    if octet == b"{":
        end = wire.index(b"}\r\n", at)
        length = int(wire[at + 1 : end])
        text = wire[end + 3 : end + 3 + length]
        assert len(text) == length and b"\0" not in text
        return text, end + 3 + length
    if wire.startswith(b"NIL", at):
        return None, at + 3
    end = at
    while wire[end : end + 1].isdigit():
        end += 1
    assert end > at, wire[at : at + 20]
    return int(wire[at:end]), end


def _list(wire: bytes, at: int) -> tuple[list[object], int]:
    values: list[object] = []
    while wire[at : at + 1] != b")":
        if values:
            # Lists of addresses and of parts have nothing between them, all else one blank.
            both_lists = isinstance(values[-1], list) and wire[at : at + 1] == b"("
            assert both_lists or wire[at : at + 1] == b" ", wire[at : at + 20]
            at += not both_lists
        value, at = _value(wire, at)
        values.append(value)
    assert values, "an empty list is NIL"
    return values, at + 1


def _quoted(wire: bytes, at: int) -> tuple[bytes, int]:
    text = bytearray()
    while wire[at] != 34:
        if wire[at] == 92:
            at += 1
            assert wire[at] in b'"\\'
        assert 32 <= wire[at] < 127
        text.append(wire[at])
        at += 1
    return bytes(text), at + 1
