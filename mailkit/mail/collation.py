"""Text compared and sorted without regard to case, as i;unicode-casemap does it (RFC 5051, RFC 5255 section 4).

Characters are taken apart, so that "cafe" is in "Café" and a ligature is its letters, and have one case. What
i;unicode-casemap holds equal is equal here; besides, what is one letter in capitals and another in small ones is one:
"ß" is "ss".
"""

from __future__ import annotations


def folded(text: str) -> str:
    """The text as it is compared: equal means equal, contained means contained. Letters are small ones."""
    if text.isascii():
        return text.lower()
    from unicodedata import normalize

    # Without its dot the i of Turkish has the I of everybody else as its capital.
    return normalize("NFKD", normalize("NFKD", text).casefold()).replace("ı", "i")


def sorting(text: str) -> str:
    """What a folded text is sorted by: RFC 5051 has capitals, so that `_` comes behind all letters."""
    return text.upper()
