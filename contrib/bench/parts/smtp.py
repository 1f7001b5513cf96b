"""Mail from SMTP into Maildirs, end to end, with the queue in between."""

from __future__ import annotations

import time

import bench
import servers
import table

_SHAPES = [(1, False), (1, True), (20, False), (20, True), (100, True)]


def run(context: bench.Context) -> list[table.Table]:
    """1, 20 and 100 sessions to 100 users, one message per connection or all on kept ones."""
    result = table.Table(
        "SMTP to Maildir, 4 KiB, 100 users", "mailkit", "Postfix with virtual(8)",
        "CPU is that of the whole server. The client takes 0.4 to 1.3 ms of CPU per message beside it.",
    )  # fmt: skip
    rows: dict[tuple[int, bool], dict[str, list[dict[str, float]]]] = {}
    with servers.ours(context.work / "ours") as ours, bench.peer(
        lambda: servers.postfix(context.work / "postfix")
    ) as postfix:
        for shape in _SHAPES:
            for _ in range(context.repeat):
                for server in filter(None, (ours, postfix)):
                    rows.setdefault(shape, {}).setdefault(server.name, []).append(_one(context, server, *shape))
    for (sessions, kept), found in rows.items():
        what = f"{sessions} sessions, {'kept' if kept else 'one message each'}"
        for field, name, unit in (
            ("per_s", "accepted", "msg/s"),
            ("delivered_per_s", "delivered", "msg/s"),
            ("cpu_ms", "CPU", "ms/msg"),
            ("p50_ms", "latency, median", "ms"),
            ("p99_ms", "latency, 99 of 100", "ms"),
        ):
            mine, theirs = ([run[field] for run in found.get(server, [])] for server in ("mailkit", "Postfix"))
            result.add(f"{name}, {what}", unit, mine, theirs)
    return [result]


def _one(context: bench.Context, server: servers.Server, sessions: int, kept: bool) -> dict[str, float]:
    messages = context.few(500 if sessions == 1 else 2000)
    server.empty()
    words = ["127.0.0.1", server.ports["mx"], "--messages", messages, "--sessions", sessions]
    fields = context.load("smtp", *words, *(["--reuse"] if kept else []), cpu_of=server)
    ended = time.monotonic()
    accepted_s = fields["wall_s"]
    # The load has ended a moment ago; what is not delivered yet counts from there.
    delivered_s = accepted_s + max(0.0, servers.await_messages(server, messages) - ended)
    fields["delivered_per_s"] = server.messages() / delivered_s
    fields["cpu_ms"] = 1000 * fields["server_cpu_s"] / messages
    return fields
