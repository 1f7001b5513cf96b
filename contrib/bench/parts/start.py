"""One connection on descriptor 0, as inetd and systemd's Accept=yes start a server: CPU to the greeting."""

from __future__ import annotations

import sys

import bench
import servers
import table

GOALS = {"smtpd": 2.5, "imapd": 2.5, "pop3d": 2.5, "local": 3.0}


def run(context: bench.Context) -> list[table.Table]:
    """Each server's CPU to the greeting, and mailkit-local's in all, over that of an interpreter that does nothing."""
    count = context.few(50)
    result = table.Table(
        "CPU of one process", "mailkit", "python3 -I -c pass", "Servers: to the greeting. mailkit-local: in all."
    )
    with servers.ours(context.work) as ours:
        home = str(ours.mail.parent)
        bare, found = [], {name: [] for name in GOALS}
        for _ in range(context.repeat):
            bare.append(context.load("spawn", "exit", count, sys.executable, "-I", "-c", "pass")["cpu_ms"])
            for name in GOALS:
                how = "pipe" if name == "local" else "greeting"
                words = ["-d", "bench@example.test"] if name == "local" else []
                fields = context.load("spawn", how, count, *servers.program(name), "--home", home, *words)
                if fields["failed"]:
                    raise RuntimeError(f"mailkit-{name} failed {fields['failed']} times of {count}")
                found[name].append(fields["cpu_ms"])
    for name, goal in GOALS.items():
        result.add(f"mailkit-{name}", "ms", found[name], bare, f"ratio {goal} or less")
    return [result]
