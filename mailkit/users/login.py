"""Logging in: the one way in for every server, so that throttle, log and answers are alike.

    login c=8f2a service=imaps peer=192.0.2.7 mech=PLAIN user=alice@example.test verdict=ok ms=31
    login c=8f2a service=imaps peer=192.0.2.7 mech=PLAIN user=alice@example.test verdict=failed by=password ms=1027

Never in the log: passwords, hashes, and names that are no addresses (people type passwords into the wrong box).

An attempt goes: throttle, look-up, check, count, wait, log. A failure is counted before its delay, so that many
attempts side by side gain nothing; unknown user, wrong password and disabled user look the same to the peer and take
the same time.
"""

from __future__ import annotations

import hashlib
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from hmac import compare_digest

from mailkit import clock, log
from mailkit.exits import Temp, Trouble
from mailkit.users import edit, keys, names, sasl, schemes, slots, throttle, verify
from mailkit.users.memory import verified
from mailkit.users.passwd import Passwd, User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailkit.control import Home
    from mailkit.net.conn import Conn

# kind: reply of SMTP (RFC 4954 6), IMAP response code (RFC 5530), POP3 response code (RFC 3206), text
_REFUSALS = {
    "failed": ("535 5.7.8", "AUTHENTICATIONFAILED", "AUTH", "Name or password is not right"),
    "blocked": ("454 4.7.0", "UNAVAILABLE", "SYS/TEMP", "Too many failed logins, try again later"),
    "temp": ("454 4.7.0", "UNAVAILABLE", "SYS/TEMP", "Logging in is not possible now, try again later"),
    "cancelled": ("501 5.7.0", "", "AUTH", "Cancelled"),
    "syntax": ("501 5.5.2", "CLIENTBUG", "AUTH", "That response makes no sense"),
    "mechanism": ("504 5.5.4", "CANNOT", "AUTH", "That mechanism is not offered here"),
    "clear": ("538 5.7.11", "PRIVACYREQUIRED", "AUTH", "Logging in needs TLS"),
}
_LONGEST_LINE = 16384  # octets of a response in base64; RFC 4954 4 asks for 12288


class Refused(Exception):
    """Not logged in. kind: failed, blocked, temp, cancelled, syntax, mechanism or clear.

    smtp: reply and enhanced code, "535 5.7.8".   imap: response code without brackets, may be "".   pop3: the same.
    text: a sentence for the peer.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.smtp, self.imap, self.pop3, self.text = _REFUSALS[kind]
        super().__init__(self.text)


def plain_allowed(conn: Conn, home: Home) -> bool:
    """May one log in on this connection? With TLS, or from this machine (or a pipe) if control/clearauth says so."""
    if conn.tls is not None:
        return True
    return throttle.is_here(conn.peer) and home.control.flag("clearauth")


def mechanisms(conn: Conn, home: Home) -> list[str]:
    """The SASL mechanisms to advertise on this connection now, best first; none where nobody may log in."""
    if not plain_allowed(conn, home):
        return []
    return sasl.offered(conn.tls, [name.upper() for name in home.control.lines("mechanisms")])


async def login(conn: Conn, home: Home, address: str, password: str) -> User:
    """The user with this name and password (IMAP LOGIN, POP3 USER and PASS). Refused."""
    return await _Attempt(conn, home, "password").with_password(address, password)


async def digest(conn: Conn, home: Home, address: str, stamp: str, answer: str) -> User:
    """The user whose {PLAIN} password makes this APOP digest of our greeting's stamp (RFC 1939 7). Refused."""
    attempt = _Attempt(conn, home, "APOP")
    await attempt.admit(address)
    user = attempt.lookup(address)
    scheme, text = schemes.split(user.hash) if user is not None else ("", "")
    wanted = hashlib.md5(stamp.encode() + text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    right = compare_digest(wanted.encode(), answer.lower().encode("utf-8", "replace"))
    if user is None or scheme not in ("PLAIN", "CLEARTEXT", "CLEAR") or not right:
        raise await attempt.failed("password" if user is not None else "user")
    return await attempt.passed(user)


async def authenticate(
    conn: Conn, home: Home, mechanism: str, initial: bytes | None, exchange: Callable[[bytes], Awaitable[bytes]]
) -> User:
    """The user who proves themselves by a SASL mechanism (AUTH, AUTHENTICATE). Refused.

    mechanism: as the client wrote it.
    initial: its initial response, in base64 as it came ("=" is the empty one), or None.
    exchange: sends a challenge, which is base64 already, and returns the client's next line without its line end.
    What `exchange` raises passes through.
    """
    name = mechanism.upper()
    attempt = _Attempt(conn, home, name)
    if not plain_allowed(conn, home):
        raise attempt.refused("clear")
    offered = mechanisms(conn, home)
    if name not in offered:
        raise attempt.refused("mechanism")
    await attempt.admit("")
    context = sasl.Context(conn.tls, offered, attempt.lookup, attempt.pretended)
    exchanged = sasl.start(name, context)
    response = attempt.decoded(initial) if initial is not None else None
    while True:
        step = exchanged.step(response)
        if not isinstance(step, sasl.Challenge):
            return await attempt.concluded(step, exchange)
        response = attempt.decoded(await exchange(b2a_base64(step.data, newline=False)))


class _Attempt:
    """One try to log in."""

    def __init__(self, conn: Conn, home: Home, mechanism: str) -> None:
        self.conn = conn
        self.home = home
        self.mechanism = mechanism
        self.account = ""
        self.start = clock.monotonic()

    def lookup(self, name: str) -> User | None:
        """The user of a login name; one without domain gets control/authdomain. Refused when users cannot be read."""
        self.account = self._full(name)
        try:
            return Passwd(self.home).lookup(self.account)
        except Temp as trouble:
            raise self.unavailable(trouble)

    def pretended(self, name: str, algorithm: str) -> keys.Keys:
        """SCRAM keys for somebody who has none."""
        rounds = self.home.control.number("scramiterations") or 4096
        return keys.pretended(self.home, self._full(name), algorithm, rounds)

    def decoded(self, line: bytes) -> bytes:
        """The octets of a response line. Refused when it is "*" or no base64."""
        if line == b"*":
            raise self.refused("cancelled")
        if line == b"=":  # RFC 4954 4, RFC 4959 3: the empty initial response
            return b""
        try:
            if len(line) > _LONGEST_LINE:
                raise Base64Error
            return a2b_base64(line, strict_mode=True)
        except Base64Error:
            raise self.refused("syntax")

    async def with_password(self, name: str, password: str) -> User:
        """The user, if name and password fit. Refused."""
        if not plain_allowed(self.conn, self.home):
            raise self.refused("clear")
        await self.admit(name)
        user = self.lookup(name)
        remember_s = self.home.control.seconds("authmemory")
        if user is None or not verified.knows(user, password, remember_s):
            try:
                right = await self.conn.offload(_checked, self.home, user, password)
            except Temp as trouble:
                raise self.unavailable(trouble)
            if not right or user is None:
                raise await self.failed("password" if user is not None else "user")
            if remember_s:
                verified.keep(user, password)
            if self.home.control.flag("authupgrade"):
                await self.conn.offload(_upgrade, self.home, user, password)
        return await self.passed(user)

    async def concluded(self, step: sasl.Step, exchange: Callable[[bytes], Awaitable[bytes]]) -> User:
        """The end of a SASL exchange."""
        if isinstance(step, sasl.Password):
            return await self.with_password(step.name, step.password)
        if isinstance(step, sasl.Success):
            await self.admit(step.user.address)
            # None of our protocols carries data with success: it goes as a challenge, the answer is empty (RFC 4422 5).
            if step.data and self.decoded(await exchange(b2a_base64(step.data, newline=False))):
                raise self.refused("syntax")
            return await self.passed(step.user)
        assert isinstance(step, sasl.Failure)
        self.account = self._full(step.name)
        if step.is_syntax:
            raise self.refused("syntax", step.reason)
        raise await self.failed(step.reason)

    async def admit(self, name: str) -> None:
        """Is an attempt heard at all? Refused, after a wait, when there were too many failures."""
        self.account = self._full(name)
        if throttle.blocked(self.home, self.conn.peer, _key(self.account)):
            await self.conn.pause(throttle.delay(self.home, self.conn.peer, _key(self.account)))
            raise self.refused("blocked", "throttle")

    async def passed(self, user: User) -> User:
        """The proof was right: last questions, and the log. Refused."""
        self.account = user.address
        if not user.may_log_in:
            raise await self.failed("disabled")
        if not _from_allowed_net(user, self.conn.peer):
            raise await self.failed("allow_nets")
        throttle.succeeded(self.home, self.conn.peer, user.address)
        self._say("ok")
        return user

    async def failed(self, why: str) -> Refused:
        """Count a failure, wait, and give the refusal to raise."""
        throttle.failed(self.home, self.conn.peer, _key(self.account))
        await self.conn.pause(throttle.delay(self.home, self.conn.peer, _key(self.account)))
        return self.refused("failed", why)

    def unavailable(self, trouble: Trouble) -> Refused:
        """The refusal for trouble of ours."""
        return self.refused("temp", str(trouble))

    def refused(self, kind: str, why: str | None = None) -> Refused:
        """Write the log line; the refusal to raise."""
        self._say(kind, why)
        return Refused(kind)

    def _full(self, name: str) -> str:
        if not name or "@" in name:
            return name
        domain = self.home.control.text("authdomain")
        return f"{name}@{domain}" if domain else name

    def _say(self, verdict: str, why: str | None = None) -> None:
        log.event(
            "login",
            c=self.conn.id,
            service=self.conn.service,
            peer=self.conn.peer or "-",
            mech=self.mechanism,
            user=_shown(self.account),
            verdict=verdict,
            by=why,
            ms=round(1000 * (clock.monotonic() - self.start)),
        )


def _key(account: str) -> str:
    """What an account's failures are counted by."""
    found = names.key(account)
    return found.decode() if found is not None else account


def _shown(account: str) -> str:
    found = names.key(account)
    return found.decode() if found is not None else "-"


def _checked(home: Home, user: User | None, password: str) -> bool:
    with slots.Slot(home):
        return verify.check(user, password)


def _upgrade(home: Home, user: User, password: str) -> None:
    """Store a weakly hashed password anew; also where SCRAM keys are missing. Trouble is for the log only."""
    rounds = home.control.number("scramiterations")
    lacking = rounds and any(field not in user.fields for field in keys.FIELDS.values())
    if not lacking and not verify.weaker(user.hash):
        return

    def update(now: User) -> None:
        if now.hash == user.hash:  # else somebody has set a new password in between
            verify.set_password(now, password, rounds)

    try:
        edit.change(home, user.address, update)
    except (Trouble, OSError, ValueError) as error:
        log.event("passwd", user=user.address, verdict="not-upgraded", error=str(error))


def _from_allowed_net(user: User, peer: str) -> bool:
    """Dovecot's `allow_nets=192.0.2.0/24,2001:db8::/32,local`; a pipe counts as local."""
    if "allow_nets" not in user.fields:
        return True
    from ipaddress import ip_address, ip_network

    for net in user.fields["allow_nets"].split(","):
        try:
            if (net == "local" and not peer) or (peer and ip_address(peer) in ip_network(net, strict=False)):
                return True
        except ValueError:
            continue
    return False
