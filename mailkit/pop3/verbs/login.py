"""USER, PASS, APOP (RFC 1939 7) and AUTH (RFC 5034): who is it?

Every way in goes through users.login, except APOP, whose digest only this protocol has. After a login the maildrop is
opened: one that is in use by another session is refused, and the client may try again on this connection.
"""

from __future__ import annotations

from mailkit.exits import Temp
from mailkit.maildir import save
from mailkit.net.conn import Gone
from mailkit.pop3 import maildrop, verbs, wire
from mailkit.users import identity, login
from mailkit.users.passwd import Passwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.pop3.session import Session
    from mailkit.users.passwd import User


async def user(session: Session, argument: bytes) -> None:
    """USER name: any name is welcome, so that nobody learns which exist."""
    if not login.plain_allowed(session.conn, session.home):
        return session.err("[AUTH] TLS first")
    session.name = _text(argument)
    if not session.name:
        return session.err("whose mailbox?")
    return session.ok("password, please")


async def pass_(session: Session, argument: bytes) -> None:
    """PASS string: all of the line is the password, blanks included (RFC 1939 7)."""
    name, session.name = session.name, None
    password = _text(argument)
    if name is None:
        return session.err("USER first")
    if password is None:
        return session.err("[AUTH] password is not UTF-8")
    try:
        found = await login.login(session.conn, session.home, name, password)
    except login.Refused as refused:
        return session.err(f"[{refused.pop3}] {refused.text}")
    return await _enter(session, found)


async def auth(session: Session, argument: bytes) -> None:
    """AUTH mechanism [initial response]; without a mechanism the list of them, as old clients ask."""
    words = argument.split()
    if not words:
        session.ok("mechanisms follow")
        names = login.mechanisms(session.conn, session.home)
        return session.say("".join([name + "\r\n" for name in names]).encode() + wire.END)
    if len(words) > 2:
        return session.err("AUTH takes a mechanism and at most one response")
    try:
        found = await login.authenticate(
            session.conn,
            session.home,
            words[0].decode("ascii", "replace"),
            words[1] if len(words) == 2 else None,
            lambda challenge: _exchange(session, challenge),
        )
    except login.Refused as refused:
        return session.err(f"[{refused.pop3}] {refused.text}")
    return await _enter(session, found)


async def apop(session: Session, argument: bytes) -> None:
    """APOP name digest: MD5 over our greeting's stamp and the password, where the passwd line holds one in {PLAIN}."""
    if not session.stamp:
        return session.err("no APOP here")
    name, _, digest = argument.rpartition(b" ")
    if not name:
        return session.err("APOP takes a name and a digest")
    answer = digest.decode("latin-1")
    try:
        found = await login.digest(session.conn, session.home, _text(name) or "", session.stamp, answer)
    except login.Refused as refused:
        return session.err(f"[{refused.pop3}] {refused.text}")
    return await _enter(session, found)


async def _exchange(session: Session, challenge: bytes) -> bytes:
    """One round of SASL: our challenge, the client's answer."""
    session.say(b"+ " + challenge + b"\r\n")
    while True:
        try:
            line = session.wire.continuation()
        except wire.Malformed:
            return b"*"  # too long to be an answer: as if the client had given up
        if line is not None:
            return line
        if not await session.more():
            raise Gone


async def _enter(session: Session, found: User) -> None:
    """Open the maildrop of whoever it is, here or in a process of their own. Elsewhere, Temp."""
    ahead = session.wire.ahead()
    words = {} if session.language is None else {"language": session.language.tag}
    session.bound = await identity.settle(session.conn, session.home, found, words, ahead, verbs.preload, save.ensure)
    session.over = session.bound  # where it can be nobody else's any more, what fails now is the end
    delay_s = session.home.control.seconds("pop3delay")
    try:
        drop = await session.conn.offload(maildrop.Maildrop, found, delay_s)
    except maildrop.Busy:
        return session.err("[IN-USE] another session has this mailbox")
    except maildrop.TooSoon as soon:
        return session.err(f"[LOGIN-DELAY] wait {soon.seconds} seconds")
    except OSError as error:
        raise Temp("mailbox cannot be opened", detail=f"open {found.maildir}: {error.strerror}")
    session.over = False
    session.enter(drop)
    return session.ok(f"{drop.count} messages ({drop.octets} octets)")


async def take_over(session: Session, words: dict[str, str]) -> None:
    """Go on where another process has found password and all else right."""
    found = Passwd(session.home).lookup(words["user"])
    if found is None or not found.may_log_in:
        raise Temp("the mailbox is not available", detail=f"{words['user']} is a user no more")
    if "language" in words:
        from mailkit import languages

        session.language = languages.load(words["language"])
    await _enter(session, found)


def _text(octets: bytes) -> str | None:
    """A name or password (RFC 6856 2.2: UTF-8, whether or not UTF8 was said); None when it is not."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None
