"""Room for mail: octets and inodes where the queue, the mail and the users are."""

from __future__ import annotations

import os

from mailkit.check.finding import BAD, GOOD, NOTE, WARN, Finding, Site
from mailkit.users.passwd import Passwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.control import Home

_FULL_OCTETS = 100 << 20
_FULL = 0.02  # parts of the whole that are free: below this bad, below that a warning
_SCARCE = 0.08
_MOUNTS = "/proc/self/mountinfo"
_SYSTEM = "/sys"
_STRICT_NFS = ({"noac"}, {"actimeo=0", "lookupcache=none"}, {"acregmax=0", "acdirmax=0", "lookupcache=none"})


def check(site: Site) -> Iterator[Finding]:
    """Each file system once; those that only homes of users are on in one line where all is well."""
    seen = set()
    for name in ("queue", "domains", "users"):
        path = site.home.join(name)
        if os.path.isdir(path) and (device := os.stat(path).st_dev) not in seen:
            seen.add(device)
            yield from judged(path, os.statvfs(path))
            yield from shared(path, *mount_of(path))
            yield from unjournaled(path)
    good = 0
    for path in _homes(site.home, seen):
        found = [*judged(path, os.statvfs(path)), *shared(path, *mount_of(path)), *unjournaled(path)]
        good += all(one.level == GOOD for one in found)
        yield from (one for one in found if one.level != GOOD)
    if good:
        yield Finding(GOOD, f"file systems with homes of users: {good} more have room")


def _homes(home: Home, seen: set[int]) -> Iterator[str]:
    """A user's directory on each file system that was not seen yet. Those that the first message makes are left out."""
    for user in Passwd(home).users():
        for path in (user.maildir, user.directory):
            try:
                device = os.stat(path).st_dev
            except OSError:
                continue
            if device not in seen:
                seen.add(device)
                yield path
            break


def judged(path: str, status: os.statvfs_result) -> Iterator[Finding]:
    """What there is to say of one file system."""
    octets = status.f_bavail * status.f_frsize
    part = status.f_bavail / max(status.f_blocks, 1)
    # Some file systems make inodes as they need them, and say 0.
    inodes = status.f_favail / status.f_files if status.f_files else 1.0
    text = f"{path}: {octets / (1 << 30):.1f} GiB are free ({100 * part:.0f} %), and {100 * inodes:.0f} % of the inodes"
    if octets < _FULL_OCTETS or min(part, inodes) < _FULL:
        yield Finding(BAD, f"{text}: mail is about to be refused", "make room")
    elif min(part, inodes) < _SCARCE:
        yield Finding(WARN, text, "make room soon")
    else:
        yield Finding(GOOD, text)


def shared(path: str, kind: str, options: set[str]) -> Iterator[Finding]:
    """What to know of a file system that other machines may write, too: mailkit-scaling(7)."""
    if kind in ("nfs", "nfs4") and not any(strict <= options for strict in _STRICT_NFS):
        text = f"{path} is on NFS that remembers what other machines change: UIDs may be given twice"
        yield Finding(WARN, text, "if others write there: mount it with noac,lookupcache=none (mailkit-scaling(7))")
    elif kind == "fuse.glusterfs":
        text = f"{path} is on GlusterFS, which must not remember what other machines change"
        mend = "if others write there: mount it with attribute-timeout=0,entry-timeout=0 (mailkit-scaling(7))"
        yield Finding(NOTE, text, mend)


def unjournaled(path: str) -> Iterator[Finding]:
    """A rename is one thing after a power failure only where there is a journal (mailkit-queue(5), Crashes)."""
    device = os.stat(path).st_dev
    block = os.path.realpath(f"{_SYSTEM}/dev/block/{os.major(device)}:{os.minor(device)}")
    try:
        with open(f"{_SYSTEM}/fs/ext4/{os.path.basename(block)}/journal_task", "rb") as file:
            has_journal = file.read().strip() != b"<none>"
    except OSError:
        return  # not one of ext4, or not told
    if not has_journal:
        text = f"{path} is on a file system without a journal: a power failure may put mail into lost+found"
        yield Finding(WARN, text, f"unmounted: tune2fs -O has_journal /dev/{os.path.basename(block)}")


def mount_of(path: str) -> tuple[str, set[str]]:
    """Kind and options of the file system a path is on (proc_pid_mountinfo(5)); ("", set()) when that is not told."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                before, _, after = line.partition(" - ")
                fields, (kind, _, own) = before.split(), after.split()
                if fields[2] == wanted:
                    return kind, {*fields[5].split(","), *own.split(",")}
    except OSError:
        pass
    return "", set()
