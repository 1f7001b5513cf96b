"""Small file systems that can be full."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.harness.programs import absent, need


@contextlib.contextmanager
def small(path: Path, octets: int = 1 << 20) -> Iterator[Path]:
    """A tmpfs of so many octets at `path`, or the test is skipped."""
    mount, umount = need("mount"), need("umount")
    path.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={octets}", "tmpfs", str(path)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        absent(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run([umount, "-l", str(path)], check=True)


@contextlib.contextmanager
def filled(disk: Path) -> Iterator[None]:
    """While this lasts there is no room on it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert os.statvfs(disk).f_bavail == 0
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """While this lasts nothing on it can be changed."""
    subprocess.run([need("mount"), "-o", "remount,ro", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run([need("mount"), "-o", "remount,rw", str(disk)], check=True)
