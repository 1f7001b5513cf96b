"""UIDONLY (RFC 9586): a client that enabled it names messages by their UIDs alone, and is told of them in the same way.

Message numbers are refused with UIDREQUIRED wherever a command may have them (section 3); responses are UIDFETCH
instead of FETCH (3.3) and VANISHED instead of EXPUNGE (3.4). EXISTS and RECENT count, and stay (3.6).
"""

from __future__ import annotations

from mailkit.imap.wire import Bad, keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.keys import Key

NUMBERED = frozenset({"COPY", "FETCH", "MOVE", "REPLACE", "SEARCH", "SORT", "STORE", "THREAD"})
"""Commands whose arguments or answers are message numbers."""


def enabled(state: Session) -> bool:
    """The client enabled it; there is no way back."""
    return "UIDONLY" in state.enabled


def refuse_command(state: Session, name: str) -> None:
    """Bad [UIDREQUIRED] for a command that has a UID form instead."""
    if name in NUMBERED and enabled(state):
        raise required(f"{name} goes by message numbers: use UID {name}")


def refuse_key(state: Session, key: Key) -> None:
    """Bad [UIDREQUIRED] for message numbers among search keys."""
    if enabled(state) and keys.numbers(key):
        raise required("Search keys that are message numbers cannot be used")


def required(text: str) -> Bad:
    """The refusal (section 3)."""
    return Bad(text, "UIDREQUIRED")


def opening(state: Session, number: int, uid: int) -> bytes:
    """How a response with the data of one message begins."""
    return b"* %d UIDFETCH (" % uid if enabled(state) else b"* %d FETCH (" % number
