"""SCRAM keys (RFC 5802 3, RFC 7677): what is stored of a password so that SCRAM works without the password.

    10000,c2FsdHNhbHRzYWx0c2E=,U3RvcmVkS2V5...,U2VydmVyS2V5...      iterations,salt,StoredKey,ServerKey

This is Dovecot's {SCRAM-SHA-256} text. It stands in the extra fields `scram-sha-256` and `scram-sha-1` of a passwd
line, or is the hash itself. Who steals them can guess passwords at the price of `iterations` HMACs each, and can
play the server; they cannot log in.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

from mailkit import files
from mailkit.users import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home

FIELDS = {"sha256": "scram-sha-256", "sha1": "scram-sha-1"}  # digest: key in the passwd line
_SALT_OCTETS = 16
_SECRET_OCTETS = 32


class Keys:
    """Iterations, salt, StoredKey and ServerKey."""

    __slots__ = ("iterations", "salt", "server", "stored")

    def __init__(self, iterations: int, salt: bytes, stored: bytes, server: bytes) -> None:
        self.iterations = iterations
        self.salt = salt
        self.stored = stored
        self.server = server

    def text(self) -> str:
        """As it stands in the passwd file."""
        octets = (self.salt, self.stored, self.server)
        return ",".join([str(self.iterations), *(b2a_base64(part, newline=False).decode() for part in octets)])


def parse(text: str) -> Keys:
    """The keys of a text. ValueError when it is none."""
    parts = text.split(",")
    if len(parts) != 4 or not parts[0].isdecimal():
        raise ValueError("SCRAM keys are iterations,salt,StoredKey,ServerKey")
    try:
        salt, stored, server = (a2b_base64(part) for part in parts[1:])
    except Base64Error:
        raise ValueError("SCRAM keys are not base64")
    return Keys(int(parts[0]), salt, stored, server)


def derive(password: bytes, digest: str, salt: bytes, iterations: int) -> Keys:
    """The keys of a password (after SASLprep, in UTF-8), by RFC 5802 3."""
    salted = hashlib.pbkdf2_hmac(digest, password, salt, iterations)
    client = hmac.digest(salted, b"Client Key", digest)
    return Keys(iterations, salt, hashlib.new(digest, client).digest(), hmac.digest(salted, b"Server Key", digest))


def fresh(password: bytes, digest: str, iterations: int) -> Keys:
    """New keys with a new salt."""
    return derive(password, digest, os.urandom(_SALT_OCTETS), iterations)


def pretended(home: Home, name: str, digest: str, iterations: int) -> Keys:
    """Keys that fit no password, for a user who does not exist or has no keys: the same at each asking, from each
    process, so that the salt does not tell who exists. As with the keys of a user all spellings of a name
    are one, and each digest has a salt of its own."""
    whose = names.key(name) or name.encode("utf-8", "surrogatepass")
    seed = hmac.digest(secret(home), b"%b %b" % (digest.encode(), whose), "sha512")
    return Keys(iterations, seed[:_SALT_OCTETS], seed[16:48], seed[32:])


_own_secret = os.urandom(_SECRET_OCTETS)


def secret(home: Home) -> bytes:
    """32 octets that all processes of a home share, in run/secret, made at first use.

    Only equality between processes hangs on it: where the disk refuses, each process has its own.
    """
    path = os.path.join(home.run, "secret")
    try:
        for _ in range(2):
            if os.path.exists(path):
                with open(path, "rb") as file:
                    found = file.read()
                if len(found) == _SECRET_OCTETS:
                    return found
            files.mkdir(home.run)
            files.replace(path, os.urandom(_SECRET_OCTETS), durable=False)
    except OSError:
        pass
    return _own_secret
