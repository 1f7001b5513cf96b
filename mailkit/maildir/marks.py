"""The flags of a message as one number, and as the letters of a file name.

Bit 0 to 5 are D F P R S T, bit 6 to 31 the keyword letters a to z: 32 bits, in the ASCII order of the letters, so
that the canonical letters of a number are its bits from the lowest. P (passed) has no IMAP flag; it is kept and
not shown. Which keyword a letter means is said by the folder's dovecot-keywords.

Other programs write letters in any order, unknown ones, or no ":2," at all; such a name is `odd`: its number is read,
but the name cannot be made from the number and must be remembered.
"""

from __future__ import annotations

LETTERS = b"DFPRSTabcdefghijklmnopqrstuvwxyz"
DRAFT, FLAGGED, PASSED, ANSWERED, SEEN, DELETED = (1 << bit for bit in range(6))
FIRST_KEYWORD = 6
KEYWORDS = 26
ALL = (1 << 32) - 1
SYSTEM = DRAFT | FLAGGED | ANSWERED | SEEN | DELETED
FLAG_OF_BIT = {
    ANSWERED: b"\\Answered",
    FLAGGED: b"\\Flagged",
    DELETED: b"\\Deleted",
    SEEN: b"\\Seen",
    DRAFT: b"\\Draft",
}
BIT_OF_FLAG = {name.lower(): bit for bit, name in FLAG_OF_BIT.items()}
_BIT = {letter: 1 << bit for bit, letter in enumerate(LETTERS)}
_MEMO = 20_000  # others' file names must not fill our memory


class _Suffixes(dict[int, bytes]):
    """marks -> b":2,FS", made on demand."""

    def __missing__(self, marks: int) -> bytes:
        if len(self) > _MEMO:
            self.clear()
        letters = bytes(letter for bit, letter in enumerate(LETTERS) if marks >> bit & 1)
        suffix = self[marks] = b":2," + letters
        return suffix


class _Readings(dict[bytes, tuple[int, bool]]):
    """b":2,FS" -> (marks, odd), made on demand; b"" for a name without a colon."""

    def __missing__(self, suffix: bytes) -> tuple[int, bool]:
        if len(self) > _MEMO:
            self.clear()
        marks = 0
        if suffix.startswith(b":2,"):
            for letter in suffix[3:]:
                marks |= _BIT.get(letter, 0)
        reading = self[suffix] = (marks, SUFFIX[marks] != suffix)
        return reading


SUFFIX = _Suffixes()
READING = _Readings()


def parse(name: bytes) -> tuple[bytes, int, bool]:
    """(base, marks, odd) of any file name in cur/."""
    base, colon, info = name.partition(b":")
    return base, *READING[colon + info]


def renamed(name: bytes, marks: int) -> bytes:
    """`name` with the letters of `marks`; letters nobody knows stay, in order."""
    base, _, info = name.partition(b":")
    strange = {letter for letter in info[2:] if letter not in _BIT} if info.startswith(b"2,") else set()
    if not strange:
        return base + SUFFIX[marks]
    return base + b":2," + bytes(sorted({*SUFFIX[marks][3:], *strange}))
