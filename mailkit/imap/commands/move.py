"""MOVE and UID MOVE (RFC 6851, RFC 9051 section 6.4.8)."""

from __future__ import annotations

from mailkit.exits import Temp
from mailkit.imap import flags, intake, limits, modseq, replies
from mailkit.imap.commands.copy import SLICE, copied, read
from mailkit.imap.folders import room, target
from mailkit.maildir.transfer import Unconfirmed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.maildir.folder import Folder


async def move(state: Session, reader: Reader) -> str | None:
    """sequence-set SP mailbox."""
    return modseq.after_removal(state, await run(state, reader, by_uid=False), "MOVE completed")


async def uid_move(state: Session, reader: Reader) -> str | None:
    """UID set SP mailbox."""
    return modseq.after_removal(state, await run(state, reader, by_uid=True), "UID MOVE completed")


async def run(state: Session, reader: Reader, by_uid: bool) -> bool:
    """Were messages moved? COPYUID goes in an untagged OK, before the EXPUNGE responses that end the command (RFC 6851
    section 4.3)."""
    intake.writable(state, "te")
    chosen, folder = await read(state, reader, by_uid)
    chosen = limits.newest(state, chosen)
    assert state.view is not None
    if not room.same_owner(state):
        await room.need(state, room.total(state.view.folder, chosen), len(chosen))
    old: list[int] = []
    new: list[int] = []
    try:
        await relocate(state, chosen, folder, old, new)
    finally:  # what was moved is moved, whatever comes after it
        text = copied(state, folder, old, new)
        if text is not None:
            replies.tell(state, text)
    return bool(old)


def unconfirmed(folder: Folder, error: OSError) -> Temp:
    """The answer when messages have moved and the disk may forget it. They stay moved (RFC 6851 section 3.3: also after
    NO each is in one of the mailboxes): back here they would have new UIDs."""
    return Temp("Moved, but the disk did not confirm it", detail=f"{folder.directory}/cur: {error.strerror}")


async def relocate(state: Session, chosen: list[int], folder: Folder, old: list[int], new: list[int]) -> None:
    """Move a slice at a time; `old` and `new` get the UIDs here and there. Temp."""
    assert state.view is not None
    source, elsewhere = state.view.folder, not room.same_owner(state)
    keep = flags.permitted(target.rights(state))
    for start in range(0, len(chosen), SLICE):
        some = chosen[start : start + SLICE]
        octets = room.total(source, some)
        trouble: Temp | None = None
        try:
            here, there = await source.move(some, folder, state.conn.offload, keep)
        except Unconfirmed as error:
            (here, there), trouble = error.moved, unconfirmed(folder, error)
        old += here
        new += there
        if elsewhere:
            await room.came(state, octets, len(there))
            await room.went(state, octets, len(there))
        if trouble is not None:
            raise trouble
        if len(chosen) > SLICE:
            await intake.breathe(state, start + len(some), len(chosen))
