"""Failed logins: counted per address and per account in small files that all processes share.

    run/failed/192.0.2.7                  its size is the number of failures, its time that of the last one
    run/failed/alice@example.test
    run/known/3f0c...                     this account logged in from this address within 30 days

A failure appends one octet: no lock, no parse, and a look is one stat(2). The octet is a keyed digest of account and
password (0 where no password was seen), and the same one is not counted twice: a forgotten telephone that tries
yesterday's password for ever must not lock its household out; of a guesser's guesses few are alike. A file that
nothing was added to for `authwindow` counts no more and is removed in passing. IPv6 counts by /64, which is what one
customer has; loopback and pipes count by account only, because a front end's address is everybody's.

The n-th failure waits 2^(n-1) seconds, at most `authdelay`. From `authperaddress` failures of an address, or
`authperaccount` of an account, every attempt is refused unheard until the window has passed. So that nobody can lock
others out, an account that is known at an address has ten times these limits there. Success clears nothing: a guesser
with an account of their own must not be able to reset the count.
"""

from __future__ import annotations

import os

from mailkit import clock, files, log
from mailkit.control.networks import customer, is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home

_KNOWN_S = 30 * 86400
_REFRESH_S = 86400
_MOST = 10_000  # files in one directory
_SWEEP = 64  # one failure in so many looks for files to remove
_KNOWN_FACTOR = 10


def blocked(home: Home, peer: str, account: str) -> bool:
    """Are attempts from this address, or on this account ("" when it is not known yet), refused unheard?"""
    per_address = home.control.number("authperaddress")
    per_account = home.control.number("authperaccount")
    factor = _KNOWN_FACTOR if account and _is_known(home, peer, account) else 1
    over_address = bool(per_address) and _count(home, _address(peer)) >= per_address * factor
    return over_address or (bool(per_account) and _count(home, _account(account)) >= per_account * factor)


def delay(home: Home, peer: str, account: str) -> float:
    """Seconds to wait before saying that a login failed, after `failed` has counted it."""
    longest = home.control.seconds("authdelay")
    failures = max(_count(home, _address(peer)), _count(home, _account(account)))
    return min(2.0 ** min(failures - 1, 30), longest) if failures else 0.0


def failed(home: Home, peer: str, account: str, password: str = "") -> None:
    """Count a failed login, unless it repeats an earlier one. A disk that refuses is told to the log: logins go on."""
    try:
        files.mkdir(os.path.join(home.run, "failed"))
        mark = _mark(home, account, password) if password else b"\0"
        for name in filter(None, (_address(peer), _account(account))):
            _append(home, name, mark)
        if clock.random() * _SWEEP < 1:
            sweep(home)
    except OSError as error:
        log.event("throttle", peer=peer, error=error.strerror)


def succeeded(home: Home, peer: str, account: str) -> None:
    """Remember that this account belongs at this address."""
    path = _known(home, peer, account)
    try:
        try:
            if clock.now() - os.stat(path).st_mtime < _REFRESH_S:
                return
            files.utime(path, clock.now())
        except FileNotFoundError:
            files.mkdir(os.path.dirname(path))
            files.append(path, b"")
            files.utime(path, clock.now())
    except OSError as error:
        log.event("throttle", peer=peer, error=error.strerror)


def sweep(home: Home) -> None:
    """Remove files that count no more, and the oldest where there are too many."""
    window = home.control.seconds("authwindow")
    for directory, keep_s in (("failed", window), ("known", _KNOWN_S)):
        files.thin(os.path.join(home.run, directory), keep_s, _MOST)


def _append(home: Home, name: str, mark: bytes) -> None:
    path = os.path.join(home.run, "failed", name)
    if not _count(home, name):
        files.unlink(path, missing_ok=True)  # an old file must not wake up with its old count
    elif mark != b"\0":
        with open(path, "rb") as file:
            if mark in file.read():
                return
    files.append(path, mark)


def _mark(home: Home, account: str, password: str) -> bytes:
    """One octet, 1 to 255: too little to learn anything about a password that was nearly right."""
    from hashlib import blake2b

    from mailkit.users.keys import secret

    text = f"{account}\n{password}".encode("utf-8", "surrogatepass")
    return bytes([1 + blake2b(text, key=secret(home)).digest()[0] % 255])


def _count(home: Home, name: str) -> int:
    if not name:
        return 0
    try:
        stat = os.stat(os.path.join(home.run, "failed", name))
    except OSError:
        return 0
    # A time far ahead was written before the clock was put right: it must not shut somebody out for years.
    return stat.st_size if abs(clock.now() - stat.st_mtime) < home.control.seconds("authwindow") else 0


def _is_known(home: Home, peer: str, account: str) -> bool:
    try:
        return clock.now() - os.stat(_known(home, peer, account)).st_mtime < _KNOWN_S
    except OSError:
        return False


def _known(home: Home, peer: str, account: str) -> str:
    return os.path.join(home.run, "known", _digest(f"{customer(peer)} {account}"))


def _address(peer: str) -> str:
    """The file name of an address, "" for one that is not counted."""
    return "" if is_loopback(peer) else customer(peer)


def _account(account: str) -> str:
    """The file name of an account: itself, or a digest where what a client sent is no plain address."""
    if not account:
        return ""
    plain = account.isascii() and account.isprintable() and "/" not in account and not account.startswith(".")
    if plain and "@" in account and len(account) < 200:
        return account.lower()
    return _digest(account)


def _digest(text: str) -> str:
    from hashlib import blake2b

    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
