"""CAPA (RFC 2449 5): what this server can do, now and for this client."""

from __future__ import annotations

from mailkit import VERSION
from mailkit.pop3 import verbs, wire
from mailkit.users import login

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.pop3.session import Session

# RFC 2449 6, RFC 3206: true at all times. RFC 6856 2.2: names and passwords may be UTF-8 as well.
_ALWAYS = ["PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "UTF8 USER"]


async def capa(session: Session, argument: bytes) -> None:
    """CAPA: what is there before the login is told after it as well (RFC 2449 5)."""
    session.ok("capabilities follow")
    lines = [*(verb.capability for verb in verbs.TABLE.values() if verb.capability), *_ALWAYS]
    lines += [*_ways_in(session), *_policies(session)]
    if session.state == verbs.TRANSACTION:  # RFC 2449 6.9 leaves that open; a stranger has no need of it
        lines.append(f"IMPLEMENTATION mailkit-{VERSION}")
    session.say("".join([line + "\r\n" for line in lines]).encode() + wire.END)


def _ways_in(session: Session) -> list[str]:
    lines = []
    if session.conn.can_starttls:
        lines.append("STLS")
    if login.plain_allowed(session.conn, session.home):
        lines.append("USER")
    names = login.mechanisms(session.conn, session.home)
    if names:
        lines.append("SASL " + " ".join(names))
    return lines


def _policies(session: Session) -> list[str]:
    control = session.home.control
    lines = [f"EXPIRE {control.number('pop3expire') or 'NEVER'}"]
    delay_s = control.seconds("pop3delay")
    if delay_s:
        lines.append(f"LOGIN-DELAY {delay_s}")
    return lines
