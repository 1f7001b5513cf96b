"""Password schemes of a Dovecot passwd-file: one function a scheme, in one table.

    {SSHA256.HEX}...   scheme SSHA256, octets written in hexadecimal; .B64 and .BASE64 say base64
    $2y$05$...         no scheme: CRYPT, as in Dovecot

Each function takes the text after the scheme, the password's octets and the user's address, and says whether they
fit; ValueError when the text is not of its scheme. Comparisons take the same time wherever the difference is. crypt(3)
schemes are done by the system's libcrypt, argon2 by argon2-cffi, rarities by libpass; all of them are imported only
when a hash of theirs is met. libcrypt, argon2 and PBKDF2 give up the interpreter lock while they work.

Not here, because nobody keeps a library of them: CRAM-MD5 (HMAC-MD5), OTP.
"""

from __future__ import annotations

import hashlib
from binascii import Error as Base64Error
from binascii import a2b_base64, unhexlify
from hmac import compare_digest as same

from mailkit.users import keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Check = Callable[[str, bytes, str], bool]


def split(text: str) -> tuple[str, str]:
    """Scheme (upper case, with encoding suffix) and rest of a password field: "{ssha.hex}x" -> ("SSHA.HEX", "x")."""
    if text.startswith("{"):
        name, brace, rest = text[1:].partition("}")
        if brace:
            return name.upper(), rest
    return "CRYPT", text


def fits(text: str, password: bytes, address: str) -> bool:
    """Is this the password of the field `text`? ValueError when its scheme is not known or its text is damaged."""
    name, rest = split(text)
    name, dot, encoding = name.partition(".")
    check = SCHEMES.get(name)
    if check is None or (dot and encoding not in ("HEX", "B64", "BASE64")):
        raise ValueError(f"password scheme {name}{dot}{encoding} is not known")
    if dot and name in _RECODED:
        rest = _octets(rest, encoding == "HEX").hex()
    return check(rest, password, address)


def _octets(text: str, is_hex: bool) -> bytes:
    try:
        return unhexlify(text) if is_hex else a2b_base64(text)
    except (Base64Error, ValueError):
        raise ValueError("the password hash is neither base64 nor hexadecimal, whichever it should be")


def _plain(text: str, password: bytes, address: str) -> bool:
    return same(text.encode("utf-8", "surrogateescape"), password)


def _digest(algorithm: str, salted: bool = False) -> Check:
    """The digest, then the salt. Hexadecimal is told from base64 by its length, as Dovecot does."""
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size

    def check(text: str, password: bytes, address: str) -> bool:
        is_hex = len(text) == 2 * size or (salted and len(text) > 2 * size and not text.strip("0123456789abcdefABCDEF"))
        octets = _octets(text, is_hex)
        if len(octets) < size or (len(octets) > size and not salted):
            raise ValueError("the password hash has the wrong length")
        digest = hashlib.new(algorithm, password + octets[size:], usedforsecurity=False)
        return same(digest.digest(), octets[:size])

    return check


def _digest_md5(text: str, password: bytes, address: str) -> bool:
    # RFC 2831 2.1.2.1: the realm is the domain.
    local, _, domain = address.rpartition("@")
    inner = f"{local}:{domain}:".encode() + password
    return same(hashlib.md5(inner, usedforsecurity=False).digest(), _octets(text, True))


def _pbkdf2(text: str, password: bytes, address: str) -> bool:
    # Dovecot's own form: $1$SALT$ROUNDS$HEX, HMAC-SHA-1, the salt as written.
    parts = text.split("$")
    if len(parts) != 5 or parts[:2] != ["", "1"] or not parts[3].isdecimal():
        raise ValueError("the password hash is not $1$salt$rounds$hex")
    wanted = _octets(parts[4], True)
    return same(hashlib.pbkdf2_hmac("sha1", password, parts[2].encode(), int(parts[3]), len(wanted)), wanted)


def _argon2(text: str, password: bytes, address: str) -> bool:
    from argon2 import exceptions, low_level

    kind = low_level.Type.ID if text.startswith("$argon2id$") else low_level.Type.I
    try:
        return low_level.verify_secret(text.encode(), password, kind)
    except exceptions.VerifyMismatchError:
        return False
    except (exceptions.Argon2Error, exceptions.InvalidHashError) as error:
        raise ValueError(f"argon2: {error}")


def _scram(algorithm: str) -> Check:
    def check(text: str, password: bytes, address: str) -> bool:
        wanted = keys.parse(text)
        return same(keys.derive(password, algorithm, wanted.salt, wanted.iterations).stored, wanted.stored)

    return check


def _crypt(text: str, password: bytes, address: str) -> bool:
    if text.startswith("$argon2"):
        return _argon2(text, password, address)
    if not text or text[0] in "*!":
        return False  # the customary marks of a locked account
    library = _libcrypt()
    if library is not None:
        import ctypes

        # One that is large enough for every libcrypt: struct crypt_data has 32 KiB in libxcrypt, 128 KiB in glibc.
        room = ctypes.create_string_buffer(256 << 10)
        made = library.crypt_r(password, text.encode(), room)
        # "*0" and "*1" are libxcrypt's "I do not know this kind".
        if made and not made.startswith(b"*"):
            return same(made, text.encode())
    return _by_libpass(text, password)


_library: Any = None
_sought = False


def _libcrypt() -> Any:
    """The system's libcrypt, None where it has none. The crypt module is gone from Python 3.13."""
    global _library, _sought
    if not _sought:
        import ctypes

        for name in ("libcrypt.so.1", "libcrypt.so.2", "libcrypt.so"):
            try:
                library = ctypes.CDLL(name)
                library.crypt_r.restype = ctypes.c_char_p
                library.crypt_r.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
                _library = library
                break
            except (OSError, AttributeError):
                continue
        _sought = True
    return _library


_MODULAR = [
    "sha512_crypt", "sha256_crypt", "md5_crypt", "bcrypt", "pbkdf2_sha256", "pbkdf2_sha512", "pbkdf2_sha1", "scrypt",
    "phpass", "sha1_crypt", "sun_md5_crypt", "des_crypt", "bsdi_crypt",
]  # fmt: skip


def _by_libpass(text: str, password: bytes) -> bool:
    from passlib.context import CryptContext

    return bool(CryptContext(schemes=_MODULAR).verify(password, text))


def _libpass(name: str) -> Check:
    def check(text: str, password: bytes, address: str) -> bool:
        from passlib import hash

        return bool(getattr(hash, name).verify(password, text.lower()))

    return check


_RECODED = {
    "SHA", "SHA1", "SHA256", "SHA512", "SSHA", "SSHA256", "SSHA512", "PLAIN-MD5", "LDAP-MD5", "SMD5", "PLAIN-MD4",
    "DIGEST-MD5", "NTLM",
}  # fmt: skip

SCHEMES: dict[str, Check] = {
    "PLAIN": _plain,
    "CLEARTEXT": _plain,
    "CLEAR": _plain,
    "CRYPT": _crypt,
    "DES-CRYPT": _crypt,
    "MD5-CRYPT": _crypt,
    "MD5": _crypt,
    "SHA256-CRYPT": _crypt,
    "SHA512-CRYPT": _crypt,
    "BLF-CRYPT": _crypt,
    "SHA": _digest("sha1"),
    "SHA1": _digest("sha1"),
    "SHA256": _digest("sha256"),
    "SHA512": _digest("sha512"),
    "SSHA": _digest("sha1", salted=True),
    "SSHA256": _digest("sha256", salted=True),
    "SSHA512": _digest("sha512", salted=True),
    "PLAIN-MD5": _digest("md5"),
    "LDAP-MD5": _digest("md5"),
    "SMD5": _digest("md5", salted=True),
    "DIGEST-MD5": _digest_md5,
    "PLAIN-MD4": _libpass("hex_md4"),
    "NTLM": _libpass("nthash"),
    "PBKDF2": _pbkdf2,
    "ARGON2I": _argon2,
    "ARGON2ID": _argon2,
    "SCRAM-SHA-1": _scram("sha1"),
    "SCRAM-SHA-256": _scram("sha256"),
}
