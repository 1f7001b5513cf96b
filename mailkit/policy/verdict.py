"""What a check says."""

from __future__ import annotations

ACCEPT = "accept"  # no further check is asked at this moment
REJECT = "reject"  # 5xx
DEFER = "defer"  # 4xx
JUNK = "junk"  # accepted, marked as junk
HEADER = "header"  # accepted, with a header field


class Verdict:
    """kind: one of the words above.

    status: enhanced status code "5.7.1", for reject and defer. text: one sentence for the peer (reject, defer) or the
    reason (junk). field: a header field "Name: value" to put on top (header). detail: for the log only. code: the reply
    code, 550 or 451 unless the check wants another. by: the check's name, filled in by the chain.
    """

    __slots__ = ("by", "code", "detail", "field", "kind", "status", "text")

    def __init__(
        self, kind: str, text: str = "", *, status: str = "", code: int = 0, field: str = "", detail: str = ""
    ) -> None:
        self.kind = kind
        self.text = text
        self.status = status
        self.code = code
        self.field = field
        self.detail = detail
        self.by = ""

    def __repr__(self) -> str:
        return f"Verdict({self.kind!r}, {self.text!r}, status={self.status!r}, by={self.by!r})"

    @property
    def decisive(self) -> bool:
        """It ends the moment: reject, defer and accept."""
        return self.kind in (ACCEPT, REJECT, DEFER)


def reject(status: str, text: str, *, code: int = 550, detail: str = "") -> Verdict:
    """No, and do not try again."""
    return Verdict(REJECT, text, status=status, code=code, detail=detail)


def defer(status: str, text: str, *, code: int = 451, detail: str = "") -> Verdict:
    """Not now."""
    return Verdict(DEFER, text, status=status, code=code, detail=detail)


def junk(reason: str, *, detail: str = "") -> Verdict:
    """Take it, and deliver it as junk."""
    return Verdict(JUNK, reason, detail=detail)


def header(name: str, value: str, *, detail: str = "") -> Verdict:
    """Take it, and say so in a header field."""
    return Verdict(HEADER, field=f"{name}: {value}", detail=detail)
