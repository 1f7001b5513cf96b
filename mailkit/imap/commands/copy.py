"""COPY and UID COPY (RFC 9051 section 6.4.7) with COPYUID (RFC 4315)."""

from __future__ import annotations

from mailkit.imap import room, selection, tree
from mailkit.imap.wire import sets
from mailkit.maildir import folder as folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.maildir.folder import Folder


async def copy(state: Session, reader: Reader) -> str | None:
    """sequence-set SP mailbox."""
    return await run(state, reader, by_uid=False)


async def uid_copy(state: Session, reader: Reader) -> str | None:
    """UID set SP mailbox."""
    return await run(state, reader, by_uid=True)


async def run(state: Session, reader: Reader, by_uid: bool) -> str | None:
    """All messages are copied, or none."""
    chosen, target = await read(state, reader, by_uid)
    try:
        assert state.view is not None
        octets = room.total(state.view.folder, chosen)
        await room.need(state, octets)
        old, new = await state.view.folder.copy(chosen, target, state.conn.offload) if chosen else ([], [])
        await room.note(state, octets, len(new))
        return copied(target, old, new)
    finally:
        target.close()


async def read(state: Session, reader: Reader, by_uid: bool) -> tuple[list[int], Folder]:
    """The arguments of COPY and MOVE: UIDs and the open target, which the caller closes. No [TRYCREATE]."""
    asked = sets.read(reader)
    reader.space()
    name = reader.mailbox()
    reader.end()
    chosen = selection.uids(state, selection.numbers(state, asked, by_uid))
    path = await tree.path_of(state, name, "TRYCREATE")
    return chosen, await tree.attempt(state, folders.open, path)


def copied(target: Folder, old: Sequence[int], new: Sequence[int]) -> str | None:
    """The COPYUID code, None when nothing was there to copy (RFC 4315 section 3)."""
    if not old:
        return None
    return f"[COPYUID {target.uidvalidity} {sets.form(old).decode('ascii')} {sets.form(new).decode('ascii')}] Copied"
