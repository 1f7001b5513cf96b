"""COPY and UID COPY (RFC 9051 section 6.4.7) with COPYUID (RFC 4315)."""

from __future__ import annotations

from mailkit.imap import flags, intake, limits, selection
from mailkit.imap.folders import room, target
from mailkit.imap.folders.target import stored
from mailkit.imap.wire import sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.maildir.folder import Folder


SLICE = 2000
"""Messages after which others have their turn, and the client may hear how far it is."""


async def copy(state: Session, reader: Reader) -> str | None:
    """sequence-set SP mailbox."""
    return await run(state, reader, by_uid=False)


async def uid_copy(state: Session, reader: Reader) -> str | None:
    """UID set SP mailbox."""
    return await run(state, reader, by_uid=True)


async def run(state: Session, reader: Reader, by_uid: bool) -> str | None:
    """All messages are copied, or none."""
    chosen, folder = await read(state, reader, by_uid)
    limits.all_or_none(state, len(chosen), chosen)
    assert state.view is not None
    octets = room.total(state.view.folder, chosen)
    await room.need(state, octets, len(chosen))
    keep = flags.permitted(target.rights(state))
    old, new = await duplicate(state, chosen, folder, keep)
    await room.came(state, octets, len(new))
    return copied(state, folder, old, new)


async def duplicate(state: Session, chosen: list[int], folder: Folder, keep: int) -> tuple[list[int], list[int]]:
    """Copy a slice at a time, and take back what was copied when one fails; (UIDs here, UIDs there)."""
    assert state.view is not None
    old: list[int] = []
    new: list[int] = []
    try:
        for start in range(0, len(chosen), SLICE):
            some = chosen[start : start + SLICE]
            here, there = await state.view.folder.copy(some, folder, state.conn.offload, keep)
            old, new = old + here, new + there
            if len(chosen) > SLICE:
                await intake.breathe(state, start + len(some), len(chosen))
    except BaseException:
        if new:
            await state.conn.offload(folder.expunge, new)
        raise
    return old, new


async def read(state: Session, reader: Reader, by_uid: bool) -> tuple[list[int], Folder]:
    """The arguments of COPY and MOVE: UIDs and the open target. No [TRYCREATE]."""
    asked = sets.read(reader)
    reader.space()
    name = reader.mailbox()
    reader.end()
    chosen = selection.uids(state, selection.numbers(state, asked, by_uid))
    return chosen, await target.opened(state, name)


def copied(state: Session, folder: Folder, old: Sequence[int], new: Sequence[int]) -> str | None:
    """The COPYUID code, None when nothing was there to copy, or the UIDs are not for this user (RFC 4315 section 3)."""
    stored(state, new)
    if not old or "r" not in target.rights(state):
        return None
    return f"[COPYUID {folder.uidvalidity} {sets.form(old).decode('ascii')} {sets.form(new).decode('ascii')}] Copied"
