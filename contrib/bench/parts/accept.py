"""Accepting mail, without delivering it: Postfix's own C client, kept connections, 4 KiB messages."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time

import bench
import measure
import servers
import table

_SESSIONS = (1, 20, 100)


def run(context: bench.Context) -> list[table.Table]:
    """Messages a second, CPU and fsyncs per message. Deliveries are put off: ours by stopping the queue runner."""
    client = servers.need("smtp-source")
    messages = context.few(4000)
    result = table.Table(f"smtpd, {messages} messages of 4 KiB, kept connections", "mailkit", "Postfix")
    found: dict[str, dict[int, list[tuple[float, float]]]] = {}
    syncs: dict[str, list[float]] = {}
    with servers.ours(context.work / "ours") as ours, bench.peer(
        lambda: servers.postfix(context.work / "postfix", POSTFIX_EXTRA="defer_transports = virtual")
    ) as postfix:
        runner = child(ours.root, "mailkit-runq")
        os.kill(runner, signal.SIGSTOP)
        for _ in range(context.repeat):
            for server in filter(None, (ours, postfix)):
                root = child(server.root, "mailkit-smtpd") if server is ours else server.root
                for sessions in _SESSIONS:
                    measure.wait_quiet(context.quiet_s)
                    rate = _accepted(client, server.ports["mx"], sessions, messages, root)
                    found.setdefault(server.name, {}).setdefault(sessions, []).append(rate)
        for server in filter(None, (ours, postfix)):
            root = child(server.root, "mailkit-smtpd") if server is ours else server.root
            syncs[server.name] = [_syncs(client, server.ports["mx"], root, context.work)]
        os.kill(runner, signal.SIGKILL)
    for sessions in _SESSIONS:
        mine, theirs = found["mailkit"][sessions], found.get("Postfix", {}).get(sessions, [])
        goal = "0.6 ms" if sessions == 20 else ""
        result.add(f"accepted, {sessions} sessions", "msg/s", [rate for rate, _ in mine], [rate for rate, _ in theirs])
        result.add(f"CPU, {sessions} sessions", "ms/msg", [cpu for _, cpu in mine], [cpu for _, cpu in theirs], goal)
    result.add("fsync and fdatasync, 20 sessions", "calls/msg", syncs["mailkit"], syncs.get("Postfix", []))
    return [result]


def child(root: int, program: str) -> int:
    """The topmost process below `root` that runs `program`."""
    for pid in measure.tree(root):
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if any(pathlib.PurePath(word.decode()).name == program for word in words[:2]):
            return pid
    raise RuntimeError(f"no {program} below {root}")


def _source(client: str, port: int, sessions: int, messages: int) -> None:
    subprocess.run(
        [client, "-d", "-s", str(sessions), "-m", str(messages), "-l", "4096", "-f", "load@bench.example",
         "-t", "u0001@example.test", f"127.0.0.1:{port}"],
        check=True,
    )  # fmt: skip


def _accepted(client: str, port: int, sessions: int, messages: int, root: int) -> tuple[float, float]:
    """Messages a second, and milliseconds of CPU for each."""
    before, started = measure.cpu_s(root), time.perf_counter()
    _source(client, port, sessions, messages)
    wall_s = time.perf_counter() - started
    time.sleep(0.2)
    return messages / wall_s, 1000 * (measure.cpu_s(root) - before) / messages


def _syncs(client: str, port: int, root: int, work: pathlib.Path) -> float:
    """fsync and fdatasync calls per message."""
    messages, report = 400, work / "strace"
    pids = [word for pid in measure.tree(root) for word in ("-p", str(pid))]
    strace = subprocess.Popen(
        [servers.need("strace"), "-f", "-c", "-q", "-o", report, "-e", "trace=fsync,fdatasync", *pids],
        stderr=subprocess.DEVNULL,
    )
    time.sleep(1)
    _source(client, port, 20, messages)
    time.sleep(1)
    strace.send_signal(2)
    strace.wait()
    lines = [line.split() for line in report.read_text().splitlines()]
    return sum(int(words[3]) for words in lines if words and words[-1] in ("fsync", "fdatasync")) / messages
