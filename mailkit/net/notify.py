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
