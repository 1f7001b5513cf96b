"""SEARCH in the bodies of one mailbox, without and with the full-text index, and what the index costs."""

from __future__ import annotations

import json
import resource
import subprocess
import time

import bench
import measure
import servers
import table

_USER = "bench@example.test"
_SEARCHES = {
    "search-body": "a rare word",
    "search-phrase": "a rare phrase",
    "search-frequent": "a word of nearly all messages",
    "search-text": "a rare word, header too",
}


def run(context: bench.Context) -> list[table.Table]:
    """100,000 messages. Dovecot has no index of its own that knows parts of words."""
    messages = context.few(100_000)
    result = table.Table(f"Full-text search, {messages} messages", "mailkit", "Dovecot without an index")
    with (
        servers.ours(context.work / "ours") as ours,
        bench.peer(lambda: servers.dovecot(context.work / "dovecot", LOGIN="fast")) as dovecot,
    ):
        for server in filter(None, (ours, dovecot)):
            servers.fresh(server.maildir("bench"), context.corpus(messages))
            _search(context, server, "search-flags")  # UIDs are given, so that this is not in any row
        home = ours.mail.parent
        theirs = {
            name: [_search(context, dovecot, name) for _ in _runs(context)] if dovecot else [] for name in _SEARCHES
        }
        (home / "control" / "fulltext").write_text("no\n")
        _rows(context, result, ours, theirs, "without the index")
        (home / "control" / "fulltext").write_text("yes\n")
        _fill(context, result, str(home), messages)
        _rows(context, result, ours, theirs, "with the index")
    return [result]


def _runs(context: bench.Context) -> range:
    return range(context.repeat)


def _rows(
    context: bench.Context,
    result: table.Table,
    ours: servers.Server,
    theirs: dict[str, list[dict[str, float]]],
    how: str,
) -> None:
    for name, what in _SEARCHES.items():
        mine = [_search(context, ours, name) for _ in _runs(context)]
        goal = {"without the index": "1", "with the index": "0.05"}[how] if name == "search-body" else ""
        for field, unit in (("ms", ""), ("cpu_ms", ", CPU")):
            result.add(
                f"{what}, {how}{unit}", "ms", [run[field] for run in mine], [run[field] for run in theirs[name]], goal
            )


def _search(context: bench.Context, server: servers.Server, operation: str) -> dict[str, float]:
    port = server.ports["imap"]
    fields = context.load("imap", "127.0.0.1", port, _USER, servers.PASSWORD, operation, cpu_of=server)
    fields["cpu_ms"] = 1000 * fields["server_cpu_s"]
    return fields


def _fill(context: bench.Context, result: table.Table, home: str, messages: int) -> None:
    rates, costs = [], []
    for _ in _runs(context):
        servers.run_ours("fulltext", "delete", "--home", home, _USER)
        measure.wait_quiet(context.quiet_s)
        start, cpu_s = time.monotonic(), _children_cpu_s()
        servers.run_ours("fulltext", "fill", "--home", home, _USER)
        rates.append(messages / (time.monotonic() - start))
        costs.append(1000 * (_children_cpu_s() - cpu_s) / messages)
    result.add("filling the index", "msg/s", rates, [], "2000")
    result.add("filling the index, CPU", "ms/msg", costs, [], "0.5")
    show = [*servers.program("fulltext"), "show", "--json", "--home", home, _USER]
    fact = json.loads(
        subprocess.run(show, check=True, capture_output=True, env=servers.environment()).stdout.splitlines()[0]
    )
    result.add("octets of index per octet of text", "", [fact["index"] / fact["text"]], [], "1.5")


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
