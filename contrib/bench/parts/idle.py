"""Memory of idle IMAP sessions: logged in, INBOX selected, in IDLE."""

from __future__ import annotations

import bench
import servers
import table


def run(context: bench.Context) -> list[table.Table]:
    """PSS per session over 1,000 of them, plain and with TLS; Dovecot as packaged and with shared login processes."""
    sessions = context.few(1000)
    result = table.Table(f"{sessions} idle IMAP sessions", "mailkit", "Dovecot, shared logins")
    for tls, goal in ((False, "50 KiB"), (True, "100 KiB")):
        found: dict[str, list[dict[str, float]]] = {}
        for _ in range(context.repeat):
            # A fresh server each time: what the last thousand left behind would make the next look cheap.
            with servers.ours(context.work / "ours") as ours:
                found.setdefault("mailkit", []).append(_one(context, ours, sessions, tls))
            with bench.peer(lambda: servers.dovecot(context.work / "dovecot", LOGIN="fast")) as dovecot:
                if dovecot is not None:
                    found.setdefault("Dovecot", []).append(_one(context, dovecot, sessions, tls))
        kind = "TLS" if tls else "plain"
        for field, name, unit, target in (
            ("pss_kib", "PSS per session", "KiB", goal),
            ("before_kib", "PSS before the first", "KiB", ""),
            ("per_s", "logged in, selected, idle", "sessions/s", ""),
        ):
            mine, theirs = ([run[field] for run in found.get(name_, [])] for name_ in ("mailkit", "Dovecot"))
            result.add(f"{name}, {kind}", unit, mine, theirs, target)
    return [result]


def _one(context: bench.Context, server: servers.Server, sessions: int, tls: bool) -> dict[str, float]:
    port = server.ports["imaps" if tls else "imap"]
    words = ["127.0.0.1", port, "u%04d@example.test", servers.PASSWORD, "--sessions", sessions, "--root", server.root]
    return context.load("idle", *words, *(["--tls"] if tls else []))
