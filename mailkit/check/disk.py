"""Room for mail: octets and inodes where the queue, the mail and the users are."""

from __future__ import annotations

import os

from mailkit.check.finding import BAD, GOOD, WARN, Finding, Site

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL_OCTETS = 100 << 20
_FULL = 0.02  # parts of the whole that are free: below this bad, below that a warning
_SCARCE = 0.08


def check(site: Site) -> Iterator[Finding]:
    """Each file system once."""
    seen = set()
    for name in ("queue", "domains", "users"):
        path = site.home.join(name)
        if not os.path.isdir(path):
            continue
        device = os.stat(path).st_dev
        if device not in seen:
            seen.add(device)
            yield from judged(path, os.statvfs(path))


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
