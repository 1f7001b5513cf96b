"""Passwords: is this the one, and what to store for a new one.

Checking is made to be slow (argon2id: about 25 ms and 19 MiB), so sessions offload it; `users.slots` bounds how many
go on at once, `users.memory` remembers those that were right.
"""

from __future__ import annotations

from mailkit import log
from mailkit.users import keys, schemes
from mailkit.users.prep import prepared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.users.passwd import User

# OWASP's smallest argon2id: a machine of 512 MiB must bear several logins at once.
_MEMORY_KIB = 19456
_PASSES = 2
_LANES = 1
_LONGEST = 1024  # octets of a password

# What an unknown user's password is compared with: same cost, never right (the digest is all zero octets).
_NOBODY = f"{{ARGON2ID}}$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}$bWFpbGtpdCBub2JvZHk$" + "A" * 43


def check(user: User | None, password: str) -> bool:
    """Is this the user's password? A user who does not exist, or has no hash, takes as long as a wrong password."""
    if "\0" in password or len(password.encode("utf-8", "surrogatepass")) > _LONGEST:
        return False
    if user is None or not user.hash:
        _fits(_NOBODY, password, "")
        return False
    return any(_fits(user.hash, form, user.address) for form in _forms(password))


def _forms(password: str) -> list[str]:
    """The password after SASLprep, which is what we store, and as typed, which others may have stored."""
    try:
        form = prepared(password)
    except ValueError:
        return [password]
    return [form] if form == password else [form, password]


def _fits(text: str, password: str, address: str) -> bool:
    try:
        return schemes.fits(text, password.encode("utf-8", "surrogatepass"), address)
    except ValueError as error:
        log.event("passwd", user=address, verdict="unusable", error=str(error))
        return False


def hashed(password: str) -> str:
    """A password field for a new password, salted: "{ARGON2ID}$argon2id$...". ValueError when none may be so."""
    import os

    from argon2 import low_level

    octets = _octets(password)
    made = low_level.hash_secret(octets, os.urandom(16), _PASSES, _MEMORY_KIB, _LANES, 32, low_level.Type.ID)
    return "{ARGON2ID}" + made.decode()


def set_password(user: User, password: str, iterations: int) -> None:
    """Give the user a new password: hash and SCRAM keys of so many iterations; 0 stores no keys.

    ValueError when the password is empty, too long, or holds control characters.
    """
    user.hash = hashed(password)
    for digest, field in keys.FIELDS.items():
        user.fields.pop(field, None)
        if iterations:
            user.fields[field] = keys.fresh(_octets(password), digest, iterations).text()


def weaker(text: str) -> bool:
    """Is a password field weaker than what `hashed` makes?"""
    scheme, rest = schemes.split(text)
    if scheme != "ARGON2ID":
        return True
    from argon2 import extract_parameters

    now = extract_parameters(rest)
    return now.memory_cost < _MEMORY_KIB or now.time_cost < _PASSES


def _octets(password: str) -> bytes:
    octets = prepared(password).encode()
    if not octets:
        raise ValueError("the password is empty")
    if len(octets) > _LONGEST:
        raise ValueError(f"the password is longer than {_LONGEST} octets")
    return octets
