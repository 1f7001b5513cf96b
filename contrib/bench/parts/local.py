"""Local delivery by pipe: one process per message, as other mail systems start it."""

from __future__ import annotations

import os
import sys

import bench
import servers
import table


def run(context: bench.Context) -> list[table.Table]:
    """mailkit-local beside dovecot-lda, maildrop and procmail, and beside an interpreter that does nothing."""
    count = context.few(200)
    result = table.Table("One 4 KiB message by pipe", "mailkit-local", "the other")
    with servers.ours(context.work / "ours") as ours, bench.peer(
        lambda: servers.dovecot(context.work / "dovecot")
    ) as dovecot:
        commands = {"": [*servers.program("local"), "--home", str(ours.mail.parent), "-d", "bench@example.test"]}
        commands["python3 -I -c pass"] = [sys.executable, "-I", "-c", "pass"]
        if dovecot is not None:
            configuration = str(context.work / "dovecot" / "dovecot.conf")
            commands["dovecot-lda"] = [servers.need("dovecot-lda"), "-c", configuration, "-d", "bench@example.test"]
            commands |= _filters(dovecot)
        found: dict[str, list[dict[str, float]]] = {}
        for _ in range(context.repeat):
            for name, command in commands.items():
                fields = context.load("spawn", "exit" if name.startswith("python") else "pipe", count, *command)
                if fields["failed"]:
                    raise RuntimeError(f"{name or 'mailkit-local'} failed {fields['failed']} times of {count}")
                found.setdefault(name, []).append(fields)
    goals = {"dovecot-lda": "wall: ratio 1.5 or less", "python3 -I -c pass": "wall: ratio 2.5 or less"}
    mine = found.pop("")
    for name, theirs in found.items():
        for field, what in (("p50_ms", "wall"), ("cpu_ms", "CPU")):
            both = ([run[field] for run in runs] for runs in (mine, theirs))
            result.add(f"{what}, beside {name}", "ms", *both, goals.get(name, "") if what == "wall" else "")
    return [result]


def _filters(dovecot: servers.Server) -> dict[str, list[str]]:
    """maildrop and procmail, where they are installed, delivering into bench's Maildir."""
    maildir = dovecot.maildir("bench")
    found = {}
    for name, words in (("maildrop", ["-f", "load@bench.example"]), ("procmail", ["-p", "-m"])):
        try:
            path = servers.need(name)
        except servers.Missing:
            continue
        rules = maildir.parent / f"{name}.rc"
        text = (servers.HERE / "peers" / "lda" / f"{name}.rc").read_text()
        rules.write_text(text.replace("@MAILDIR@", str(maildir)))
        os.chmod(rules, 0o600)
        found[name] = [path, *words, str(rules)]
    return found
