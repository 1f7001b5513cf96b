"""What a process may still do: the part of the system's rights that a program needs, and nothing else.

    table      which program may do what to which path: strings, one row each; mailkit-security(7) shows them
    landlock   the kernel's means to hold a process to it (landlock(7)), without a package
    process    no new privileges, no core dumps, no capabilities, limits

    prepare(name, home)              the directories it needs are there
    program(name, home)              this process is that program from now on, and may what its rows say
    session(name, home, maildir)     this process serves one user from now on

There is no way back, and children inherit it. Call both before the process has threads. Where the kernel has no
Landlock, or control/landlock says no, the rest still holds and one log line says so.
"""

from __future__ import annotations

import os

from mailkit import files, log
from mailkit.confine import landlock, process, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home

SESSION = "session"
"""The name of the rows for a process that serves one user."""


def program(name: str, home: Home) -> bool:
    """Hold this process to what the table says of a program. False: not by paths; the table or the log says why."""
    process.keep_secrets()
    if name not in table.PROGRAMS:
        return False
    rows = table.rows(name, home)
    if any(row.path == "/" for row in rows):
        return False  # it may start programs of users, which need the whole system
    process.no_new_privileges()
    if not any(row.path == table.BECOME for row in rows):
        process.drop_capabilities()
    prepare(name, home)
    return _held(name, home, rows, "")


def session(name: str, home: Home, maildir: str) -> bool:
    """Hold this process to one user's Maildir. What it knows of the control values is what they say now."""
    home.control.freeze()
    process.keep_secrets()
    process.no_new_privileges()
    process.drop_capabilities()
    process.limit(home.control.octets("sessionmemory"))
    # What the kernel lacks is said when servers start, and in mailkit-security(7): not for each session.
    return possible(home) and _held(f"{name} {SESSION}", home, table.rows(SESSION, home), maildir)


def possible(home: Home) -> bool:
    """Is there anything to hold a process with, and is it wanted?"""
    return landlock.abi() >= landlock.LEAST and home.control.flag("landlock")


def marks(name: str, home: Home) -> list[tuple[str, str, int, int]]:
    """What the rules of a program hang on: path, rights, device and inode of each place. Another directory in its place
    changes it, and so does a control value that rows hang on.

    When this changes, processes that are confined already are held to what is no longer there: start them anew.
    """
    if name not in table.PROGRAMS or not possible(home):
        return []
    rows = [row for row in table.rows(name, home) if row.path not in (table.SYSTEM, table.PYTHON)]
    found = []
    for path, rights in [(path, row.rights) for row in rows for path in table.paths(row, home)]:
        try:
            status = os.stat(path)
            found.append((path, rights, status.st_dev, status.st_ino))
        except OSError:
            continue
    return found


def prepare(name: str, home: Home) -> None:
    """Make the directories of the home that a program writes in: what appears later is in no rule of the kernel's."""
    if name not in table.PROGRAMS or not possible(home):
        return
    rows = table.rows(name, home)
    for path in [home.join(row.path) for row in rows if row.path[0].isalpha() and set(row.rights) & {"w", "m"}]:
        try:
            if not os.path.isdir(path):
                files.mkdir(path)
                owner = os.stat(home.path)
                if os.geteuid() == 0:
                    files.chown(path, owner.st_uid, owner.st_gid)
        except OSError as error:
            log.event("confine", directory=path, error=error.strerror)


def _held(name: str, home: Home, rows: list[table.Row], maildir: str) -> bool:
    if not home.control.flag("landlock"):
        return False
    if landlock.abi() < landlock.LEAST:
        log.event("confine", program=name, verdict="not", abi=landlock.abi(), wanted=landlock.LEAST)
        return False
    paths = [(path, row.rights) for row in rows for path in table.paths(row, home, maildir)]
    network = any(row.path == table.NETWORK for row in rows)
    try:
        landlock.restrict(paths, network)
    except OSError as error:
        log.event("confine", program=name, verdict="not", error=str(error))
        return False
    return True
