"""systemd: the account the servers run as, their units, and the sockets.

The units are those of contrib/systemd, installed as share/mailkit/systemd. Written here they name the programs and the
home of this installation. A unit that is there already stays as it is.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys

from mailkit.exits import Perm, Temp

ACCOUNT = "mailkit"
DIRECTORY = "/etc/systemd/system"
SOCKETS = ("mx", "submission", "submissions", "imap", "imaps", "pop3", "pop3s")
_DROP_IN = "mailkit-.service.d"
_HOME = "/var/lib/mailkit"
_PROGRAMS = "/usr/local/bin/"
_CLOSED = ("/home/", "/root/", "/run/user/")  # ProtectHome= of the units: servers see nothing there


def run(*words: str) -> None:
    """Run a program of the system. Temp when it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Temp(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")


def allowed(home: str, programs: str) -> None:
    """Perm when servers could not be started by systemd from these places, or we may not set it up."""
    if os.geteuid() != 0:
        raise Perm("--systemd needs root")
    for path in (home, programs):
        if f"{path}/".startswith(_CLOSED):
            raise Perm(f"{path}: the units let no server into {', '.join(_CLOSED)}; choose another place")


def account(home: str) -> tuple[int, int]:
    """uid and gid of the mail system's account, made when there is none. Temp."""
    try:
        found = pwd.getpwnam(ACCOUNT)
    except KeyError:
        run("useradd", "--system", "--user-group", "--home-dir", home, "--shell", "/usr/sbin/nologin", ACCOUNT)
        found = pwd.getpwnam(ACCOUNT)
    return found.pw_uid, found.pw_gid


def exists() -> bool:
    """Is there the account?"""
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        return False
    return True


def texts(home: str, programs: str) -> dict[str, str]:
    """The path of each unit below DIRECTORY, and its text for this home and these programs."""
    source = _source()
    names = [name for name in os.listdir(source) if name.endswith((".service", ".socket", ".target", ".timer"))]
    names += [os.path.join(_DROP_IN, name) for name in os.listdir(os.path.join(source, _DROP_IN))]
    found = {}
    for name in sorted(names):
        with open(os.path.join(source, name), encoding="utf-8") as file:
            found[name] = _placed(file.read(), home, programs)
    return found


def started() -> bool:
    """Let a running systemd open the sockets and start the queue runner; False when none runs. Temp."""
    if not os.path.isdir("/run/systemd/system"):
        return False
    run("systemctl", "daemon-reload")
    run("systemctl", "enable", "--now", "mailkit.target", *(f"mailkit-{name}.socket" for name in SOCKETS))
    return True


def _placed(text: str, home: str, programs: str) -> str:
    text = text.replace(_PROGRAMS, programs.rstrip("/") + "/")
    if home == _HOME:
        return text
    # StateDirectory= is always below /var/lib.
    text = text.replace("StateDirectory=mailkit\n", f"ReadWritePaths={home}\n")
    return text.replace(_HOME, home)


def _source() -> str:
    """Where the units are: beside the package, as in the source, or where it was installed to."""
    tree = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for path in (os.path.join(tree, "contrib", "systemd"), os.path.join(sys.prefix, "share", "mailkit", "systemd")):
        if os.path.isdir(path):
            return path
    raise Perm(f"there are no units in {sys.prefix}/share/mailkit/systemd")
