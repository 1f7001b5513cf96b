"""SCRAM (RFC 5802, RFC 7677): the client proves that it knows the password, we prove that we know of it.

    C  n,,n=alice@example.test,r=CNONCE                    client-first
    S  r=CNONCESNONCE,s=SALT,i=10000                       server-first
    C  c=biws,r=CNONCESNONCE,p=PROOF                       client-final
    S  v=SIGNATURE                                         server-final, as data of Success

The -PLUS forms bind the proof to the TLS connection (RFC 5929, RFC 9266), so that it is of no use to somebody in
between. A client that could bind, but was told that we cannot ("y"), has been lied to: RFC 5802 6 has us refuse.

A user who does not exist, or has no keys, gets an exchange that looks like any other and ends in failure.
"""

from __future__ import annotations

import hashlib
import hmac
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

from mailkit import clock
from mailkit.users import keys, sasl, schemes
from mailkit.users.prep import prepared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.users.passwd import User

_BINDINGS = ("tls-exporter", "tls-server-end-point", "tls-unique")
_NONCE_OCTETS = 18
_ROUNDS_OF_PLAIN = 4096  # RFC 7677 4: the least; made anew for each exchange, where the file holds the plain password


class Malformed(Exception):
    """The client's message is not SCRAM."""


class _Scram:
    """One exchange."""

    digest = ""
    is_plus = False
    __slots__ = ("_context", "_first", "_header", "_keys", "_lack", "_name", "_nonce", "_server_first", "_user")

    def __init__(self, context: sasl.Context) -> None:
        self._context = context
        self._header = ""  # gs2-header, as sent
        self._name = ""
        self._nonce = ""
        self._first = self._server_first = ""
        self._user: User | None = None
        self._lack = ""  # why the keys are pretended: no such "user", or one without "keys"
        self._keys: keys.Keys | None = None

    def step(self, response: bytes | None) -> sasl.Step:
        """client-first, then client-final."""
        if response is None:
            return sasl.Challenge(b"")
        try:
            text = response.decode()
            return self._begin(text) if self._keys is None else self._finish(text, self._keys)
        except (Malformed, UnicodeDecodeError, Base64Error) as error:
            return sasl.Failure(f"malformed message: {error}", self._name, is_syntax=True)

    def _begin(self, text: str) -> sasl.Step:
        flag, identity, self._first = _gs2(text)
        self._header = text[: len(text) - len(self._first)]
        fields = self._first.split(",")
        if len(fields) < 2 or not fields[0].startswith("n=") or not fields[1].startswith("r=") or fields[1] == "r=":
            # "m=", a mandatory extension, comes first as well: we know none (RFC 5802 5.1).
            raise Malformed("client-first wants n= and r=")
        self._name = _name(fields[0][2:])
        refusal = self._refusal_of_binding(flag)
        if refusal:
            return sasl.Failure(refusal, self._name)
        if identity and not sasl.same_name(_name(identity), self._name):
            return sasl.Failure("would act for somebody else", self._name)
        self._nonce = fields[1][2:] + clock.token(_NONCE_OCTETS)
        self._user = self._context.lookup(self._name)
        self._keys = keys_of(self._user, self.digest) if self._user is not None else None
        if self._keys is None:
            self._lack = "user" if self._user is None else "keys"
            self._user = None
            self._keys = self._context.pretended(self._name, self.digest)
        self._server_first = f"r={self._nonce},s={_base64(self._keys.salt)},i={self._keys.iterations}"
        return sasl.Challenge(self._server_first.encode())

    def _refusal_of_binding(self, flag: str) -> str:
        """Why the client's gs2-cbind-flag will not do, "" when it will (RFC 5802 6)."""
        if self.is_plus != flag.startswith("p="):
            return "channel binding and mechanism do not agree"
        if flag == "y" and any(name.endswith("-PLUS") for name in self._context.offered):
            return "downgrade: the client was not shown the -PLUS mechanisms"
        if self.is_plus and self._binding() is None:
            return f"unsupported channel binding {flag[2:]}"
        return ""

    def _binding(self) -> bytes | None:
        """The data of the binding that the client named; None when there is none such."""
        kind = self._header.partition(",")[0][2:]
        if kind not in _BINDINGS or self._context.tls is None:
            return None
        return self._context.tls.binding(kind)

    def _finish(self, text: str, stored: keys.Keys) -> sasl.Step:
        unproved, comma, proof = text.rpartition(",p=")
        fields = unproved.split(",")
        if not comma or len(fields) < 2 or not fields[0].startswith("c="):
            raise Malformed("client-final wants c=, r= and p=")
        binding = (self._binding() or b"") if self.is_plus else b""
        if a2b_base64(fields[0][2:]) != self._header.encode() + binding:
            return sasl.Failure("channel bindings do not match", self._name)
        if fields[1] != f"r={self._nonce}":
            return sasl.Failure("nonce is not ours", self._name)
        message = f"{self._first},{self._server_first},{unproved}".encode()
        signature = hmac.digest(stored.stored, message, self.digest)
        client_key = _xor(a2b_base64(proof), signature)
        right = hmac.compare_digest(hashlib.new(self.digest, client_key).digest(), stored.stored)
        if not right or self._user is None:
            return sasl.Failure(self._lack or "password", self._name)
        return sasl.Success(self._user, b"v=" + _base64(hmac.digest(stored.server, message, self.digest)).encode())


class Sha256(_Scram):
    """SCRAM-SHA-256 (RFC 7677)."""

    __slots__ = ()
    digest = "sha256"


class Sha256Plus(Sha256):
    """SCRAM-SHA-256-PLUS."""

    __slots__ = ()
    is_plus = True


class Sha1(_Scram):
    """SCRAM-SHA-1 (RFC 5802)."""

    __slots__ = ()
    digest = "sha1"


class Sha1Plus(Sha1):
    """SCRAM-SHA-1-PLUS."""

    __slots__ = ()
    is_plus = True


def keys_of(user: User, digest: str) -> keys.Keys | None:
    """The user's keys: stored, or the hash itself, or made from a plain password; None when there is none of these."""
    scheme, text = schemes.split(user.hash)
    try:
        if keys.FIELDS[digest] in user.fields:
            return keys.parse(user.fields[keys.FIELDS[digest]])
        if scheme == keys.FIELDS[digest].upper():
            return keys.parse(text)
        if scheme in ("PLAIN", "CLEARTEXT", "CLEAR") and text:
            return keys.fresh(prepared(text).encode(), digest, _ROUNDS_OF_PLAIN)
    except ValueError:
        return None
    return None


def _gs2(text: str) -> tuple[str, str, str]:
    """gs2-cbind-flag, authorization identity and client-first-message-bare."""
    parts = text.split(",", 2)
    if len(parts) != 3 or not (parts[0] in ("n", "y") or parts[0].startswith("p=")):
        raise Malformed("no gs2 header")
    if parts[1] and not parts[1].startswith("a="):
        raise Malformed("gs2 header with something else than a=")
    return parts[0], parts[1][2:], parts[2]


def _name(text: str) -> str:
    """A saslname, with "," and "=" written =2C and =3D (RFC 5802 5.1), after SASLprep."""
    rest = text.replace("=2C", "").replace("=3D", "")
    if "=" in rest or not text:
        raise Malformed("bad name")
    try:
        return prepared(text.replace("=2C", ",").replace("=3D", "="))
    except ValueError as error:
        raise Malformed(str(error))


def _xor(one: bytes, other: bytes) -> bytes:
    if len(one) != len(other):
        raise Malformed("proof of the wrong length")
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")


def _base64(octets: bytes) -> str:
    return b2a_base64(octets, newline=False).decode()
