"""One try to log in: throttle, look-up, check, count, wait, log. Loaded when somebody tries; see `users.login`."""

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
from mailkit.users.refusal import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailkit.control import Home
    from mailkit.net.conn import Conn

_LONGEST_LINE = 16384  # octets of a response in base64; RFC 4954 4 asks for 12288


class Attempt:
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
        await self.admit(name)
        user = self.lookup(name)
        remember_s = self.home.control.seconds("authmemory")
        if user is None or not verified.knows(user, password, remember_s):
            try:
                right = await self.conn.offload(_checked, self.home, user, password)
            except Temp as trouble:
                raise self.unavailable(trouble)
            if not right or user is None:
                raise await self.failed("password" if user is not None else "user", password)
            if remember_s:
                verified.keep(user, password)
            if self.home.control.flag("authupgrade"):
                await self.conn.offload(_upgrade, self.home, user, password)
        return await self.passed(user)

    async def with_digest(self, name: str, stamp: str, answer: str) -> User:
        """The user, if this is the APOP digest of stamp and {PLAIN} password. Refused."""
        await self.admit(name)
        user = self.lookup(name)
        scheme, text = schemes.split(user.hash) if user is not None else ("", "")
        octets = stamp.encode() + text.encode("utf-8", "surrogateescape")
        wanted = hashlib.md5(octets, usedforsecurity=False).hexdigest()
        right = compare_digest(wanted.encode(), answer.lower().encode("utf-8", "replace"))
        if user is None or scheme not in ("PLAIN", "CLEARTEXT", "CLEAR") or not right:
            raise await self.failed("password" if user is not None else "user")
        return await self.passed(user)

    async def with_mechanism(
        self, offered: list[str], initial: bytes | None, exchange: Callable[[bytes], Awaitable[bytes]]
    ) -> User:
        """The user who proves themselves by this attempt's SASL mechanism. Refused."""
        await self.admit("")
        context = sasl.Context(self.conn.tls, offered, self.lookup, self.pretended)
        mechanism = sasl.start(self.mechanism, context)
        response = self.decoded(initial) if initial is not None else None
        while True:
            step = mechanism.step(response)
            if not isinstance(step, sasl.Challenge):
                return await self.concluded(step, exchange)
            response = self.decoded(await exchange(b2a_base64(step.data, newline=False)))

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

    async def failed(self, why: str, password: str = "") -> Refused:
        """Count a failure, wait, and give the refusal to raise."""
        throttle.failed(self.home, self.conn.peer, _key(self.account), password)
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
            user.hash = now.hash  # the session goes on: a hash that is another one means another password

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
