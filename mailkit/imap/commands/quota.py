"""GETQUOTA and GETQUOTAROOT (RFC 9208 section 4.1). Limits are set by `mailkit-moduser`, not by clients."""

from __future__ import annotations

from mailkit.imap import room
from mailkit.imap.responses import No, mailbox, untagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def getquota(state: Session, reader: Reader) -> None:
    """quota-root."""
    root = reader.astring()
    reader.end()
    if root != room.ROOT.encode("ascii"):
        raise No("There is no such quota root", "NONEXISTENT")
    state.conn.write(untagged(b'QUOTA ""', await room.described(state)))


async def getquotaroot(state: Session, reader: Reader) -> None:
    """mailbox, there or not (RFC 9208 section 4.1.2)."""
    name = mailbox(reader.mailbox(), state.utf8)
    reader.end()
    if not room.limited(state):
        state.conn.write(untagged(b"QUOTAROOT", name))
        return
    state.conn.write(untagged(b"QUOTAROOT", name, b'""'))
    state.conn.write(untagged(b'QUOTA ""', await room.described(state)))
