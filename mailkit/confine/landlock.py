"""Landlock: a process gives up rights on paths, on TCP and on other processes, for good (landlock(7)).

The three system calls go through `_ctypes`, on which `ctypes` is built: that one costs 4 ms of CPU at import, this one
half a millisecond, and all that is passed is integers and octets.

Not held by Landlock, whatever the rules: stat(2), chmod(2), chown(2), utime(2), access(2) of names that can be reached,
and descriptors that were open before.
"""

from __future__ import annotations

import _ctypes
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST = 2
"""The first ABI that can allow a rename from one directory to another, without which no Maildir works."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture but Alpha
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH

# linux/landlock.h, LANDLOCK_ACCESS_FS_*
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << i for i in range(6))
_MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 7, 1 << 8, 1 << 12
_REFER = 1 << 13  # ABI 2
_TRUNCATE = 1 << 14  # ABI 3
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE  # all that a rule for a file may name

_FS_MOST = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_FS_ALL = (1 << 16) - 1  # ABI 5: ioctl(2) on devices
_TCP = 0b11  # ABI 4: bind and connect
_SCOPES = 0b11  # ABI 6: abstract Unix sockets of others, signals to others

RIGHTS = {
    "r": _READ_FILE | _READ_DIR,
    "l": _READ_DIR,
    "m": _MAKE_REG | _REFER,
    "w": _WRITE_FILE | _TRUNCATE | _MAKE_REG | _MAKE_DIR | _MAKE_SYM | _REMOVE_FILE | _REMOVE_DIR | _REFER,
    "x": _EXECUTE,
}
"""Letters of the table: read, list names only, move files in only, write (make, change, rename, remove), execute."""

_libc = _ctypes.dlopen(None, os.RTLD_NOW)  # type: ignore[arg-type]  # this process, as in dlopen(3)
_kept_abi = -1


def call(name: str, *args: int | bytes | None) -> int:
    """A function of the C library, by name. Numbers are C ints, octets are a pointer to them."""
    return int(_ctypes.call_cdeclfunction(_ctypes.dlsym(_libc, name), args))


def abi() -> int:
    """The version of Landlock here; 0 where the kernel has none, or keeps it switched off."""
    global _kept_abi
    if _kept_abi < 0:
        _kept_abi = max(call("syscall", _CREATE_RULESET, None, 0, _VERSION), 0)
    return _kept_abi


def restrict(paths: Iterable[tuple[str, str]], network: bool = False) -> None:
    """Give up everything but these rights, letters of RIGHTS, on these paths and what is below them.

    A path that does not exist, or that this process could not reach anyway, is left out. network: TCP stays as it is;
    otherwise nothing is connected to or bound.
    OSError: nothing was given up. Ask `abi` first.
    """
    version = abi()
    handled = _FS_MOST.get(version, _FS_ALL)
    attributes = _octets(handled, 0 if network else _TCP, _SCOPES)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = call("syscall", _CREATE_RULESET, attributes, size, 0)
    if ruleset < 0:
        raise OSError("the kernel makes no Landlock ruleset")
    try:
        for path, letters in paths:
            _allow(ruleset, path, _mask(letters) & handled)
        if call("syscall", _RESTRICT_SELF, ruleset, 0) < 0:
            raise OSError("the kernel does not take the Landlock ruleset")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, mask: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            mask &= _ON_FILES
        rule = _octets(mask) + fd.to_bytes(4, sys.byteorder)
        if mask and call("syscall", _ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) < 0:
            raise OSError(f"the kernel takes no Landlock rule for {path}")
    finally:
        os.close(fd)


def _mask(letters: str) -> int:
    mask = 0
    for letter in letters:
        mask |= RIGHTS[letter]
    return mask


def _octets(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, sys.byteorder) for number in numbers)
