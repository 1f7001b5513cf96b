"""LOGIN (RFC 9051 section 6.2.3)."""

from __future__ import annotations

from mailkit.imap import identity
from mailkit.imap.responses import No
from mailkit.users import login as logins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def login(state: Session, reader: Reader) -> str:
    """userid SP password."""
    address = reader.text()
    reader.space()
    password = reader.text()
    reader.end()
    if not logins.plain_allowed(state.conn, state.home):
        raise No("Use STARTTLS first", "PRIVACYREQUIRED")
    try:
        user = await logins.login(state.conn, state.home, address, password)
    except logins.Refused as refused:
        raise No(refused.text, refused.imap)
    identity.refer(user)
    await identity.enter(state, user)
    return identity.greeting(state)
