"""STORE and UID STORE (RFC 9051 section 6.4.6)."""

from __future__ import annotations

from mailkit.imap import flags, intake, limits, modseq, news, selection
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad, sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader

ACTIONS = {"FLAGS": 0, "+FLAGS": 1, "-FLAGS": -1}
BLOCK = 500
"""Messages for which the folder is ours: some milliseconds, then others may change it."""
ACTION_CHARS = b"+-.FLAGSflagsSILENTsilent"


async def store(state: Session, reader: Reader) -> str | None:
    """sequence-set [SP "(UNCHANGEDSINCE n)"] SP action SP flags."""
    return await run(state, reader, by_uid=False)


async def uid_store(state: Session, reader: Reader) -> str | None:
    """UID set [SP "(UNCHANGEDSINCE n)"] SP action SP flags."""
    return await run(state, reader, by_uid=True)


async def run(state: Session, reader: Reader, by_uid: bool) -> str | None:
    """Change flags and answer with the new ones, unless silent; of a conditional STORE the modification sequence is
    answered even then (RFC 7162 section 3.1.3)."""
    asked = sets.read(reader)
    reader.space()
    unchanged_since = read_condition(state, reader)
    action, silent = read_action(reader)
    reader.space()
    names = flags.checked(reader.bare_flags())
    reader.end()
    intake.writable(state)
    view = state.view
    assert view is not None
    ranges = limits.cut(state, view, selection.numbers(state, asked, by_uid))
    rights = permitting(state)
    mask = flags.mask(state, view.folder, names, create=action >= 0, rights=rights)
    if not mask and names and flags.permitted(rights) != flags.EVERY:
        raise No("You have no right to change these flags", "NOPERM")
    add, remove = (mask, 0) if action > 0 else (0, mask) if action < 0 else (mask, ~mask & flags.permitted(rights))
    missing = False
    done, goal = 0, sum(last - first + 1 for first, last in ranges)
    refused: list[int] = []
    for first, last in selection.blocks(ranges, BLOCK):
        chosen = list(view.uids[first - 1 : last])
        stored = await state.conn.offload(view.folder.store, chosen, add, remove, unchanged_since)
        missing |= bool(stored.missing)
        refused += stored.refused
        view.mute(stored.changed)
        if not silent or modseq.known(state):
            pairs = [(view.seq(uid) or 0, uid) for uid in stored.changed]
            await news.tell_flags(state, pairs, flags=not silent)
        done += len(chosen)
        await intake.breathe(state, done, goal)
    if refused:
        names_of = refused if by_uid else [view.seq(uid) or 0 for uid in refused]
        return f"[MODIFIED {sets.form(names_of).decode('ascii')}] Some were changed by somebody else"
    return "[EXPUNGEISSUED] Some of the messages are gone" if missing else None


def permitting(state: Session) -> str:
    """The user's rights on the selected mailbox. No [NOPERM]: none of them is for a flag.

    Of several flags those are changed that may be (RFC 4314 section 4): clients do not take a NO of STORE well.
    """
    assert state.mailbox is not None
    rights = state.mailbox.rights()
    if not flags.permitted(rights):
        raise No("You have no right to change flags", "NOPERM")
    return rights


def read_condition(state: Session, reader: Reader) -> int | None:
    """`(UNCHANGEDSINCE n) `, or nothing."""
    if not reader.took(b"("):
        return None
    if reader.word() != "UNCHANGEDSINCE":
        raise Bad("STORE knows only UNCHANGEDSINCE")
    reader.space()
    since = reader.number()
    reader.expect(b")")
    reader.space()
    modseq.enable(state)
    return since


def read_action(reader: Reader) -> tuple[int, bool]:
    """`+FLAGS.SILENT` -> (1, True)."""
    word = reader.span(ACTION_CHARS).decode("ascii").upper()
    silent = word.endswith(".SILENT")
    name = word.removesuffix(".SILENT")
    if name not in ACTIONS:
        raise Bad("STORE takes FLAGS, +FLAGS or -FLAGS")
    return ACTIONS[name], silent
