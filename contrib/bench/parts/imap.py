"""IMAP: every operation on one mailbox, cold (the server knows nothing of it yet) and warm."""

from __future__ import annotations

import shutil

import bench
import servers
import table

_USER = "bench@example.test"
_READS = [
    "select", "fetch-envelopes", "fetch-flags", "fetch-headers", "fetch-bodies", "search-flags", "search-header",
    "search-body", "sort-date", "thread-references",
]  # fmt: skip
_COLD = ("select", "fetch-envelopes", "fetch-headers", "search-header")
_KEPT = ("sort-date", "thread-references")  # the first run keeps what the later ones go by
_WRITES = {"store": 0, "append": 500, "copy": 10_000, "move": 10_000, "expunge": 10_000}
_OF_FILES = ("fetch-bodies", "search-body")  # read every message, like what is cold
_CACHES = ("dovecot.*", "mailkit-*")  # what either server keeps beside the truth; UIDs and keywords stay


def run(context: bench.Context) -> list[table.Table]:
    """10,000 messages, then 100,000 for what must not depend on the number, folders, logins, IDLE."""
    # The full-text index is measured by a part of its own.
    with servers.ours(context.work / "ours", fulltext="no") as ours, bench.peer(
        lambda: servers.dovecot(context.work / "dovecot", LOGIN="fast")
    ) as dovecot:
        both = [server for server in (ours, dovecot) if server is not None]
        return [
            _mailbox(context, both, context.few(10_000), writes=True),
            _mailbox(context, both, context.few(100_000), writes=False),
            _folders(context, both),
            _sessions(context, both),
        ]


def _mailbox(context: bench.Context, both: list[servers.Server], messages: int, writes: bool) -> table.Table:
    result = table.Table(f"IMAP, {messages} messages", "mailkit", "Dovecot")
    corpus = context.corpus(messages)
    for server in both:
        servers.fresh(server.maildir("bench"), corpus)
    for operation in _READS:
        for server in both if operation in _KEPT else ():
            _load(context, server, operation)
        for cold in (True, False) if operation in _COLD else (False,):
            _row(context, result, both, operation, f"{operation}, {'cold' if cold else 'warm'}", cold=cold)
    _resync(context, result, both)
    for operation, count in _WRITES.items() if writes else ():
        found: dict[str, list[dict[str, float]]] = {}
        for _ in range(context.repeat):
            for server in both:
                servers.fresh(server.maildir("bench"), corpus)
                _load(context, server, "select")
                words = ["--count", context.few(count)] if count else []
                found.setdefault(server.name, []).append(_load(context, server, operation, *words))
        _add(result, operation, found)
    return result


def _folders(context: bench.Context, both: list[servers.Server]) -> table.Table:
    folders = context.few(200)
    result = table.Table(f"IMAP, {folders} folders of 20", "mailkit", "Dovecot")
    for server in both:
        servers.fresh(server.maildir("bench"), context.corpus(20, folders))
        _load(context, server, "status")
    _row(context, result, both, "status", "STATUS of each", cold=False)
    _row(context, result, both, "list-status", "LIST with STATUS", cold=False)
    return result


def _sessions(context: bench.Context, both: list[servers.Server]) -> table.Table:
    result = table.Table("IMAP, sessions", "mailkit", "Dovecot, shared login processes")
    for sessions in (1, 10):
        found: dict[str, list[dict[str, float]]] = {}
        for _ in range(context.repeat):
            for server in both:
                words = ["--sessions", sessions, "--count", context.few(300)]
                runs = found.setdefault(server.name, [])
                runs.append(_load(context, server, "login", *words, user="u%04d@example.test"))
        _add(result, f"LOGIN, LOGOUT, {sessions} at a time", found)
    found = {}
    for _ in range(context.repeat):
        for server in both:
            maildir = server.maildir("bench")
            servers.fresh(maildir)
            runs = found.setdefault(server.name, [])
            runs.append(_load(context, server, "idle", "--count", context.few(15), "--maildir", maildir))
    _add(result, "IDLE: rename to EXISTS", found, ("ms",))
    return result


def _row(
    context: bench.Context, result: table.Table, both: list[servers.Server], operation: str, what: str, cold: bool
) -> None:
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(context.repeat):
        for server in both:
            if cold:
                _forget(server)
            if cold or operation in _OF_FILES:
                _read(server)
            found.setdefault(server.name, []).append(_load(context, server, operation))
    _add(result, what, found)


def _resync(context: bench.Context, result: table.Table, both: list[servers.Server]) -> None:
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(context.repeat):
        for server in both:
            fields = _load(context, server, "resync", "--count", 50)
            fields["cpu_ms"] /= fields["items"]
            found.setdefault(server.name, []).append(fields)
    _add(result, "QRESYNC after 100 changes", found)


def _forget(server: servers.Server) -> None:
    """Remove what a server knows of the mailbox beside its UIDs."""
    for pattern in _CACHES:
        for path in server.maildir("bench").glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _read(server: servers.Server) -> None:
    """Bring every message into the kernel's cache: who comes first must not read the disk for who comes next."""
    for directory in ("cur", "new"):
        for path in server.maildir("bench").joinpath(directory).iterdir():
            path.read_bytes()


def _load(
    context: bench.Context, server: servers.Server, operation: str, *words: object, user: str = _USER
) -> dict[str, float]:
    port = server.ports["imap"]
    fields = context.load("imap", "127.0.0.1", port, user, servers.PASSWORD, operation, *words, cpu_of=server)
    fields["cpu_ms"] = 1000 * fields["server_cpu_s"]
    return fields


def _add(
    result: table.Table, what: str, found: dict[str, list[dict[str, float]]], fields: tuple[str, ...] = ("ms", "cpu_ms")
) -> None:
    for field in fields:
        mine, theirs = ([run[field] for run in found.get(name, [])] for name in ("mailkit", "Dovecot"))
        result.add(f"{what}{'' if field == 'ms' else ', CPU'}", "ms", mine, theirs)
