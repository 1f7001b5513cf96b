"""AUTH (RFC 4954): the dialogue; mechanisms, throttling and the log line are in users.login."""

from __future__ import annotations

from mailkit.smtp.dialogue import AUTH_LIMIT, next_line
from mailkit.smtp.reply import Refused, Reply
from mailkit.users import login

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session


async def run(session: Session, argument: bytes) -> Reply:
    """Log a user in."""
    conn = session.conn
    word, _, initial = argument.strip().partition(b" ")
    if not session.settings.submission:
        raise Refused(503, "5.5.1", "no logins on this service")
    if not session.extended:
        raise Refused(503, "5.5.1", "EHLO first")
    if session.user is not None:
        raise Refused(503, "5.5.1", "you are logged in")
    if session.transaction is not None:
        raise Refused(503, "5.5.1", "not during a transaction")
    if not word:
        raise Refused(501, "5.5.4", "AUTH takes a mechanism")

    async def exchange(challenge: bytes) -> bytes:
        conn.write(b"334 " + challenge + b"\r\n")
        try:
            return await next_line(session, AUTH_LIMIT)
        except Refused as refused:
            if refused.reply.code == 500:  # RFC 4954 6 has a code of its own for a response that is too long
                raise Refused(500, "5.5.6", refused.reply.text)
            raise

    try:
        user = await login.authenticate(conn, session.home, word.decode("ascii", "replace"), initial or None, exchange)
    except login.Refused as refused:
        code, _, status = refused.smtp.partition(" ")
        raise Refused(int(code), status, refused.text, by="login")
    session.user = user
    session.facts.account = user.address
    return Reply(235, "2.7.0", "welcome")
