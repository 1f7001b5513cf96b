"""MOVE and UID MOVE (RFC 6851, RFC 9051 section 6.4.8)."""

from __future__ import annotations

from mailkit.imap import flags, intake, limits, room, target
from mailkit.imap.commands.copy import copied, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def move(state: Session, reader: Reader) -> None:
    """sequence-set SP mailbox."""
    await run(state, reader, by_uid=False)


async def uid_move(state: Session, reader: Reader) -> None:
    """UID set SP mailbox."""
    await run(state, reader, by_uid=True)


def same_owner(state: Session) -> bool:
    """Messages stay within one quota."""
    assert state.mailbox is not None
    assert state.target_mailbox is not None
    return state.mailbox.tree.maildir == state.target_mailbox.tree.maildir


async def run(state: Session, reader: Reader, by_uid: bool) -> None:
    """COPYUID goes in an untagged OK, before the EXPUNGE responses that end the command (RFC 6851 section 4.3)."""
    intake.writable(state, "te")
    chosen, folder = await read(state, reader, by_uid)
    chosen = limits.newest(state, chosen)
    assert state.view is not None
    octets = room.total(state.view.folder, chosen)
    elsewhere = not same_owner(state)
    if elsewhere:
        await room.need(state, octets)
    keep = flags.permitted(target.rights(state))
    old, new = await state.view.folder.move(chosen, folder, state.conn.offload, keep) if chosen else ([], [])
    if elsewhere:
        await room.came(state, octets, len(new))
        await room.went(state, octets, len(new))
    text = copied(state, folder, old, new)
    if text is not None:
        state.conn.write(b"* OK " + text.encode("ascii") + b"\r\n")
