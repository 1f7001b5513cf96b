"""What kind of file system something is on, where a promise is needed that POSIX does not make.

    kind(fd) -> int         f_type of statfs(2); 0 where it is not told
    is_own(path) -> bool    only this machine writes there: what one process wrote, every other one reads at once

On file systems of several machines a client may hold what a file had a moment ago, and give that to whoever opens the
same file under another name: seen with GlusterFS, a second after another host had written it again.
"""

from __future__ import annotations

import ctypes
import os

EXT, XFS, BTRFS = 0xEF53, 0x58465342, 0x9123683E  # of linux/magic.h; ext2, ext3 and ext4 are one
_TMPFS, _ZFS, _F2FS, _OVERLAY = 0x01021994, 0x2FC12FC1, 0xF2F52010, 0x794C7630
_OWN = frozenset((EXT, XFS, BTRFS, _TMPFS, _ZFS, _F2FS, _OVERLAY))


def kind(fd: int) -> int:
    """f_type of statfs(2), as linux/magic.h names it; 0 where it is not told."""
    facts = ctypes.create_string_buffer(256)  # struct statfs; f_type is the first word
    return ctypes.c_ulong.from_buffer(facts).value if ctypes.CDLL(None).fstatfs(fd, facts) == 0 else 0


def is_own(path: str) -> bool:
    """Is a directory on a file system that no other machine writes? False where that is not known."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return kind(fd) in _OWN
    finally:
        os.close(fd)
