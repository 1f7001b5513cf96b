"""Mail from SMTP into Maildirs, end to end, with the queue in between.

Most of it by Postfix's own client to one user: it costs 0.1 to 0.2 ms of CPU for a message. To 100 users by as many of
these, 20 at a time; and, to know how long a message takes, by one in Python, which costs as much as a server may.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import bench
import measure
import servers
import table

from parts import accept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SHAPES = [(1, True), (20, False), (20, True), (100, False), (100, True)]  # sessions, kept or one message each
_SPREAD = [(1, True), (20, True)]
_USERS = [f"u{number:04d}" for number in range(1, 101)]


def run(context: bench.Context) -> list[table.Table]:
    """To one user by smtp-source, to 100 users by our own client."""
    client = servers.need("smtp-source")
    cpu = "CPU is that of the whole server."
    one = table.Table("SMTP to Maildir, 4 KiB, smtp-source, one user", "mailkit", "Postfix with virtual(8)", cpu)
    each = table.Table("SMTP to Maildir, 4 KiB, smtp-source, 100 users", "mailkit", "Postfix with virtual(8)", cpu)
    many = table.Table("SMTP to Maildir, 4 KiB, 100 users", "mailkit", "Postfix with virtual(8)", cpu)
    with servers.ours(context.work / "ours") as ours, bench.peer(
        lambda: servers.postfix(context.work / "postfix")
    ) as postfix:
        both = [server for server in (ours, postfix) if server is not None]
        for shape in _SHAPES:
            _row(context, one, shape, both, lambda *words: _source(client, *words))
        _row(context, each, (20, True), both, lambda *words: _one_for_each(client, *words), 10_000)
        for shape in _SPREAD:
            _row(context, many, shape, both, _spread)
    return [one, each, many]


def _row(
    context: bench.Context,
    result: table.Table,
    shape: tuple[int, bool],
    both: list[servers.Server],
    send: Callable[[bench.Context, servers.Server, tuple[int, bool], int], dict[str, float]],
    messages: int = 3000,
) -> None:
    """All figures of one shape."""
    sessions, kept = shape
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(context.repeat):
        for server in both:
            found.setdefault(server.name, []).append(_one(context, server, shape, send, messages))
    what = f"{sessions} sessions, {'kept' if kept else 'one message each'}"
    for field, name, unit in (
        ("per_s", "accepted", "msg/s"),
        ("delivered_per_s", "delivered", "msg/s"),
        ("cpu_ms", "CPU", "ms/msg"),
        ("p50_ms", "latency, median", "ms"),
        ("p99_ms", "latency, 99 of 100", "ms"),
    ):
        mine, theirs = ([run[field] for run in found.get(name, []) if field in run] for name in ("mailkit", "Postfix"))
        if mine:
            result.add(f"{name}, {what}", unit, mine, theirs)


def _one(
    context: bench.Context,
    server: servers.Server,
    shape: tuple[int, bool],
    send: Callable[[bench.Context, servers.Server, tuple[int, bool], int], dict[str, float]],
    messages: int = 3000,
) -> dict[str, float]:
    messages = context.few(500 if shape[0] == 1 else messages)
    server.empty()
    measure.wait_quiet(context.quiet_s)
    before = measure.cpu_s(server.root)
    fields = send(context, server, shape, messages)
    ended = time.monotonic()
    # The load has ended a moment ago; what is not delivered yet counts from there.
    delivered_s = fields["wall_s"] + max(0.0, servers.await_messages(server, messages) - ended)
    time.sleep(0.2)  # what the server does after the last delivery is its work as well
    fields["delivered_per_s"] = server.messages() / delivered_s
    fields["cpu_ms"] = 1000 * (measure.cpu_s(server.root) - before) / messages
    return fields


def _source(
    client: str, context: bench.Context, server: servers.Server, shape: tuple[int, bool], messages: int
) -> dict[str, float]:
    started = time.perf_counter()
    accept.source(client, server, shape, messages)
    wall_s = time.perf_counter() - started
    return {"wall_s": wall_s, "per_s": messages / wall_s}


def _one_for_each(
    client: str, context: bench.Context, server: servers.Server, shape: tuple[int, bool], messages: int
) -> dict[str, float]:
    """A client for each user, with one session; so many at a time."""
    started = time.perf_counter()
    with ThreadPoolExecutor(shape[0]) as pool:
        share = messages // len(_USERS)
        for _ in pool.map(lambda user: accept.source(client, server, (1, shape[1]), share, user=user), _USERS):
            pass
    wall_s = time.perf_counter() - started
    return {"wall_s": wall_s, "per_s": messages / wall_s}


def _spread(
    context: bench.Context, server: servers.Server, shape: tuple[int, bool], messages: int
) -> dict[str, float]:
    sessions, kept = shape
    words = ["127.0.0.1", server.ports["mx"], "--messages", messages, "--sessions", sessions]
    return context.load("smtp", *words, *(["--reuse"] if kept else []))
