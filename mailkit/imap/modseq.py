"""Modification sequences: CONDSTORE and QRESYNC (RFC 7162).

A client that has seen HIGHESTMODSEQ n asks, when it comes back, only for what changed since. Once it showed that it
knows of them (an enabling command, section 3.1), every FETCH response that tells flags tells MODSEQ too; once it
enabled QRESYNC, removed messages are told as VANISHED with their UIDs instead of EXPUNGE with their numbers.
"""

from __future__ import annotations

from mailkit.imap import replies, selection, uidonly
from mailkit.imap.responses import untagged
from mailkit.imap.wire import Bad, sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.imap.wire.sets import Ranges
    from mailkit.maildir.view import View

MODSEQ = frozenset({"CONDSTORE", "QRESYNC"})
"""QRESYNC enables CONDSTORE (RFC 7162 section 3.2.3)."""


STRETCH = 64
"""Messages whose numbers are first compared all at once."""


class Resync:
    """The parameter QRESYNC of SELECT: what the client knows of the folder."""

    __slots__ = ("known", "modseq", "uidvalidity")

    def __init__(self, uidvalidity: int, modseq: int, known: Ranges | None) -> None:
        self.uidvalidity = uidvalidity
        self.modseq = modseq
        self.known = known


def known(state: Session) -> bool:
    """The client knows of modification sequences."""
    return "CONDSTORE" in state.enabled


def resyncs(state: Session) -> bool:
    """The client enabled QRESYNC."""
    return "QRESYNC" in state.enabled


def vanishes(state: Session) -> bool:
    """Removals are told by UID: QRESYNC (RFC 7162 section 3.2.10), or UIDONLY (RFC 9586 section 3.4)."""
    return resyncs(state) or uidonly.enabled(state)


def enable(state: Session) -> None:
    """An enabling command was given; in a selected folder the client now needs a number to begin with."""
    if not known(state):
        state.enabled |= {"CONDSTORE"}
        if state.view is not None:
            tell_highest(state, state.view)


def tell_highest(state: Session, view: View, number: int = 0) -> None:
    """The HIGHESTMODSEQ response code (RFC 7162 section 3.1.2.1); number: another than the folder's."""
    replies.tell(state, "Highest modification", f"HIGHESTMODSEQ {number or view.folder.highestmodseq}")


def tell_held_back(state: Session, view: View) -> None:
    """While removals are not told, the number to begin with next time is from before them: a client whose connection
    breaks now would miss them, having seen higher ones (RFC 7162 section 3.2, and the example in section 6)."""
    behind = view.behind()
    if behind or state.behind:
        tell_highest(state, view, behind)
    state.behind = behind > 0


def after_removal(state: Session, removed: bool, text: str) -> str | None:
    """The OK of a command that removed messages, with where the folder is now (RFC 7162 sections 3.2.7 and 3.2.9, of
    MOVE RFC 6851 section 4.4, of REPLACE RFC 8508 section 4.5); None when there is nothing to say."""
    if not removed or not known(state):
        return None
    assert state.view is not None
    return f"[HIGHESTMODSEQ {state.view.folder.highestmodseq}] {text}"


def read_select(state: Session, reader: Reader) -> tuple[bool, Resync | None]:
    """` (CONDSTORE)`, ` (QRESYNC (uidvalidity modseq [known-uids] [seq-match-data]))`, or nothing:
    (whether this enables CONDSTORE, what the client knows). Bad."""
    if not reader.took(b" "):
        return False, None
    reader.expect(b"(")
    resync = None
    while True:
        word = reader.word()
        if word == "QRESYNC":
            if not resyncs(state):
                raise Bad("QRESYNC is not enabled")
            reader.space()
            resync = _read_resync(state, reader)
        elif word != "CONDSTORE":
            raise Bad(f"SELECT knows no {word}")
        if reader.took(b")"):
            return True, resync
        reader.space()


def _read_resync(state: Session, reader: Reader) -> Resync:
    reader.expect(b"(")
    uidvalidity = reader.number()
    reader.space()
    resync = Resync(uidvalidity, reader.number(), None)
    if reader.took(b" "):
        if reader.peek() != b"(":
            resync.known = _known(reader)
        if resync.known is None or reader.took(b" "):
            # Which numbers the client believes in: a help for servers that forget; ours does not need it.
            if uidonly.enabled(state):
                raise uidonly.required("QRESYNC without message numbers, please")
            reader.expect(b"(")
            _known(reader)
            reader.space()
            _known(reader)
            reader.expect(b")")
    reader.expect(b")")
    return resync


def _known(reader: Reader) -> Ranges:
    """What the client knows: numbers, without `*` or `$` (RFC 7162 section 7, known-uids)."""
    found = sets.read(reader)
    if found is sets.SAVED or any(high == sets.LAST for _, high in found):
        raise Bad("What a client knows is a set of numbers")
    return found


def catch_up(state: Session, view: View, resync: Resync) -> list[tuple[int, int]]:
    """Tell VANISHED (EARLIER), and return (number, UID) of messages that changed (RFC 7162 section 3.2.5).

    Nothing when the UIDVALIDITY the client knows is of another folder.
    """
    folder = view.folder
    if resync.uidvalidity != folder.uidvalidity:
        return []
    whole = [(1, folder.uidnext - 1)]
    wanted = whole if resync.known is None else sets.resolve(resync.known, folder.uidnext - 1)
    tell_earlier(state, view, resync.modseq, wanted)
    changed = changed_since(view, selection.by_uids(view, wanted), resync.modseq)
    return [(number, view.uids[number - 1]) for first, last in changed for number in range(first, last + 1)]


def tell_earlier(state: Session, view: View, since: int, ranges: Ranges) -> None:
    """VANISHED (EARLIER) for those of the UIDs `ranges` that were removed after `since`."""
    last = view.folder.uidnext - 1
    clipped = [range(low, min(high, last) + 1) for low, high in ranges if low <= last]
    uids: Sequence[int] = clipped[0] if len(clipped) == 1 else [uid for each in clipped for uid in each]
    # A message that went after the client was last told of removals is not EARLIER: its EXPUNGE or VANISHED will come.
    gone = [uid for uid in view.folder.vanished(since, uids) if view.seq(uid) is None] if uids else []
    if gone:
        state.conn.write(untagged(b"VANISHED (EARLIER)", sets.form(gone)))


def changed_since(view: View, ranges: Ranges, since: int) -> Ranges:
    """Those of the message numbers `ranges` that changed after `since`."""
    found: list[int] = []
    for first, last in ranges:
        table, numbers, rows = selection.rows(view, first, last)
        modseqs = selection.column(table.modseqs, rows)
        for start in range(0, len(modseqs), STRETCH):
            stretch = modseqs[start : start + STRETCH]
            if max(stretch) > since:  # rare: of 100,000 messages few changed
                some = zip(numbers[start : start + STRETCH], stretch, strict=True)
                found += [number for number, modseq in some if modseq > since]
    return list(sets.runs(found))
