"""Text as words, and what a needle says about the words of a text that has it.

Text is folded and in UTF-8 (`mailkit.mail` and its users see to that). A word is a run of ASCII letters and digits and
of octets beyond ASCII; a text has a needle of one word exactly if one of its words has it. Nothing is stemmed or left
out: the answers are those of reading everything.
"""

from __future__ import annotations

HEADER, BODY, TEXT = "HEADER", "BODY", "TEXT"
"""Where to look: in a field of the header, in a text part, in either."""

_APART = bytes(octet if octet >= 128 or chr(octet).isalnum() else 32 for octet in range(256))


def words(text: bytes) -> set[bytes]:
    """The different words of a text."""
    return set(text.translate(_APART).split())


class Query:
    """What is looked for: folded UTF-8. name: of a field of the header, which the message must have as well.

    parts: what some words must have, with line ends around each word: b"\\nbegin", b"end\\n", b"\\nwhole\\n", b"any".
    exact: who has all the parts has the needle, no message need be read.
    """

    __slots__ = ("exact", "field", "name", "needle", "parts")

    def __init__(self, field: str, needle: bytes, name: bytes = b"") -> None:
        self.field = field
        self.needle = needle
        self.name = name
        self.parts = [b"\n%b\n" % word for word in sorted(words(name))] + _parts(needle)
        # A field is one of many in the header, and only its value counts.
        self.exact = self.parts == [needle] and b"\n" not in needle and field != HEADER

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Query) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, bytes, bytes]:
        return self.field, self.needle, self.name


def _parts(needle: bytes) -> list[bytes]:
    apart = needle.translate(_APART)
    found = apart.split()
    # A word of the needle ends where the text's word ends, but the first may begin and the last go on beyond it.
    parts = [b"\n" + word + b"\n" for word in found]
    if found and not apart.startswith(b" "):
        parts[0] = parts[0][1:]
    if found and not apart.endswith(b" "):
        parts[-1] = parts[-1][:-1]
    return parts
