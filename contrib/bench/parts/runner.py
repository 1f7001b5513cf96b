"""The runner alone, delivering what waits to 100 users: with the disk, and in memory, where no sync takes time."""

from __future__ import annotations

import pathlib
import shutil
import tempfile

import bench
import servers
import table

_PLACES = {"on the disk": None, "in memory (tmpfs)": "/dev/shm"}


def run(context: bench.Context) -> list[table.Table]:
    """mailkit-runq --once over a full queue."""
    count = context.few(5000)
    result = table.Table(f"{count} waiting messages of 4 KiB to 100 users", "mailkit-runq", "-")
    for place, directory in _PLACES.items():
        found = []
        for _ in range(context.repeat):
            work = pathlib.Path(tempfile.mkdtemp(prefix="mailkit-bench-", dir=directory or context.work))
            try:
                found.append(context.load("runner", work / "home", count, *servers.program("runq")))
            finally:
                shutil.rmtree(work)
        result.add(f"delivered, {place}", "msg/s", [run["per_s"] for run in found], [], "3,000")
        result.add(f"CPU, {place}", "ms", [run["cpu_ms"] for run in found], [])
    return [result]
