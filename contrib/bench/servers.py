"""The servers under test: ours and the peers, started alike and stopped again.

Each serves user bench and users u0000 to u0999 of example.test, password "secret" stored as {PLAIN} (so that a login
measures the server and not a hash), on loopback ports; its Maildirs are where `Server.maildir` says. A peer that is
not installed raises Missing.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DOMAIN = "example.test"
PASSWORD = "secret"
USERS = ["bench", *(f"u{number:04d}" for number in range(1000))]
_READY_S = 30


class Missing(Exception):
    """A program that is needed is not installed."""


class Server:
    """A running server. root: the pid at the top of its process tree. ports: by service name."""

    def __init__(self, name: str, root: int, ports: dict[str, int], mail: pathlib.Path, nested: bool = False) -> None:
        self.name = name
        self.root = root
        self.ports = ports
        self.mail = mail
        self._nested = nested

    def maildir(self, user: str) -> pathlib.Path:
        """A user's Maildir."""
        return (self.mail / DOMAIN / user if self._nested else self.mail / user) / "Maildir"

    def messages(self) -> int:
        """Messages in all Maildirs of u0000 ... u0999."""
        users = USERS[1:]
        return sum(len(os.listdir(self.maildir(user) / part)) for user in users for part in ("new", "cur"))

    def empty(self) -> None:
        """Put all messages, and what the server knows of them, aside.

        They are not removed: ext4 without a journal looks at every inode that was removed within the last minutes
        whenever a file is made, which took the most CPU of all that a delivery does.
        """
        aside = self.mail.parent / f"{self.mail.name}-before-{time.monotonic_ns()}"
        aside.mkdir()
        for user in USERS:
            self.maildir(user).rename(aside / user)
            fresh(self.maildir(user))


def fresh(maildir: pathlib.Path, corpus: pathlib.Path | None = None) -> None:
    """An empty Maildir in the place of what is there, or one with the messages of `corpus`, linked."""
    owner = maildir.parent.stat()
    shutil.rmtree(maildir, ignore_errors=True)
    if corpus is not None:
        subprocess.run(["cp", "-al", corpus, maildir], check=True)
    for part in ("", "cur", "new", "tmp"):
        (maildir / part).mkdir(exist_ok=True)
        os.chown(maildir / part, owner.st_uid, owner.st_gid)


def need(program: str) -> str:
    """The path of a program. Missing."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/lib/dovecot")
    if path is None:
        raise Missing(program)
    return path


@contextlib.contextmanager
def ours(work: pathlib.Path, **control: str) -> Iterator[Server]:
    """mailkit-up with all services; control: what the files in control/ say, beside what all benches need."""
    base = _free(1000)
    home = work / "home"
    run_ours("setup", "--home", str(home), "--domain", DOMAIN, "--ports", str(base), "--yes")
    passwd = "".join(f"{user}@{DOMAIN}:{{PLAIN}}{PASSWORD}::::::\n" for user in USERS)
    (home / "users" / "passwd").write_text(passwd)
    control |= {"maxperip": "0", "maxconn": "5000", "maxmessages": "1000000", "clearauth": "yes"}
    for name, value in control.items():
        (home / "control" / name).write_text(value + "\n")
    mail = home / "domains"
    for user in USERS:
        (mail / DOMAIN / user).mkdir(parents=True, exist_ok=True)
        fresh(mail / DOMAIN / user / "Maildir")
    names = {"mx": 25, "submission": 587, "submissions": 465, "lmtp": 24}
    names |= {"imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995}
    with (work / "mailkit.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, HERE / "subreap.py", *program("up"), "--home", str(home)],
            stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, env=environment(), start_new_session=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"mailkit-up did not start: see {work / 'mailkit.log'}")
        yield Server("mailkit", process.pid, {name: base + port for name, port in names.items()}, mail, nested=True)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def program(name: str) -> list[str]:
    """The command of one of our programs, from this tree."""
    return [sys.executable, str(ROOT / "bin" / f"mailkit-{name}")]


def run_ours(name: str, *words: str) -> None:
    """Run one of our programs to its end."""
    subprocess.run([*program(name), *words], check=True, env=environment(), stdout=subprocess.DEVNULL)


def environment() -> dict[str, str]:
    """What our programs need to run from the tree, with this interpreter and its packages."""
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")
    return {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}


@contextlib.contextmanager
def postfix(work: pathlib.Path, **settings: str) -> Iterator[Server]:
    """Postfix, delivering to Maildirs with virtual(8). settings: POSTFIX_EXTRA, lines of main.cf. Needs root."""
    need("postfix")
    base = _free(2)
    with _peer("postfix", work, base, **settings) as root:
        yield Server("Postfix", root, {"mx": base, "submissions": base + 1}, work / "mail")


@contextlib.contextmanager
def dovecot(work: pathlib.Path, **settings: str) -> Iterator[Server]:
    """Dovecot. settings: LOGIN="fast" for shared login processes, HIBERNATE="2s". Needs root."""
    need("dovecot")
    base = _free(4)
    with _peer("dovecot", work, base, **settings) as root:
        ports = {"imap": base, "imaps": base + 1, "pop3": base + 2, "pop3s": base + 3}
        yield Server("Dovecot", root, ports, work / "mail")


def _free(count: int) -> int:
    """The first of `count` ports on loopback that nobody listens on."""
    with open("/proc/net/tcp") as file:
        taken = {int(line.split()[1].rpartition(":")[2], 16) for line in file.readlines()[1:]}
    return next(base for base in range(20_000, 30_000, 1000) if taken.isdisjoint(range(base, base + count)))


@contextlib.contextmanager
def _peer(name: str, work: pathlib.Path, base: int, **settings: str) -> Iterator[int]:
    """A peer by its start and stop scripts; the pid of its root."""
    if os.geteuid():
        raise Missing(f"{name} as root")
    scripts = HERE / "peers" / name
    try:
        subprocess.run(
            [scripts / "start.sh", work, str(base)], check=True, env={**os.environ, **settings}, timeout=_READY_S,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        yield int((work / f"{name}.pid").read_text())
    finally:
        subprocess.run([scripts / "stop.sh", work], check=False)


def await_messages(server: Server, wanted: int, limit_s: float = 120) -> float:
    """Wait until so many messages lie in the Maildirs of u0000 ...; when that was (time.monotonic)."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        missing = wanted - server.messages()
        if missing <= 0:
            break
        # Looking often costs CPU that the server would like to have.
        time.sleep(0.05 if missing < 500 else 0.2)
    return time.monotonic()
