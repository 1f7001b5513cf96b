"""MOVE and UID MOVE (RFC 6851, RFC 9051 section 6.4.8)."""

from __future__ import annotations

from mailkit.imap import intake
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


async def run(state: Session, reader: Reader, by_uid: bool) -> None:
    """COPYUID goes in an untagged OK, before the EXPUNGE responses that end the command (RFC 6851 section 4.3)."""
    intake.writable(state)
    chosen, folder = await read(state, reader, by_uid)
    assert state.view is not None
    old, new = await state.view.folder.move(chosen, folder, state.conn.offload) if chosen else ([], [])
    text = copied(folder, old, new)
    if text is not None:
        state.conn.write(b"* OK " + text.encode("ascii") + b"\r\n")
