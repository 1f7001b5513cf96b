"""ID: who is there (RFC 2971). What the client says goes to the log."""

from __future__ import annotations

from mailkit import log
from mailkit.imap.responses import untagged
from mailkit.imap.wire import Bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader

FIELDS_MOST = 30
LOGGED = ("name", "version", "os")


async def identify(state: Session, reader: Reader) -> None:
    """NIL, or a list of field names and values."""
    fields = {} if reader.took_nil() else _fields(reader)
    reader.end()
    said = {name: fields[name] for name in LOGGED if fields.get(name)}
    if said:
        log.event("client", c=state.conn.id, **said)
    state.conn.write(untagged(b'ID ("name" "mailkit-imapd")'))


def _fields(reader: Reader) -> dict[str, str]:
    found: dict[str, str] = {}
    reader.expect(b"(")
    while not reader.took(b")"):
        if found:
            reader.space()
        name = reader.string().decode("utf-8", "replace").lower()
        reader.space()
        value = reader.nstring()
        found[name] = (value or b"").decode("utf-8", "replace")[:100]
        if len(found) > FIELDS_MOST:
            raise Bad("ID has at most 30 fields")
    return found
