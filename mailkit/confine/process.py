"""What a process gives up beside paths: privileges of programs it might start, core dumps, capabilities, memory."""

from __future__ import annotations

import os
import sys

from mailkit.confine.landlock import call

_PR_SET_DUMPABLE = 4  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38
_CAP_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_KEPT = 0b1011  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER: mail of many owners


def no_new_privileges() -> None:
    """No program that is started gets more rights than we have, as by set-uid."""
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def keep_secrets() -> None:
    """Passwords in memory go to no core file, and to no debugger of our own uid."""
    import resource

    call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def drop_capabilities() -> None:
    """Root keeps what the files of others need; the rest (modules, networks, mounts, other processes) is gone."""
    if os.geteuid() != 0:
        return
    # Landlock needs no capability where there are no new privileges.
    header = _CAP_VERSION.to_bytes(4, sys.byteorder) + bytes(4)
    kept = (_held() & _KEPT).to_bytes(4, sys.byteorder)
    call("capset", header, kept * 2 + bytes(16))  # effective, permitted; inheritable; the upper 32 of each


def limit(memory_octets: int) -> None:
    """For a process that serves one user: so much memory of its own (0: no limit), and no further process."""
    import resource

    if memory_octets:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        memory_octets = memory_octets if most == resource.RLIM_INFINITY else min(memory_octets, most)
        resource.setrlimit(resource.RLIMIT_DATA, (memory_octets, memory_octets))
    if os.geteuid() != 0:
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _held() -> int:
    """The capabilities that are permitted now, the lower 32; none where /proc does not tell."""
    try:
        with open("/proc/self/status", "rb") as file:
            _, _, rest = file.read().partition(b"\nCapPrm:\t")
    except OSError:
        return 0
    return int(rest[:16], 16) & 0xFFFFFFFF
