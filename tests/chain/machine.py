"""What a server process costs, as the kernel counts it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.harness.servers import Server

MIB = 1 << 20


def peak_octets(server: Server) -> int:
    """The most memory it ever had (VmHWM)."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def cpu_s(server: Server) -> float:
    """Processor time so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
