"""Finding a user among 100,000 lines of the passwd file."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import bench
import servers
import table

from mailkit.control import Home
from mailkit.users import edit
from mailkit.users.passwd import Passwd

_USERS = 100_000


def run(context: bench.Context) -> list[table.Table]:
    """The first look-up of a process, the ones after it, and the one after an edit of the file."""
    home = Home(str(context.work / "home"))
    (context.work / "home" / "users").mkdir(parents=True, exist_ok=True)
    numbers = range(context.few(_USERS))
    with open(home.passwd, "w") as file:
        file.writelines(f"user{number:06d}@example.test:{{PLAIN}}secret::::::\n" for number in numbers)
    chance = random.Random(1)
    cold, later, missing, edited = [], [], [], []
    for _ in range(context.repeat):
        cold.append(_first(home))
        passwd = Passwd(home)
        _timed(passwd, "user000007@example.test", True)
        names = [f"user{chance.choice(numbers):06d}@example.test" for _ in range(1000)]
        later.append(sum(_timed(passwd, name, True) for name in names) / len(names))
        missing.append(sum(_timed(passwd, "x" + name, False) for name in names) / len(names))
        edit.change(home, names[0], lambda user: setattr(user, "gecos", "Changed"))
        edited.append(_timed(passwd, names[0], True))
    result = table.Table(f"Look-up among {len(numbers):,} users", "mailkit", "no peer")
    result.add("first of a process", "ms", cold, [])
    result.add("after the first", "ms", later, [], "1 ms")
    result.add("nobody of that name", "ms", missing, [], "1 ms")
    result.add("first after an edit", "ms", edited, [])
    return [result]


def _first(home: Home) -> float:
    """Milliseconds of the first look-up of a process that has loaded what it needs."""
    words = ["-c", f"from parts import lookup; lookup.first({home.path!r})"]
    done = subprocess.run(
        [sys.executable, *words], cwd=servers.HERE, env=servers.environment(), capture_output=True, check=True
    )
    return float(done.stdout)


def first(path: str) -> None:
    """Print what `_first` wants to know."""
    print(_timed(Passwd(Home(path)), "user000007@example.test", True))


def _timed(passwd: Passwd, name: str, there: bool) -> float:
    """Milliseconds of one look-up."""
    started = time.perf_counter()
    user = passwd.lookup(name)
    taken_ms = 1000 * (time.perf_counter() - started)
    if (user is not None) is not there:
        raise RuntimeError(f"{name}: {user}")
    return taken_ms
