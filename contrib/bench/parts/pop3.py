"""POP3: opening a maildrop, its lists, every message, logins."""

from __future__ import annotations

import bench
import servers
import table

_USER = "bench@example.test"


def run(context: bench.Context) -> list[table.Table]:
    """10,000 messages one by one, pipelined and over TLS; opening 100,000; logins. Warm: each was fetched before."""
    with servers.ours(context.work / "ours") as ours, bench.peer(
        lambda: servers.dovecot(context.work / "dovecot", LOGIN="fast")
    ) as dovecot:
        both = [server for server in (ours, dovecot) if server is not None]
        return [_fetched(context, both), _opened(context, both), _logins(context, both)]


def _fetched(context: bench.Context, both: list[servers.Server]) -> table.Table:
    messages = context.few(10_000)
    result = table.Table(f"POP3, {messages} messages", "mailkit", "Dovecot")
    _fill(context, both, messages)
    for what, port, words in (
        ("one by one", "pop3", []),
        ("pipelined", "pop3", ["--pipeline"]),
        ("one by one, TLS", "pop3s", ["--tls"]),
        ("pipelined, TLS", "pop3s", ["--tls", "--pipeline"]),
    ):
        found = _runs(context, both, port, "retr", *words)
        for field, unit in (("per_s", "msg/s"), ("mb_per_s", "MB/s"), ("cpu_ms", "ms CPU/msg")):
            result.add(f"RETR, {what}", unit, *_columns(found, field), "ratio 1 or more" if field == "per_s" else "")
        if what == "one by one":
            result.add("USER, PASS and STAT", "ms", *_columns(found, "open_ms"))
            result.add("LIST and UIDL", "ms", *_columns(found, "lists_ms"))
    return result


def _opened(context: bench.Context, both: list[servers.Server]) -> table.Table:
    messages = context.few(100_000)
    result = table.Table(f"POP3, a maildrop of {messages} messages", "mailkit", "Dovecot")
    _fill(context, both, messages)
    found = _runs(context, both, "pop3", "lists")
    result.add("USER, PASS and STAT", "ms", *_columns(found, "open_ms"), "50 ms")
    result.add("LIST and UIDL", "ms", *_columns(found, "lists_ms"))
    return result


def _logins(context: bench.Context, both: list[servers.Server]) -> table.Table:
    result = table.Table("POP3 logins", "mailkit", "Dovecot, shared login processes")
    for sessions in (1, 10):
        words = ["--sessions", sessions, "--count", context.few(500)]
        found = _runs(context, both, "pop3", "login", *words, user="u%04d@example.test")
        result.add(f"USER, PASS, QUIT, {sessions} at a time", "logins/s", *_columns(found, "per_s"))
        result.add(f"CPU, {sessions} at a time", "ms", *_columns(found, "cpu_ms"))
    return result


def _fill(context: bench.Context, both: list[servers.Server], messages: int) -> None:
    """Everybody's bench has the same messages, has been read once and opened once since."""
    for server in both:
        servers.fresh(server.maildir("bench"), context.corpus(messages))
        context.load("pop3", "127.0.0.1", server.ports["pop3"], _USER, servers.PASSWORD, "retr", "--pipeline")
        context.load("pop3", "127.0.0.1", server.ports["pop3"], _USER, servers.PASSWORD, "lists")


def _runs(
    context: bench.Context, both: list[servers.Server], port: str, *words: object, user: str = _USER
) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(context.repeat):
        for server in both:
            fields = context.load(
                "pop3", "127.0.0.1", server.ports[port], user, servers.PASSWORD, *words, cpu_of=server
            )
            fields["cpu_ms"] = 1000 * fields["server_cpu_s"] / max(1, fields["messages"])
            found.setdefault(server.name, []).append(fields)
    return found


def _columns(found: dict[str, list[dict[str, float]]], field: str) -> tuple[list[float], list[float]]:
    mine, theirs = ([run[field] for run in found.get(name, [])] for name in ("mailkit", "Dovecot"))
    return mine, theirs
