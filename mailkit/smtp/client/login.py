"""AUTH as a client (RFC 4954), for smarthosts.

The best mechanism that both sides know is used: SCRAM never shows the password, and proves that the
server knows it too (RFC 5802, RFC 7677); PLAIN and LOGIN do show it, so they are used only where nobody
can listen.
"""

from __future__ import annotations

import hashlib
import hmac
from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64

from mailkit import clock
from mailkit.smtp.client.dialogue import Broken, Dialogue, Refused
from mailkit.smtp.reply import Reply
from mailkit.users import prep

_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}
_ROUNDS_MOST = 1_000_000  # a server must not keep us busy for minutes
_SHOWN = "(not shown)"


class Login:
    """Who we are at a smarthost."""

    __slots__ = ("password", "user")

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.password = password


async def login(talk: Dialogue, who: Login) -> None:
    """Log in. Refused with the server's reply, or with one of ours when there is no mechanism to use; Broken."""
    assert talk.features is not None
    await _best(talk, who, talk.features.mechanisms)
    talk.logged_in = True


async def _best(talk: Dialogue, who: Login, offered: list[str]) -> None:
    for name in _HASHES:
        if name in offered:
            return await _scram(talk, who, name)
    if talk.conn.tls is None and not talk.conn.peer.startswith(("127.", "::1")):
        raise Refused("AUTH", Reply(454, "4.7.0", "the server offers no login that is safe without TLS"))
    if "PLAIN" in offered:
        return await _plain(talk, who)
    if "LOGIN" in offered:
        return await _login(talk, who)
    raise Refused("AUTH", Reply(454, "4.7.0", "the server offers no login that we know"))


async def _plain(talk: Dialogue, who: Login) -> None:
    initial = _base64(f"\0{who.user}\0{who.password}".encode())
    _accepted(await talk.command(f"AUTH PLAIN {initial}", shown=f"AUTH PLAIN {_SHOWN}"))


async def _login(talk: Dialogue, who: Login) -> None:
    _continued(await talk.command("AUTH LOGIN"))
    _continued(await talk.command(_base64(who.user.encode()), shown=_SHOWN))
    _accepted(await talk.command(_base64(who.password.encode()), shown=_SHOWN))


async def _scram(talk: Dialogue, who: Login, name: str) -> None:
    """RFC 5802 3, without channel binding: "n" says that we could not do it."""
    try:
        exchange = Scram(_HASHES[name], who.user, who.password, clock.token(18))
    except ValueError as error:
        raise Refused("AUTH", Reply(454, "4.7.0", f"no login: in our name or password, {error}"))
    reply = await talk.command(f"AUTH {name} {_base64(exchange.first())}", shown=f"AUTH {name} {_SHOWN}")
    try:
        final = await talk.conn.offload(exchange.final, _challenge(reply))
        reply = await talk.command(_base64(final), shown=_SHOWN)
        if reply.ok:
            # RFC 4954 4: the proof comes as a challenge of its own, before the success.
            raise ValueError("it proved nothing")
        exchange.check(_challenge(reply))
    except ValueError as error:
        if not reply.ok:
            await talk.command("*")
        raise Refused("AUTH", Reply(454, "4.7.0", f"the server's login does not hold: {error}"))
    _accepted(await talk.command("", shown="(nothing)"))


class Scram:
    """The client's half of SCRAM: `first()`, `final(server's first)`, `check(server's final)`. ValueError when the
    server does not keep to it, or does not know the password; at once where SASLprep knows no form of name or password
    (RFC 5802 2.2, 5.1)."""

    def __init__(self, hash: str, user: str, password: str, nonce: str) -> None:
        self._hash = hash
        self._password = prep.prepared(password).encode()
        self._nonce = nonce
        name = prep.prepared(user).replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={name},r={nonce}"
        self._signature = b""

    def first(self) -> bytes:
        """client-first-message."""
        return b"n,," + self._bare.encode()

    def final(self, challenge: bytes) -> bytes:
        """client-final-message for the server's first one. Slow: it derives keys."""
        fields = _fields(challenge)
        nonce, salt, rounds = fields.get("r", ""), fields.get("s", ""), fields.get("i", "")
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ValueError("it answered another question")
        if not (rounds.isascii() and rounds.isdigit() and 0 < int(rounds) <= _ROUNDS_MOST):
            raise ValueError("its number of iterations is out of bounds")
        salted = hashlib.pbkdf2_hmac(self._hash, self._password, _octets(salt), int(rounds))
        client = self._hmac(salted, b"Client Key")
        bare = f"c=biws,r={nonce}"
        signed = b",".join((self._bare.encode(), challenge, bare.encode()))
        signature = self._hmac(hashlib.new(self._hash, client).digest(), signed)
        proof = bytes(a ^ b for a, b in zip(client, signature, strict=True))
        self._signature = self._hmac(self._hmac(salted, b"Server Key"), signed)
        return f"{bare},p={_base64(proof)}".encode()

    def check(self, final: bytes) -> None:
        """The server's final message proves that it knows the password."""
        if not hmac.compare_digest(_octets(_fields(final).get("v", "")), self._signature):
            raise ValueError("it does not know the password")

    def _hmac(self, key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, self._hash)


def _fields(message: bytes) -> dict[str, str]:
    parts = message.decode("utf-8", "replace").split(",")
    return {part[0]: part[2:] for part in parts if part[1:2] == "="}


def _challenge(reply: Reply) -> bytes:
    _continued(reply)
    return _octets(reply.lines[0])


def _continued(reply: Reply) -> None:
    if reply.code != 334:
        _refused(reply)


def _accepted(reply: Reply) -> None:
    if not reply.ok:
        _refused(reply)


def _refused(reply: Reply) -> None:
    if reply.go_on:
        raise Broken("the server asks for more than its login needs", "4.5.0")
    # Whatever the server calls it: the mail can wait until somebody has put the password right.
    raise Refused("AUTH", Reply(454, "4.7.8", f"login refused: {reply.code} {reply.status} {reply.text}"))


def _octets(text: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)  # RFC 4954 4: nothing but base64 is skipped
    except (NotBase64, ValueError):
        raise ValueError("it does not speak base64")


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()
