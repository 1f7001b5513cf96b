"""Accepting mail, without delivering it: Postfix's own C client, 4 KiB and 20 MiB messages; TLS handshakes."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import time

import bench
import measure
import servers
import table

_SHAPES = [(1, True), (20, True), (100, True), (20, False), (100, False)]  # sessions, kept or one message each
_GOALS = {(20, True): "0.6 ms", (20, False): "0.6 ms"}
_LARGE_OCTETS = 20 << 20
_LARGE_SESSIONS = 4
_CALLS = ("fsync", "fdatasync", "syncfs")


def run(context: bench.Context) -> list[table.Table]:
    """Deliveries are put off: ours by stopping the queue runner, Postfix's by its configuration."""
    client = servers.need("smtp-source")
    settings = "defer_transports = virtual\nmessage_size_limit = 0"
    with servers.ours(context.work / "ours") as ours, bench.peer(
        lambda: servers.postfix(context.work / "postfix", POSTFIX_EXTRA=settings)
    ) as postfix:
        runner = child(ours.root, "mailkit-runq")
        os.kill(runner, signal.SIGSTOP)
        both = {server: _root(server, ours) for server in (ours, postfix) if server is not None}
        tables = [_small(context, client, both), _large(context, client, both), _handshakes(context, both)]
        os.kill(runner, signal.SIGKILL)
    return tables


def _root(server: servers.Server, ours: servers.Server) -> int:
    return child(ours.root, "mailkit-smtpd") if server is ours else server.root


def _small(context: bench.Context, client: str, both: dict[servers.Server, int]) -> table.Table:
    """Messages a second, CPU and syncs per message."""
    messages = context.few(4000)
    result = table.Table(f"smtpd, {messages} messages of 4 KiB", "mailkit", "Postfix")
    for shape in _SHAPES:
        sessions, kept = shape
        found: dict[str, list[tuple[float, float]]] = {}
        for _ in range(context.repeat):
            for server, root in both.items():
                measure.wait_quiet(context.quiet_s)
                found.setdefault(server.name, []).append(_accepted(client, server, shape, messages, root))
        what = f"{sessions} sessions, {'kept' if kept else 'one message each'}"
        mine, theirs = found["mailkit"], found.get("Postfix", [])
        result.add(f"accepted, {what}", "msg/s", [rate for rate, _ in mine], [rate for rate, _ in theirs])
        goal = _GOALS.get(shape, "")
        result.add(f"CPU, {what}", "ms/msg", [cpu for _, cpu in mine], [cpu for _, cpu in theirs], goal)
        syncs = {server.name: [_syncs(client, server, shape, root, context.work)] for server, root in both.items()}
        result.add(f"fsync and its kin, {what}", "calls/msg", syncs["mailkit"], syncs.get("Postfix", []))
    return result


def _large(context: bench.Context, client: str, both: dict[servers.Server, int]) -> table.Table:
    """Throughput, CPU and memory of large messages."""
    messages = max(_LARGE_SESSIONS, context.few(40))
    result = table.Table(
        f"smtpd, {messages} messages of 20 MiB, {_LARGE_SESSIONS} kept sessions", "mailkit", "Postfix",
        "Memory: the most that all processes of the server ever had, above what they had before, by session.",
    )  # fmt: skip
    found: dict[str, list[tuple[float, float, float]]] = {}
    for _ in range(context.repeat):
        for server, root in both.items():
            measure.wait_quiet(context.quiet_s)
            before = _memory(root, "VmRSS")
            rate, cpu = _accepted(client, server, (_LARGE_SESSIONS, True), messages, root, _LARGE_OCTETS)
            grown = sum(octets - before.get(pid, 0) for pid, octets in _memory(root, "VmHWM").items())
            found.setdefault(server.name, []).append((20 * rate, cpu / 20, grown / _LARGE_SESSIONS / (1 << 20)))
    mine, theirs = found["mailkit"], found.get("Postfix", [])
    for i, (what, unit, goal) in enumerate(
        [("accepted", "MiB/s", "1"), ("CPU", "ms/MiB", ""), ("memory per session", "MiB", "2 MiB")]
    ):
        result.add(what, unit, [run[i] for run in mine], [run[i] for run in theirs], goal)
    return result


def _handshakes(context: bench.Context, both: dict[servers.Server, int]) -> table.Table:
    """New TLS sessions, one after the other, as fast as one client can."""
    openssl, seconds = servers.need("openssl"), max(2, context.few(10))
    result = table.Table("smtpd, TLS from the first octet", "mailkit", "Postfix", "openssl s_time -new, two at a time.")
    rates: dict[str, list[float]] = {}
    for _ in range(context.repeat):
        for server in both:
            measure.wait_quiet(context.quiet_s)
            where = f"127.0.0.1:{server.ports['submissions']}"
            command = [openssl, "s_time", "-new", "-time", str(seconds), "-connect", where]
            clients = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
            said = b"".join(client.communicate()[0] for client in clients)
            count = sum(int(number) for number in re.findall(rb"(\d+) connections in \d+ real", said))
            rates.setdefault(server.name, []).append(count / seconds)
    result.add("handshakes", "/s", rates["mailkit"], rates.get("Postfix", []), "1")
    return result


def child(root: int, program: str) -> int:
    """The topmost process below `root` that runs `program`."""
    for pid in measure.tree(root):
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if any(pathlib.PurePath(word.decode()).name == program for word in words[:2]):
            return pid
    raise RuntimeError(f"no {program} below {root}")


def source(
    client: str,
    server: servers.Server,
    shape: tuple[int, bool],
    messages: int,
    octets: int = 4096,
    user: str = "u0001",
) -> None:
    """Have Postfix's smtp-source send messages to a user. shape: sessions, and whether they are kept."""
    sessions, kept = shape
    subprocess.run(
        [client, *(["-d"] if kept else []), "-s", str(sessions), "-m", str(messages), "-l", str(octets),
         "-f", "load@bench.example", "-t", f"{user}@example.test", f"127.0.0.1:{server.ports['mx']}"],
        check=True,
    )  # fmt: skip


def _accepted(
    client: str, server: servers.Server, shape: tuple[int, bool], messages: int, root: int, octets: int = 4096
) -> tuple[float, float]:
    """Messages a second, and milliseconds of CPU for each."""
    before, started = measure.cpu_s(root), time.perf_counter()
    source(client, server, shape, messages, octets)
    wall_s = time.perf_counter() - started
    time.sleep(0.2)
    return messages / wall_s, 1000 * (measure.cpu_s(root) - before) / messages


def _memory(root: int, field: str) -> dict[int, int]:
    """Octets of each process of the tree, by a field of /proc/PID/status."""
    found = {}
    for pid in measure.tree(root):
        try:
            text = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        found[pid] = 1024 * next((int(line.split()[1]) for line in text.splitlines() if line.startswith(field)), 0)
    return found


def _syncs(client: str, server: servers.Server, shape: tuple[int, bool], root: int, work: pathlib.Path) -> float:
    """Calls per message that wait for the disk."""
    messages, report = 400, work / "strace"
    pids = [word for pid in measure.tree(root) for word in ("-p", str(pid))]
    strace = subprocess.Popen(
        [servers.need("strace"), "-f", "-c", "-q", "-o", report, "-e", f"trace={','.join(_CALLS)}", *pids],
        stderr=subprocess.DEVNULL,
    )
    time.sleep(1)
    source(client, server, shape, messages)
    time.sleep(1)
    strace.send_signal(2)
    strace.wait()
    lines = [line.split() for line in report.read_text().splitlines()]
    return sum(int(words[3]) for words in lines if words and words[-1] in _CALLS) / messages
