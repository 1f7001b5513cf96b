"""Exit statuses, and the two kinds of trouble every program tells apart.

Temporary trouble is tried again and never loses mail; permanent trouble is told to the sender.
"""

from __future__ import annotations

OK = 0
PERM = 100  # qmail's convention: permanent, or wrong use
TEMP = 111  # qmail's convention: try again later

# sysexits.h, for the programs that other mail systems start.
EX_USAGE = 64
EX_DATAERR = 65
EX_NOUSER = 67
EX_UNAVAILABLE = 69
EX_TEMPFAIL = 75


class Trouble(Exception):
    """What went wrong, once for the peer and once for the log.

    text: one sentence for the peer or user: no paths, no secrets.
    code: the enhanced status code of RFC 3463, "4.3.0".
    detail: for the log: object, operation and the system's words.
    """

    def __init__(self, text: str, *, code: str, detail: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.text} ({self.detail})" if self.detail else self.text

    @property
    def passing(self) -> bool:
        """May somebody else's try come to another end? So with a wrong configuration (4.3.5), which is permanent for
        the program that met it, but no reason to send mail back."""
        return self.code.startswith("4")


class Temp(Trouble):
    """Worth another try: 4yz, exit 111 (or 75)."""

    def __init__(self, text: str, *, code: str = "4.3.0", detail: str = "") -> None:
        super().__init__(text, code=code, detail=detail)


class Perm(Trouble):
    """No use trying again: 5yz, exit 100."""

    def __init__(self, text: str, *, code: str = "5.0.0", detail: str = "") -> None:
        super().__init__(text, code=code, detail=detail)
