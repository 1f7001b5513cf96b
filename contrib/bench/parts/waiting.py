"""A queue in which much waits and nothing is due: what starting and idling cost the runner."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import bench
import measure
import servers
import table

_COUNTS = (50_000, 100_000)
_CALM_S = 0.5  # without work for so long: it has seen the queue
_IDLE_S = 10.0


def run(context: bench.Context) -> list[table.Table]:
    """mailkit-runq over so many entries, due tomorrow."""
    result = table.Table("waiting entries", "mailkit-runq", "-", "Memory: PSS of runner and syncer.")
    for count in _COUNTS:
        entries = context.few(count)
        found = [_one(context.work, entries) for _ in range(context.repeat)]
        for what, unit, goal in (
            ("CPU until it waits", "s", ""),
            ("wall time until it waits", "s", ""),
            ("CPU of ten idle seconds", "ms", ""),
            ("memory", "MiB", "150 MiB" if count == _COUNTS[0] else ""),
        ):
            result.add(f"{entries} entries, {what}", unit, [one[what] for one in found], [], goal)
    return [result]


def _one(work: pathlib.Path, count: int) -> dict[str, float]:
    directory = pathlib.Path(tempfile.mkdtemp(prefix="waiting-", dir=work))
    try:
        return _measured(_filled(directory / "home", count))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _filled(home: pathlib.Path, count: int) -> pathlib.Path:
    """A home whose queue holds names only: nobody opens an entry that is not due."""
    servers.run_ours("setup", "--home", str(home), "--domain", servers.DOMAIN, "--ports", "20000", "--yes")
    due = int(time.time()) + 86400
    directory = os.open(home / "queue" / "cur", os.O_RDONLY)
    for number in range(count):
        os.mknod(f"{due + number % 3600}.1.{number:016x},S=4096", 0o600, dir_fd=directory)
    os.close(directory)
    return home


def _measured(home: pathlib.Path) -> dict[str, float]:
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, servers.HERE / "subreap.py", *servers.program("runq"), "--home", str(home)],
        env=servers.environment(), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        cpu_s = calm_s = measure.cpu_s(process.pid)
        ended = time.monotonic()
        while not calm_s or time.monotonic() < ended + _CALM_S:
            time.sleep(0.02)
            cpu_s = measure.cpu_s(process.pid)
            if cpu_s != calm_s:
                calm_s, ended = cpu_s, time.monotonic()
        time.sleep(_IDLE_S)
        return {
            "CPU until it waits": cpu_s,
            "wall time until it waits": ended - started,
            "CPU of ten idle seconds": 1000 * (measure.cpu_s(process.pid) - cpu_s),
            "memory": measure.memory(process.pid)["pss_kib"] / 1024,
        }
    finally:
        process.terminate()
        process.wait()
