"""Logging in: the one way in for every server, so that throttle, log and answers are alike.

    login c=8f2a service=imaps peer=192.0.2.7 mech=PLAIN user=alice@example.test verdict=ok ms=31
    login c=8f2a service=imaps peer=192.0.2.7 mech=PLAIN user=alice@example.test verdict=failed by=password ms=1027

Never in the log: passwords, hashes, and names that are no addresses (people type passwords into the wrong box).

An attempt goes: throttle, look-up, check, count, wait, log. A failure is counted before its delay, so that many
attempts side by side gain nothing; unknown user, wrong password and disabled user look the same to the peer and take
the same time.
"""

from __future__ import annotations

from mailkit.control.networks import is_loopback
from mailkit.users import sasl
from mailkit.users.refusal import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailkit.control import Home
    from mailkit.net.conn import Conn
    from mailkit.users.attempt import Attempt
    from mailkit.users.passwd import User

__all__ = ["Refused", "authenticate", "digest", "login", "mechanisms", "plain_allowed"]


def plain_allowed(conn: Conn, home: Home) -> bool:
    """May one log in on this connection? With TLS, or from this machine (or a pipe) if control/clearauth says so."""
    if conn.tls is not None:
        return True
    return is_loopback(conn.peer) and home.control.flag("clearauth")


def mechanisms(conn: Conn, home: Home) -> list[str]:
    """The SASL mechanisms to advertise on this connection now, best first; none where nobody may log in."""
    if not plain_allowed(conn, home):
        return []
    return sasl.offered(conn.tls, [name.upper() for name in home.control.lines("mechanisms")])


async def login(conn: Conn, home: Home, address: str, password: str) -> User:
    """The user with this name and password (IMAP LOGIN, POP3 USER and PASS). Refused."""
    return await _attempt(conn, home, "password").with_password(address, password)


async def digest(conn: Conn, home: Home, address: str, stamp: str, answer: str) -> User:
    """The user whose {PLAIN} password makes this APOP digest of our greeting's stamp (RFC 1939 7). Refused."""
    return await _attempt(conn, home, "APOP").with_digest(address, stamp, answer)


async def authenticate(
    conn: Conn, home: Home, mechanism: str, initial: bytes | None, exchange: Callable[[bytes], Awaitable[bytes]]
) -> User:
    """The user who proves themselves by a SASL mechanism (AUTH, AUTHENTICATE). Refused.

    mechanism: as the client wrote it.
    initial: its initial response, in base64 as it came ("=" is the empty one), or None.
    exchange: sends a challenge, which is base64 already, and returns the client's next line without its line end.
    What `exchange` raises passes through.
    """
    attempt = _attempt(conn, home, mechanism.upper())
    offered = mechanisms(conn, home)
    if attempt.mechanism not in offered:
        raise attempt.refused("mechanism")
    return await attempt.with_mechanism(offered, initial, exchange)


def _attempt(conn: Conn, home: Home, mechanism: str) -> Attempt:
    """A new attempt; Refused when the connection is in the clear and may not be."""
    # Hashing loads OpenSSL: not before somebody logs in.
    from mailkit.users.attempt import Attempt

    attempt = Attempt(conn, home, mechanism)
    if not plain_allowed(conn, home):
        raise attempt.refused("clear")
    return attempt
