"""SASLprep (RFC 4013): one form for passwords and user names that look alike.

Code points that Unicode 3.2 did not know (emoji, say) pass through unchanged, as RFC 3454 7 has it for queries: a
password that a person can type must be one that can be set.
"""

from __future__ import annotations


def prepared(text: str) -> str:
    """`text` after SASLprep. ValueError when it holds what no password may: control characters and the like."""
    if text.isascii():
        if not text.isprintable():
            raise ValueError("control characters are not allowed")
        return text
    import stringprep
    import unicodedata

    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char)
    )
    result = unicodedata.normalize("NFKC", mapped)
    for char in result:
        if _prohibited(char):
            raise ValueError(f"the character U+{ord(char):04X} is not allowed")
    _check_direction(result)
    return result


def _check_direction(text: str) -> None:
    """RFC 3454 6: right-to-left text is right-to-left from its first to its last character."""
    import stringprep

    if not any(map(stringprep.in_table_d1, text)):
        return
    if any(map(stringprep.in_table_d2, text)):
        raise ValueError("left-to-right and right-to-left letters are mixed")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise ValueError("right-to-left text has something else at its start or end")


def _prohibited(char: str) -> bool:
    import stringprep

    # RFC 4013 2.3: C.1.2, C.2.1, C.2.2, C.3, C.4, C.5, C.6, C.7, C.8, C.9
    tables = (
        stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
        stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
        stringprep.in_table_c9,
    )  # fmt: skip
    return any(prohibits(char) for prohibits in tables)
