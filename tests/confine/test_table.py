"""Every row of the table, and all that is beside it, tried for real: a process is confined, then it tries.

What a program may do to a file is worked out here from the letters of the rows; the kernel is asked by a child that
has confined itself by the same rows. A new row is tried without a change here.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mailkit import confine, files
from mailkit.confine import landlock, table
from mailkit.control import Home
from tests.harness.homes import make_home, set_control

SECRET = b"secret\n"
MAILDIR = "domains/example.test/alice/Maildir"
THINGS = (
    "control/me",
    "users/passwd",
    "users/aliases",
    "run/known",
    "tls/mail.example.test/key.pem",
    "dkim/example.test.key",
    "queue/tmp/entry",
    "queue/new/entry",
    "queue/cur/entry",
    "queue/hold/entry",
    "queue/failed/entry",
    "queue/free/1",
    f"{MAILDIR}/cur/message",
    f"{MAILDIR}/.Sent/cur/message",
    "domains/example.test/alice/.qmail",
    "domains/example.test/bob/Maildir/cur/message",
    "../outside/file",
)
REFUSED = (errno.EACCES, errno.EPERM, errno.EXDEV)

held = pytest.mark.skipif(landlock.abi() < landlock.LEAST, reason="this kernel has no Landlock, or an old one")


def programs() -> list[tuple[str, str]]:
    """(program, control value that is set) for each program and each condition of its rows."""
    return [
        (name, when)
        for name, rows in table.PROGRAMS.items()
        for when in ("", *sorted({row.when for row in rows} - {""}))
    ]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make_home(tmp_path / "home", tls=True)
    for path in (*THINGS, *(f"{row.path}/of-a-row" for row in all_rows() if row.path[0].isalpha())):
        files.mkdir(home.join(os.path.dirname(path)))
        if not os.path.exists(home.join(path)):
            Path(home.join(path)).write_bytes(SECRET)
    set_control(home, "dotprograms", "no")
    return home


def all_rows() -> list[table.Row]:
    return [row for rows in table.PROGRAMS.values() for row in rows]


def in_child(confined: Callable[[], object], deeds: Callable[[], object]) -> object:
    """What `deeds` gives in a process that has called `confined`."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            confined()
            found = deeds()
        except BaseException as error:
            found = f"{type(error).__name__}: {error}"
        with os.fdopen(writer, "w") as file:
            json.dump(found, file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        found = file.read()
    os.waitpid(child, 0)
    return json.loads(found)


def may(deed: Callable[[], object]) -> bool:
    try:
        deed()
    except OSError as error:
        if error.errno in REFUSED:
            return False
        raise
    return True


def tries(path: str) -> dict[str, bool]:
    """What may be done to a file, and in its directory; a deed that succeeds is undone where that may be."""
    directory = os.path.dirname(path)
    fresh = f"{path}-fresh"

    def write() -> None:
        os.close(os.open(path, os.O_WRONLY))

    def make() -> None:
        os.mknod(fresh, 0o600)

    def rename() -> None:
        os.rename(path, f"{path}-moved")
        os.rename(f"{path}-moved", path)

    return {
        "read": may(lambda: os.close(os.open(path, os.O_RDONLY))),
        "write": may(write),
        "cut": may(lambda: os.truncate(path, os.stat(path).st_size)),
        "list": may(lambda: os.listdir(directory)),
        "make": may(make),
        "rename": may(rename),
        "remove": may(lambda: os.unlink(path)),
    }


def wanted(letters: set[str]) -> dict[str, bool]:
    """The same, as the letters of the rows have it."""
    writes = "w" in letters
    return {
        "read": "r" in letters,
        "write": writes,
        "cut": writes or landlock.abi() < 3,
        "list": bool(letters & {"r", "l"}),
        "make": bool(letters & {"w", "m"}),
        "rename": writes,
        "remove": writes,
    }


def letters_for(path: str, rows: list[table.Row], home: Home) -> set[str]:
    found = set()
    for row in rows:
        for place in table.paths(row, home, home.join(MAILDIR)):
            if os.path.normpath(path) == place or os.path.normpath(path).startswith(place + "/"):
                found |= set(row.rights)
    return found


def hold(name: str, home: Home) -> bool:
    if name == confine.SESSION:
        return confine.session("imap", home, home.join(MAILDIR))
    return confine.program(name, home)


def switch_on(home: Home, when: str) -> None:
    if when:
        set_control(home, when, "yes")


@held
@pytest.mark.parametrize(("name", "when"), programs())
def test_each_thing_may_be_done_that_a_row_allows_and_nothing_else(name: str, when: str, home: Home) -> None:
    switch_on(home, when)
    rows = table.rows(name, home)
    if (name, when) == ("runq", "dotprograms"):  # what it starts may do what the users may: the page says so
        assert in_child(lambda: None, lambda: hold(name, home)) is False
        return
    paths = sorted({home.join(path) for path in THINGS} | {f"{home.join(row.path)}/of-a-row" for row in rows})
    paths = [path for path in paths if os.path.exists(path)]
    found = in_child(lambda: hold(name, home), lambda: {path: tries(path) for path in paths})
    assert found == {path: wanted(letters_for(path, rows, home)) for path in paths}


@held
@pytest.mark.parametrize(("name", "when"), [pair for pair in programs() if pair != ("runq", "dotprograms")])
def test_programs_networks_and_others(name: str, when: str, home: Home) -> None:
    """What is no path of the home: starting programs, TCP, signals, other people's files."""
    switch_on(home, when)
    rows = table.rows(name, home)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def deeds() -> dict[str, bool]:
            return {
                "start a program": may(lambda: subprocess.run(["/usr/bin/true"], check=True)),
                "connect": may(lambda: socket.create_connection(server.getsockname(), 5).close()),
                "listen": may(lambda: socket.create_server(("127.0.0.1", 0)).close()),
                "signal": may(lambda: os.kill(os.getppid(), 0)),
                "read /etc/shadow": may(lambda: os.close(os.open("/etc/shadow", os.O_RDONLY))),
                "import": may(lambda: __import__("wave")),
                "read /root": may(lambda: os.listdir("/root")),
            }

        found = in_child(lambda: hold(name, home), deeds)
    network = any(row.path == table.NETWORK for row in rows) or landlock.abi() < 4
    assert found == {
        "start a program": "x" in letters_for("/usr/bin/true", rows, home),
        "connect": network,
        "listen": network,
        "signal": landlock.abi() < 6,
        "read /etc/shadow": os.getuid() == 0 and "r" in letters_for("/etc/shadow", rows, home),
        "import": True,
        "read /root": os.getuid() == 0 and "r" in letters_for("/root", rows, home),
    }


@pytest.mark.parametrize("name", sorted(table.PROGRAMS))
def test_privileges_dumps_and_capabilities(name: str, home: Home) -> None:
    set_control(home, "landlock", "no")  # which leaves the rest
    set_control(home, "confinepaths", f"{name} /proc r")

    def deeds() -> dict[str, object]:
        with open("/proc/self/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
        held = {name: int(status[name], 16) for name in ("CapEff", "CapPrm")}
        return {"privileges": status["NoNewPrivs"], "core": resource.getrlimit(resource.RLIMIT_CORE), **held}

    found = in_child(lambda: hold(name, home), deeds)
    assert isinstance(found, dict)
    assert (found["privileges"], found["core"]) == ("1", [0, 0])
    may_become = any(row.path == table.BECOME for row in table.PROGRAMS[name])
    if not may_become:
        kept = 1 << 0 | 1 << 1 | 1 << 3  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER
        assert found["CapEff"] & ~kept == found["CapPrm"] & ~kept == 0


def test_one_user_has_so_much_memory(home: Home) -> None:
    set_control(home, "sessionmemory", "300M")

    def deeds() -> str:
        try:
            return str(len(bytearray(400 << 20)))
        except MemoryError:
            return "MemoryError"

    assert in_child(lambda: hold(confine.SESSION, home), deeds) == "MemoryError"


def test_one_user_keeps_the_settings_of_the_login(home: Home) -> None:
    def deeds() -> list[object]:
        return [home.control.text("me"), home.control.octets("appendlimit"), home.control.lines("domains")]

    found = in_child(lambda: hold(confine.SESSION, home), deeds)
    assert found == ["mail.example.test", 50 << 20, ["example.test"]]


@held
def test_further_paths(home: Home) -> None:
    outside = os.path.realpath(home.join("../outside"))
    set_control(home, "confinepaths", f"imapd {outside} r", f"pop3d {outside} rw")
    found = in_child(lambda: hold("imapd", home), lambda: tries(f"{outside}/file"))
    assert found == wanted({"r"})


@pytest.mark.parametrize("line", ["imapd", "imapd relative r", "imapd /x", "imapd /x q", "nobody /x r"])
def test_unfit_further_paths_are_no_way_in(line: str, home: Home) -> None:
    set_control(home, "confinepaths", line)
    assert str(in_child(lambda: hold("imapd", home), lambda: "held")).startswith("Perm")


def test_a_kernel_without_landlock_is_named_once(home: Home, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.setattr(landlock, "_kept_abi", 1)
    found = in_child(lambda: [hold("imapd", home), hold(confine.SESSION, home)], lambda: lines)
    assert found == ["confine program=imapd verdict=not abi=1 wanted=2"]


def test_switched_off(home: Home) -> None:
    set_control(home, "landlock", "no")
    found = in_child(lambda: hold("imapd", home), lambda: tries(home.join("../outside/file")))
    assert found == wanted(set("rw"))
