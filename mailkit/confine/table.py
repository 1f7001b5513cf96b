"""Which program may do what: one row is a path, letters of `landlock.RIGHTS`, and why.

A path without a slash in front is in the home; "@..." stands for paths that are found when the process begins:

    @system         the interpreter, its libraries, time zones, what /etc says of names and hosts
    @certificates   tls/ and the directories its links lead to
    @maildir        the Maildir of the one user who is served
    @python         the interpreter's program
    @policycommand  paths that the lines of that control value name
    @network        no path: TCP connections of its own
    @become         no path: as root, the capability to become a user with a uid of their own
    /               everything: such a program is not held by paths at all

A row with `when` counts while that control value is set (a flag that is on, a list with lines). What no row allows is
refused by the kernel. `mailkit-security(7)` has the same rows; tests hold the two together and try each row, and what
is beside it, in a process.
"""

from __future__ import annotations

import os
import sys

from mailkit.control.table import TABLE
from mailkit.exits import Perm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home

SYSTEM = "@system"
PYTHON = "@python"
NETWORK = "@network"
BECOME = "@become"


class Row:
    """One row."""

    __slots__ = ("path", "rights", "when", "why")

    def __init__(self, path: str, rights: str, why: str, when: str = "") -> None:
        self.path = path
        self.rights = rights
        self.why = why
        self.when = when


_SYSTEM = Row(SYSTEM, "r", "the interpreter and its libraries")
_CERTIFICATES = Row("@certificates", "r", "handshakes, with renewed certificates too")
_CONTROL = Row("control", "r", "settings")
_USERS = Row("users", "r", "who there is, and password hashes")
_UPGRADE = Row("users", "rw", "storing weak passwords anew", "authupgrade")
_RUN = Row("run", "rw", "failed logins, counters, limits")
_MAIL = Row("domains", "rw", "the mail of every user served in this process")

_READER = (_SYSTEM, _CERTIFICATES, _CONTROL, _USERS, _UPGRADE, _RUN, _MAIL)

PROGRAMS = {
    "smtpd": (
        _SYSTEM,
        _CERTIFICATES,
        _CONTROL,
        _USERS,
        _UPGRADE,
        _RUN,
        Row("queue/tmp", "w", "writing new mail"),
        Row("queue/new", "lm", "putting it in the queue"),
        Row("queue/free", "lw", "files that are written again"),
        Row("queue/ready", "lw", "leaving what is ready for its mailbox"),
        Row(NETWORK, "", "name servers, milters"),
        Row("@policycommand", "rx", "programs of control/policycommand", "policycommand"),
        Row("/usr", "rx", "programs of control/policycommand", "policycommand"),
        Row("/etc", "r", "programs of control/policycommand", "policycommand"),
        Row("/proc", "r", "programs of control/policycommand", "policycommand"),
        Row("/dev", "rw", "programs of control/policycommand", "policycommand"),
        Row("/tmp", "rw", "programs of control/policycommand", "policycommand"),
    ),
    "imapd": _READER,
    "pop3d": _READER,
    "session": (
        _SYSTEM,
        Row("@maildir", "rw", "the mail of the one user"),
    ),
    "mate": (
        _SYSTEM,
        Row("domains", "r", "the mail that a worker of imapd has it read"),
    ),
    "runq": (
        Row("/", "rwx", "programs of dot files may do what their users may", "dotprograms"),
        _SYSTEM,
        _CONTROL,
        _USERS,
        _RUN,
        Row("domains", "rw", "delivering"),
        Row("queue", "rw", "the queue is its own"),
        Row(PYTHON, "rx", "mailkit-local, for users with a uid of their own"),
        Row("/usr", "rx", "the same: what starts programs at all"),
        Row(BECOME, "", "deliveries to these users"),
        Row(NETWORK, "", "name servers, other mail servers"),
    ),
}

_SYSTEM_PATHS = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo", "/lib", "/lib64", "/etc/ssl", "/etc/passwd",
    "/etc/group", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf",
    "/etc/services", "/etc/protocols", "/etc/localtime", "/etc/ld.so.cache", "/proc/meminfo", "/dev/urandom",
    "/dev/null",
)  # fmt: skip
_LETTERS = frozenset("rwx")


def rows(name: str, home: Home) -> list[Row]:
    """The rows that count for a program now, with those that control/confinepaths adds. Perm when it is unfit."""
    found = [row for row in PROGRAMS[name] if not row.when or _is_set(home, row.when)]
    for line in home.control.lines("confinepaths"):
        program, path, letters = ([*line.split(), "", "", ""])[:3]
        if program not in PROGRAMS or path[:1] != "/" or not letters or not set(letters) <= _LETTERS:
            raise Perm(f"control/confinepaths: {line!r} is not PROGRAM /PATH rwx", code="5.3.5")
        if program == name:
            found.append(Row(path, letters, "control/confinepaths"))
    return found


def paths(row: Row, home: Home, maildir: str = "") -> list[str]:
    """The paths a row stands for. A place outside that the home is in would open all of it, and is left out."""
    if row.path == SYSTEM:
        return [*(path for path in _SYSTEM_PATHS if not _holds(path, home)), *_python(home)]
    if row.path == PYTHON:
        return sorted({sys.executable, os.path.realpath(sys.executable), os.path.join(sys.prefix, "pyvenv.cfg")})
    if row.path == "@policycommand":
        words = [word for line in home.control.lines("policycommand") for word in line.split()]
        return [word for word in words if word[0] == "/" and not _holds(word, home)]
    if row.path == "@certificates":
        return _certificates(home.tls)
    if row.path == "@maildir":
        return [maildir]
    if row.path in (NETWORK, BECOME):
        return []
    if row.path[0] != "/":
        return [home.join(row.path)]
    return [] if _holds(row.path, home) else [row.path]


def _holds(place: str, home: Home) -> bool:
    return f"{home.path}/".startswith(f"{place}/")


def _is_set(home: Home, name: str) -> bool:
    return bool(home.control.flag(name) if TABLE[name].kind == "flag" else home.control.lines(name))


def _python(home: Home) -> list[str]:
    """Where modules are imported from. Where the home is inside such a place, only the package itself."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # on no path, where it is installed editable
    names = (package, *sys.path, sys.pycache_prefix, os.path.join(sys.base_prefix, "lib"))
    places = [os.path.abspath(path) for path in names if path]
    return [os.path.join(place, "mailkit") if _holds(place, home) else place for place in places]


def _certificates(tls: str) -> list[str]:
    """tls/, and where its links lead: certbot renews a certificate by a new file beside the old one."""
    found = {tls}
    for name in _names(tls):
        directory = os.path.join(tls, name)
        found.add(os.path.realpath(directory))
        found.update(os.path.dirname(os.path.realpath(os.path.join(directory, file))) for file in _names(directory))
    return sorted(path for path in found if os.path.isdir(path))


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
