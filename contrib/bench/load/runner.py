"""The runner alone: a queue full of messages to users here, delivered by one `mailkit-runq --once`.

    python3 -m load.runner DIRECTORY COUNT CMD...

A home is made in DIRECTORY, with 100 users and COUNT messages of 4 KiB; CMD is mailkit-runq, without its options.
Prints messages per second and CPU milliseconds of each, without what starting the program and looking at an empty
queue takes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time

import measure

from mailkit.control import Home
from mailkit.queue import inject
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.inject import Spool

_USERS = 100
_LINE = b"0123456789 abcdefghijklmnopqrstuvwxyz 0123456789\n"
_MESSAGE = b"From: <load@bench.example>\nSubject: queue\n\n" + _LINE * 82


async def fill(home: Home, count: int) -> None:
    """Queue the messages, to each user in turn."""
    for number in range(count):
        spool = Spool(home)
        spool.begin(Envelope("load@bench.example", [Recipient(f"u{number % _USERS}@example.test")]))
        spool.write(_MESSAGE)
        await spool.commit()


def make(directory: str) -> Home:
    home = Home(directory)
    for name in ("control", "users", "run"):
        os.makedirs(f"{directory}/{name}")
    with open(f"{directory}/control/me", "w") as me, open(f"{directory}/control/domains", "w") as domains:
        me.write("mail.example.test\n")
        domains.write("example.test\n")
    with open(home.passwd, "w") as passwd:
        for number in range(_USERS):
            passwd.write(f"u{number}@example.test:{{PLAIN}}x::::::\n")
            for part in ("cur", "new", "tmp"):
                os.makedirs(f"{home.domains}/example.test/u{number}/Maildir/{part}")
    inject.prepare(home)
    return home


def run(command: list[str], home: Home) -> tuple[float, float]:
    """Wall and CPU seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run([*command, "--home", home.path, "--once"], check=True, stderr=subprocess.DEVNULL)
    wall_s = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, used.ru_utime - before.ru_utime + used.ru_stime - before.ru_stime


def main() -> None:
    directory, count, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    home = make(directory)
    idle_wall_s, idle_cpu_s = run(command, home)
    asyncio.run(fill(home, count))
    wall_s, cpu_s = run(command, home)
    delivered = sum(len(os.listdir(f"{home.domains}/example.test/u{n}/Maildir/new")) for n in range(_USERS))
    measure.emit(
        messages=delivered,
        errors=count - delivered,
        first_error="not delivered" if delivered < count else None,
        per_s=delivered / (wall_s - idle_wall_s),
        cpu_ms=1000 * (cpu_s - idle_cpu_s) / count,
    )


if __name__ == "__main__":
    main()
