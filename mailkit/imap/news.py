"""What a client is told about its selected folder without asking: EXPUNGE, EXISTS, RECENT, FETCH FLAGS.

The order is that of RFC 9051 section 7.5.1: messages go first, then the new count, then flags under the new numbers.
When this may happen is decided by the table of commands.
"""

from __future__ import annotations

from mailkit.imap import modseq, replies, selection, uidonly
from mailkit.imap.commands import LOGOUT
from mailkit.imap.responses import paren, untagged
from mailkit.imap.wire import sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.maildir.table import Table
    from mailkit.maildir.view import View

SYSTEM_FLAGS = (b"\\Answered", b"\\Flagged", b"\\Deleted", b"\\Seen", b"\\Draft")
LINES_AT_ONCE = 500
EVENTS = CAME, REMOVED, CHANGED = "MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE"
"""What is told of, as NOTIFY names it; all of it unless the client has used that (RFC 5465 section 3.1)."""


async def tell(state: Session, expunges: bool = True, own: bool = False) -> None:
    """Look at the folder again and queue what is new, as far as NOTIFY lets it. Temp as `Folder.sync` raises it.

    own: the client removed messages itself, and hears which in any case.

    BYE when the folder was deleted or is another than the client knows: no other response could say so (RFC 2180 3.3).
    """
    view = state.view
    assert view is not None
    if not await looked(state, view):
        selection.release(state)
        state.state, state.why = LOGOUT, "lost"
        replies.tell(state, "The selected mailbox is gone", word="BYE")
        return
    following, before = state.following, view.count
    wanted = EVENTS if following is None else following.selected
    changes = view.changes(expunges and (own or REMOVED in wanted), arrivals=CAME in wanted)
    for context in state.contexts.values():
        context.tell_gone(state, changes)
    if changes.sequence and modseq.vanishes(state):
        state.conn.write(untagged(b"VANISHED", sets.form(changes.expunged)))
    elif changes.sequence:
        state.conn.write(b"".join([b"* %d EXPUNGE\r\n" % number for number in changes.sequence]))
    if changes.exists is not None:
        state.conn.write(b"* %d EXISTS\r\n" % changes.exists)
        if not rev2(state):
            state.conn.write(b"* %d RECENT\r\n" % len(view.recent))
    if following is not None and changes.exists is not None:
        await following.fetch(state, range(before - len(changes.sequence) + 1, changes.exists + 1))
    if CHANGED in wanted:
        if state.defined != view.folder.keywords:
            tell_defined(state)
        await tell_flags(state, changes.changed)
    if modseq.known(state):
        modseq.tell_held_back(state, view)
    for context in list(state.contexts.values()):
        await context.tell_changed(state, view)


async def looked(state: Session, view: View) -> bool:
    """Bring the folder up to date; False when it is no longer the one that was selected, or no longer for this user."""
    assert state.mailbox is not None
    if not state.mailbox.who.owner and "r" not in state.mailbox.rights():
        return False
    try:
        if view.folder.stale():
            await state.conn.offload(view.folder.sync)
    except FileNotFoundError:
        return False
    return view.valid


async def tell_flags(state: Session, changed: list[tuple[int, int]], flags: bool = True) -> None:
    """FETCH responses with flags and modification sequences of (number, UID) pairs."""
    view = state.view
    assert view is not None
    for start in range(0, len(changed), LINES_AT_ONCE):
        lines = []
        table = view.folder.table
        for number, uid in changed[start : start + LINES_AT_ONCE]:
            row = table.row(uid)
            if row is not None:
                items = item_texts(state, view, table, row, flags)
                named = b"" if uidonly.enabled(state) else b" UID %d" % uid
                lines.append(uidonly.opening(state, number, uid) + (named + items)[1:] + b")\r\n")
        state.conn.write(b"".join(lines))
        await state.conn.flush()


def item_texts(state: Session, view: View, table: Table, row: int, flags: bool) -> bytes:
    """` FLAGS (...) MODSEQ (n)` of one message, what of it this client is to have."""
    found = b" FLAGS (%b)" % flags_of(state, view, table.marks[row], table.uids[row]) if flags else b""
    return found + b" MODSEQ (%d)" % table.modseqs[row] if modseq.known(state) else found


def flags_of(state: Session, view: View, marks: int, uid: int) -> bytes:
    """Flags of one message with blanks between. IMAP4rev2 knows no \\Recent (RFC 9051 appendix E)."""
    flags = view.folder.flags[marks]
    if uid not in view.recent or rev2(state):
        return flags
    return flags + b" \\Recent" if flags else b"\\Recent"


def rev2(state: Session) -> bool:
    """The client asked for IMAP4rev2."""
    return "IMAP4rev2" in state.enabled


def tell_defined(state: Session) -> None:
    """FLAGS and PERMANENTFLAGS: sent at SELECT, and when a keyword was used for the first time, by whom ever."""
    view = state.view
    assert view is not None
    state.defined = view.folder.keywords
    names = [*SYSTEM_FLAGS, *state.defined]
    state.conn.write(untagged(b"FLAGS", paren(names)))
    kept = [] if view.readonly else changeable(state, names)
    text = replies.translated(state, "Flags that are kept").encode("utf-8")
    state.conn.write(untagged(b"OK [PERMANENTFLAGS", paren(kept) + b"]", text))


def changeable(state: Session, names: list[bytes]) -> list[bytes]:
    """Those flags that the user's rights let change (RFC 4314 section 5.1.1)."""
    assert state.mailbox is not None
    rights = state.mailbox.granted()
    letters = {b"\\Seen": "s", b"\\Deleted": "t"}
    kept = [name for name in names if letters.get(name, "w") in rights]
    return [*kept, b"\\*"] if "w" in rights else kept
