"""What came of one attempt to deliver to one recipient."""

from __future__ import annotations

from mailkit.exits import Trouble

HANDED = "handed"  # action: the next server tells the sender itself (RFC 3461 5.2.1), so nobody else need
TRACED = "traced"  # action: relayed, and the sender hears of it without having asked for success (RFC 2852 4.1.4)


class Outcome:
    """status: "ok" delivered (or handed on), "temp" try again, "perm" never.

    code: enhanced status code of RFC 3463. text: one line for reports; where a remote server said something, its
    words. remote: the name of that server, "" when the trouble (or the success) is ours. action: the RFC 3464 word
    for reports when it is not the status's usual one: "relayed" or "expanded", or one of the above. path: the file it
    was saved in, if any.
    """

    __slots__ = ("action", "code", "path", "remote", "status", "text")

    def __init__(
        self, status: str, code: str = "2.0.0", text: str = "", remote: str = "", action: str = "", path: str = ""
    ) -> None:
        self.status = status
        self.code = code
        self.text = text
        self.remote = remote
        self.action = action
        self.path = path

    @property
    def ok(self) -> bool:
        """Was it delivered?"""
        return self.status == "ok"

    def __repr__(self) -> str:
        return f"Outcome({self.status!r}, {self.code!r}, {self.text!r}, {self.remote!r})"


def of(trouble: Trouble) -> Outcome:
    """The outcome that an exception stands for."""
    return Outcome("temp" if trouble.passing else "perm", trouble.code, trouble.text)
