"""GETMETADATA and SETMETADATA (RFC 5464 section 4)."""

from __future__ import annotations

from mailkit.imap.folders import metadata, uses
from mailkit.imap.wire import entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def getmetadata(state: Session, reader: Reader) -> str | None:
    """[options] mailbox [options] entries; the mailbox "" is the server."""
    name, wanted = entries.read_get(reader)
    reader.end()
    special = await uses.shown(state, wanted) if name else None
    found, longest = metadata.chosen(await metadata.read(state, name, special), wanted)
    if found:
        state.conn.write(metadata.response(state, name, found))
    return f"[METADATA LONGENTRIES {longest}] GETMETADATA completed" if longest else None


async def setmetadata(state: Session, reader: Reader) -> None:
    """mailbox SP entries with values; NIL removes."""
    name, values = entries.read_set(reader)
    reader.end()
    await metadata.change(state, name, values)
