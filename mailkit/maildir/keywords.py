"""dovecot-keywords: which keyword a letter of a file name means in one folder.

    0 $Junk
    1 $Forwarded

Number 0 is the letter a, 25 is z. A letter that is in use and not in the file is called unknown-N, as Dovecot calls it.
The file is replaced as a whole and only with dovecot-uidlist locked. Dovecot looks at its time in whole
seconds, so that each change must make it later. Damaged lines are passed over; what stands in the good ones holds.
Courier's keywords are taken over by `courier`.
"""

from __future__ import annotations

import os

from mailkit import clock, files
from mailkit.maildir.marks import FIRST_KEYWORD, FLAG_OF_BIT, KEYWORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "dovecot-keywords"


class Full(ValueError):
    """All 26 letters of the folder are taken."""


class Keywords:
    """The keywords of one folder: `names[n]` is the keyword of letter n or None."""

    __slots__ = ("_mtime", "_path", "names")

    def __init__(self, directory: str) -> None:
        self._path = f"{directory}/{NAME}"
        self._mtime = -1
        self.names: list[bytes | None] = [None] * KEYWORDS

    def refresh(self) -> bool:
        """Read the file if it changed; did the names change?"""
        try:
            mtime = os.stat(self._path).st_mtime_ns
            if mtime == self._mtime:
                return False
            with open(self._path, "rb") as file:
                data = file.read(1 << 16)
        except OSError:
            mtime, data = 0, b""
        before = self.names
        self.names = parse(data)
        self._mtime = mtime
        return self.names != before

    def changed(self) -> bool:
        """The file is not as it was read."""
        try:
            return os.stat(self._path).st_mtime_ns != self._mtime
        except OSError:
            return self._mtime != 0

    def bit(self, name: bytes) -> int | None:
        """The bit of `marks` for a keyword, in any case of letters."""
        wanted = name.lower()
        for letter, known in enumerate(self.names):
            if known is not None and known.lower() == wanted:
                return 1 << (FIRST_KEYWORD + letter)
        return None

    def add(self, name: bytes) -> int:
        """A letter for a new keyword; the caller holds the lock and calls `write`. Full; ValueError: no keyword."""
        if not name or any(octet <= 32 or octet >= 127 or octet in b'(){%*"\\]' for octet in name):
            raise ValueError("not a keyword")
        for letter, known in enumerate(self.names):
            if known is None:
                self.names[letter] = name
                return 1 << (FIRST_KEYWORD + letter)
        raise Full("no more keywords in this folder")

    def define(self, wanted: Iterable[bytes]) -> int:
        """The bits of keywords, of which some get letters now, written down; all or none. The caller holds the lock.
        Errors of `add`."""
        before, bits = list(self.names), 0
        try:
            for name in wanted:
                bits |= self.bit(name) or self.add(name)
        except ValueError:
            self.names = before
            raise
        if self.names != before:
            self.write()
        return bits

    def write(self) -> None:
        """Replace the file, durably: a flag on disk whose name is lost is worth nothing."""
        try:
            earliest = os.stat(self._path).st_mtime + 1
        except OSError:
            earliest = 0.0
        files.replace(self._path, encode(self.names))
        if clock.now() < earliest:
            files.utime(self._path, float(int(earliest) + 1))
        self._mtime = os.stat(self._path).st_mtime_ns

    def name(self, letter: int) -> bytes:
        """What letter `letter` means, if need be Dovecot's stopgap."""
        return self.names[letter] or b"unknown-%d" % letter

    def text(self, marks: int) -> bytes:
        r"""The flags of `marks` as IMAP writes them between parentheses: b"\\Seen $Junk"."""
        found = [flag for bit, flag in FLAG_OF_BIT.items() if marks & bit]
        found += [self.name(letter) for letter in range(KEYWORDS) if marks >> (FIRST_KEYWORD + letter) & 1]
        return b" ".join(found)


def parse(data: bytes) -> list[bytes | None]:
    """The names of the letters."""
    names: list[bytes | None] = [None] * KEYWORDS
    for line in data.split(b"\n"):
        number, _, name = line.partition(b" ")
        if number.isdigit() and len(number) < 3 and int(number) < KEYWORDS and name.strip(b"\r") == name and name:
            names[int(number)] = name
    return names


def encode(names: Iterable[bytes | None]) -> bytes:
    """The file."""
    return b"".join(b"%d %b\n" % (letter, name) for letter, name in enumerate(names) if name is not None)


def letters(directory: str, wanted: Iterable[bytes]) -> str:
    """Letters for keywords, new ones defined, for a delivery that does not open the folder.

    What does not fit (26 are taken, no keyword) is left out: better mail without a label than no mail.
    """
    from mailkit.maildir.uidlist import locked

    with locked(directory):
        keywords = Keywords(directory)
        keywords.refresh()
        bits, new = 0, False
        for name in wanted:
            bit = keywords.bit(name)
            if bit is None:
                try:
                    bit, new = keywords.add(name), True
                except ValueError:
                    continue
            bits |= bit
        if new:
            keywords.write()
    return "".join(chr(97 + letter) for letter in range(KEYWORDS) if bits >> (FIRST_KEYWORD + letter) & 1)


class FlagText(dict[int, bytes]):
    r"""marks -> b"\\Seen $Junk", made on demand; emptied when the keywords change."""

    __slots__ = ("_keywords",)

    def __init__(self, keywords: Keywords) -> None:
        super().__init__()
        self._keywords = keywords

    def __missing__(self, marks: int) -> bytes:
        if len(self) > 20_000:
            self.clear()
        text = self[marks] = self._keywords.text(marks)
        return text
