"""XCLIENT (Postfix's XCLIENT_README): a front end says for whom it speaks; the session begins anew."""

from __future__ import annotations

from mailkit.smtp import front, greeting
from mailkit.smtp.reply import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session
    from mailkit.users.passwd import User

_NAMES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT")
_UNKNOWN = "0.0.0.0"  # RFC 1122 3.2.1.3: no host's address. "" would be a pipe, which `loopback` trusts


async def run(session: Session, argument: bytes) -> None:
    """Take over who the client is. LOGIN makes it a user who logged in at the front end."""
    found = front.attributes(session, argument, _NAMES)
    conn = session.conn
    user = _user(session, found.get("LOGIN", ""))
    if "ADDR" in found:
        conn.peer = front.address(found["ADDR"]) or _UNKNOWN
    if "DESTADDR" in found:
        conn.local = front.address(found["DESTADDR"])
    conn.peer_port = front.port(found.get("PORT", ""), conn.peer_port)
    conn.local_port = front.port(found.get("DESTPORT", ""), conn.local_port)
    session.forget_client()
    session.meet()
    session.facts.peer_name = found.get("NAME", "")
    if user is not None:
        session.user = user
        session.facts.account = user.address
    await greeting.greet(session)


def _user(session: Session, login: str) -> User | None:
    if not login:
        return None
    from mailkit.users.passwd import Passwd

    user = Passwd(session.home).lookup(login)
    if user is None:
        raise Refused(501, "5.5.4", "LOGIN is no user of this server")
    return user
