"""MESSAGELIMIT and SAVELIMIT (RFC 9738): how many messages one command deals with, where control/messagelimit says so.

FETCH, STORE, SEARCH, MOVE and UID EXPUNGE deal with the newest so many of what they are given and say with which UID
they stopped, so that the client goes on below it (section 3.1). What is all or nothing, COPY and APPEND, or makes no
sense in parts, SORT and THREAD (3.3), is refused. ESEARCH in one mailbox is as SEARCH; in several, where no UID could
say how far it came, it is refused when they have more messages together (RFC 7377 section 2.4). SAVELIMIT
(control/savelimit) is of COPY and APPEND alone. EXPUNGE and CLOSE have no limit.
"""

from __future__ import annotations

from mailkit.imap import replies, selection
from mailkit.imap.responses import No
from mailkit.imap.wire import pages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailkit.imap.session import Session
    from mailkit.imap.wire.keys import Key
    from mailkit.imap.wire.pages import Page
    from mailkit.imap.wire.sets import Ranges
    from mailkit.maildir.view import View

HIGHEST_UID = (1 << 32) - 1
OLDER = "There are older ones"


def messages(state: Session) -> int:
    """MESSAGELIMIT, 0 for none."""
    return max(0, state.home.control.number("messagelimit"))


def saved(state: Session) -> int:
    """How many COPY and APPEND take, 0 for any number."""
    return messages(state) or max(0, state.home.control.number("savelimit"))


def capabilities(state: Session) -> list[str]:
    """What is advertised: MESSAGELIMIT says SAVELIMIT as well (section 3)."""
    limit = saved(state)
    if not limit:
        return []
    return [f"{'MESSAGELIMIT' if messages(state) else 'SAVELIMIT'}={limit}"]


def cut(state: Session, view: View, ranges: Ranges) -> Ranges:
    """The newest of these message numbers, as many as a command deals with; what it leaves out the client is told."""
    limit = messages(state)
    if not limit or count(ranges) <= limit:
        return ranges
    ranges = pages.cut((-1, -limit), ranges)
    stopped(state, limit, view.uids[ranges[0][0] - 1])
    return ranges


def newest(state: Session, uids: list[int]) -> list[int]:
    """The same of ascending UIDs."""
    limit = messages(state)
    if not limit or len(uids) <= limit:
        return uids
    stopped(state, limit, uids[-limit])
    return uids[-limit:]


def narrow(state: Session, view: View, key: Key, updated: bool) -> Key:
    """The key, for the newest messages that may be searched: those that sequence sets and UIDs in it leave (section
    3.1). No: more of them, and the client wants to be told what changes in all of them."""
    limit = messages(state)
    candidates = named(state, view, key) if limit else []
    if not limit or count(candidates) <= limit:
        return key
    if updated:
        raise refusal(limit)
    low = cut(state, view, candidates)[0][0]
    return ("AND", [key, ("UID", [(view.uids[low - 1], HIGHEST_UID)])])


def whole(state: Session, view: View, key: Key) -> None:
    """No: the key may match more messages than one command deals with."""
    limit = messages(state)
    if limit and count(named(state, view, key)) > limit:
        raise refusal(limit)


def all_or_none(state: Session, number: int, uids: Sequence[int] = ()) -> None:
    """No: so many cannot be stored at once. uids: of those that are copied, ascending; the client is told from which on
    it would have gone (section 3.1)."""
    limit = saved(state)
    if limit and number > limit:
        raise refusal(limit, uids[-limit] if uids else 0)


def page(state: Session, wanted: Page) -> None:
    """No: a page of UID FETCH (PARTIAL) that is longer."""
    limit = messages(state)
    if limit and abs(wanted[1]) - abs(wanted[0]) >= limit:
        raise refusal(limit)


def named(state: Session, view: View, key: Key) -> Ranges:
    """Message numbers that the key's outermost sets leave; all without such sets."""
    from mailkit.imap.searching import planning  # no part of the way to the greeting

    found = [(1, view.count)] if view.count else []
    for each in planning.conjuncts(key):
        if each[0] in ("SEQ", "UID"):
            found = both(found, selection.sought(state, view, each))
    return found


def both(one: Ranges, two: Ranges) -> Ranges:
    """Numbers in both of two lists of ascending ranges."""
    found = []
    at = 0
    for low, high in one:
        while at < len(two) and two[at][1] < low:
            at += 1
        for first, last in two[at:]:
            if first > high:
                break
            found.append((max(low, first), min(high, last)))
    return found


def count(ranges: Ranges) -> int:
    """How many numbers."""
    return sum(last - first + 1 for first, last in ranges)


def refusal(limit: int, uid: int = 0) -> No:
    """Too many messages for all or nothing. uid: from which on there would not be."""
    return No(f"One command deals with {limit} messages", f"MESSAGELIMIT {limit}" + (f" {uid}" if uid else ""))


def stopped(state: Session, limit: int, uid: int) -> None:
    """The command deals with the messages from this UID on."""
    state.limited = f"MESSAGELIMIT {limit} {uid}"


def text(state: Session, answer: str) -> str:
    """The text of the OK, with where the command stopped: as its code, or where it has one in a NO of its own
    (section 3.1)."""
    limited, state.limited = state.limited, ""
    if not limited:
        return answer
    if answer.startswith("["):
        replies.tell(state, OLDER, limited, "NO")
        return answer
    return f"[{limited}] {OLDER}"
