"""What is measured and how: percentiles, JSON lines, CPU and memory of process trees.

Standard library only, and nothing here knows which mail server is being measured.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import ssl
import time

_TICKS_S = os.sysconf("SC_CLK_TCK")


def percentile(values: list[float], percent: float) -> float | None:
    """The nearest-rank percentile, None of nothing."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[max(0, min(len(ranked) - 1, round(percent / 100 * (len(ranked) - 1))))]


def ms(seconds: float | None) -> float | None:
    """Seconds as milliseconds, rounded to a microsecond."""
    return None if seconds is None else round(seconds * 1000, 3)


def latency(values: list[float], prefix: str = "") -> dict[str, float | None]:
    """The fields that describe many latencies given in seconds."""
    return {f"{prefix}p{percent}_ms": ms(percentile(values, percent)) for percent in (50, 90, 99)}


def emit(**fields: object) -> None:
    """Print one JSON line: the only thing a load program writes to standard output."""
    rounded = {name: round(value, 6) if isinstance(value, float) else value for name, value in fields.items()}
    print(json.dumps(rounded), flush=True)


@functools.lru_cache(None)
def client_tls() -> ssl.SSLContext:
    """TLS that takes any certificate: all servers here have throw-away ones."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Stopwatch:
    """Wall and own CPU seconds of a `with` block."""

    wall_s = 0.0
    cpu_s = 0.0

    def __enter__(self) -> Stopwatch:
        self._wall = time.perf_counter()
        self._cpu = _own_cpu()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = time.perf_counter() - self._wall
        self.cpu_s = _own_cpu() - self._cpu


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# The machine


def busy_s() -> float:
    """CPU seconds the machine has been busy since it started (stolen and waiting time left out)."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:]]
    return (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / _TICKS_S


def wait_quiet(limit_s: float, share: float = 0.1, sample_s: float = 0.3) -> float:
    """Wait till at most `share` of the machine is busy, for `limit_s` at the longest; the share last seen."""
    end = time.monotonic() + limit_s
    while True:
        busy, then = busy_s(), time.monotonic()
        time.sleep(sample_s)
        seen = (busy_s() - busy) / ((time.monotonic() - then) * (os.cpu_count() or 1))
        if seen <= share or time.monotonic() >= end:
            return round(seen, 3)


# Process trees


def tree(root: int) -> list[int]:
    """`root` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo.extend(children.get(pid, ()))
    return found


def cpu_s(root: int) -> float:
    """CPU seconds of the tree, those of children that have ended and been waited for included.

    Exact when the root adopts orphans (subreap.py).
    """
    ticks = 0
    for pid in tree(root):
        fields = _stat(pid)
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS_S


def memory(root: int) -> dict[str, int]:
    """KiB of the tree below `root`, itself left out: {"pss_kib", "rss_kib", "processes"}."""
    pss = rss = processes = 0
    for pid in tree(root)[1:]:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                lines = dict(line.split(":", 1) for line in file if ":" in line.split(" ")[0])
        except (OSError, ProcessLookupError):
            continue
        pss += int(lines.get("Pss", "0").split()[0])
        rss += int(lines.get("Rss", "0").split()[0])
        processes += 1
    return {"pss_kib": pss, "rss_kib": rss, "processes": processes}


def _stat(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat after the command's name, which may hold blanks; [] when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return []
    return text[text.rindex(b")") + 2 :].split()
