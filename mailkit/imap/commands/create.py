"""CREATE (RFC 9051 section 6.3.4) with special use (RFC 6154 section 3) and MAILBOXID (RFC 8474)."""

from __future__ import annotations

from mailkit.imap.folders import tree, uses
from mailkit.imap.responses import mailbox_id
from mailkit.imap.wire import Bad
from mailkit.maildir import folder as folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def create(state: Session, reader: Reader) -> str:
    """mailbox [SP "(" "USE" SP "(" [use-attr] ")" ")"]. A `/` at the end says that children will come."""
    name = reader.mailbox()
    use = _use(reader) if reader.took(b" ") else ""
    reader.end()
    name = tree.new_name(state, name)
    await tree.attempt(state, tree.of(state).create, name, use)
    path = await tree.attempt(state, tree.of(state).path, name)
    made = await tree.attempt(state, folders.status, path)
    return f"[MAILBOXID ({mailbox_id(made.guid.hex()).decode('ascii')})] Created"


def _use(reader: Reader) -> str:
    reader.expect(b"(")
    if reader.word() != "USE":
        raise Bad("CREATE knows only USE")  # RFC 4466 section 2.2
    reader.space()
    flags = reader.flags()
    reader.expect(b")")
    return uses.one_of(flags)
