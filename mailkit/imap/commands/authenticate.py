"""AUTHENTICATE (RFC 9051 section 6.2.2, initial response of RFC 4959)."""

from __future__ import annotations

from mailkit.imap import identity, intake
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad
from mailkit.users import login

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def authenticate(state: Session, reader: Reader) -> str:
    """mechanism [SP initial-response]."""
    mechanism = reader.atom().decode("ascii")
    initial = reader.rest() if reader.took(b" ") else None
    reader.end()

    async def exchange(challenge: bytes) -> bytes:
        state.conn.write(b"+ " + challenge + b"\r\n")
        return await intake.line(state)

    try:
        user = await login.authenticate(state.conn, state.home, mechanism, initial, exchange)
    except login.Refused as refused:
        # RFC 9051 section 6.2.2: an exchange that the client cancels, or that is no base64, is BAD.
        raise (Bad if refused.kind in ("cancelled", "syntax") else No)(refused.text, refused.imap)
    identity.refer(user)
    await identity.enter(state, user)
    return identity.greeting(state)
