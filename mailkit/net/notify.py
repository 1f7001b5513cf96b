"""sd_notify(3): telling the service manager how we are, where there is one."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Send `state` ("READY=1", "STOPPING=1", "WATCHDOG=1") to $NOTIFY_SOCKET; nothing happens where it is unset."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address[0] == "@":
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            end.connect(address)
            end.send(state.encode())
    except OSError:
        pass  # nobody listens: the service works all the same


def is_managed() -> bool:
    """Is there a service manager that listens?"""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def watchdog_s() -> float:
    """How often the service manager wants to hear from this process (sd_watchdog_enabled(3)); 0 when it does not."""
    limit = os.environ.get("WATCHDOG_USEC", "")
    if not limit.isdigit() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(limit) / 1e6


def alive() -> None:
    """Say so, if the service manager wants to hear it."""
    if watchdog_s():
        notify("WATCHDOG=1")
