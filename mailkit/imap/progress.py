"""INPROGRESS (RFC 9585): a command that takes long says how far it is, so that nobody takes the server for dead.

Whoever works in slices tells between two of them what is done of how much (`intake.breathe`); the client hears it every
EVERY_S seconds. The first goal of a command stays its goal, and what is done never becomes less, as section 4 wants: a
search that has looked at everything for one key and goes on with the next stays just below the goal.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.imap import replies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session

EVERY_S = 10.0
"""Section 4 recommends 10 to 15 seconds."""


class Progress:
    """Of the command that runs now."""

    __slots__ = ("_done", "_due_s", "_goal")

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A command begins."""
        self._done = self._goal = 0
        self._due_s = clock.monotonic() + EVERY_S

    def note(self, state: Session, done: int, goal: int) -> None:
        """So many of so many messages are dealt with; the client is told when it is time."""
        self._goal = self._goal or goal
        self._done = min(max(self._done, done), self._goal - 1)
        now_s = clock.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + EVERY_S
        # A tag with "]" would end the response code (section 4).
        tag = "NIL" if b"]" in state.tag else f'"{state.tag.decode("ascii")}"'
        replies.tell(state, "Still at it", f"INPROGRESS ({tag} {self._done} {self._goal})")
