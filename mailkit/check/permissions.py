"""The home: is everything there, whose is it, and who else may look at it or write to it?"""

from __future__ import annotations

import os
import stat

from mailkit import files
from mailkit.check.finding import BAD, GOOD, NOTE, Finding, Site

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailkit.control import Home

# Path below the home, the bits of the mode that others must not have, the mode of a new directory. A group may read
# what another server shares with us; nobody else may. queue/ can be entered on the way to queue/drop.
DIRECTORIES = (
    ("control", 0o022, 0o755),
    ("users", 0o027, 0o700),
    ("queue", 0o066, 0o711),
    ("queue/tmp", 0o077, 0o700),
    ("queue/ready", 0o077, 0o700),
    ("queue/new", 0o077, 0o700),
    ("queue/cur", 0o077, 0o700),
    ("queue/hold", 0o077, 0o700),
    ("queue/failed", 0o077, 0o700),
    ("tls", 0o022, 0o700),
    ("domains", 0o026, 0o700),
    ("run", 0o022, 0o700),
)


def check(site: Site) -> Iterator[Finding]:
    """Directories, then the files with secrets."""
    home = site.home
    try:
        owner = os.stat(home.path).st_uid
    except FileNotFoundError:
        yield Finding(BAD, f"there is no home at {home.path}", f"mailkit-setup --home {home.path}")
        return
    wrong = [*_directories(home, owner), *_secrets(home, owner)]
    yield from wrong
    if not wrong:
        yield Finding(GOOD, f"{home.path} is whole, and belongs to uid {owner}")
    if os.geteuid() == 0 and owner == 0 and os.path.isdir("/run/systemd/system"):
        yield Finding(NOTE, "everything belongs to root", f"chown -R mailkit: {home.path}, if servers run as mailkit")


def _directories(home: Home, owner: int) -> Iterator[Finding]:
    for name, forbidden, mode in DIRECTORIES:
        path = home.join(name)
        try:
            status = os.stat(path)
        except FileNotFoundError:
            yield Finding(BAD, f"{path} is missing", f"mkdir -m {mode:o} {path}", _making(path, mode, owner))
            continue
        yield from _judged(path, status, forbidden, owner)


def _secrets(home: Home, owner: int) -> Iterator[Finding]:
    """Files that must not be read by everybody: passwords, keys, and who wrote to whom."""
    secret = [home.passwd, home.aliases, home.join("control", "routelogins"), home.join("log")]
    for name in _listed(home.tls):
        secret += [home.join("tls", name, key) for key in ("key.pem", "privkey.pem")]
    for path in secret:
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        yield from _judged(path, status, 0o027, owner)
    if not os.path.exists(home.passwd):
        text = "there is no passwd file: mail for users waits, nobody can log in"
        yield Finding(BAD, text, "bring it back from a backup; or mailkit-adduser ADDRESS begins a new one")


def _judged(path: str, status: os.stat_result, forbidden: int, owner: int) -> Iterator[Finding]:
    mode = stat.S_IMODE(status.st_mode)
    if mode & forbidden:
        better = mode & ~forbidden
        text = f"{path} is open to others: mode {mode:o}"
        yield Finding(BAD, text, f"chmod {better:o} {path}", lambda: os.chmod(path, better))
    if status.st_uid != owner and status.st_uid != 0:
        yield Finding(BAD, f"{path} belongs to uid {status.st_uid}, the home to uid {owner}", f"chown {owner} {path}")
    elif status.st_uid != owner and not path.endswith("/control"):
        # What root made by hand, and the mail system's user cannot read.
        yield Finding(BAD, f"{path} belongs to root, the home to uid {owner}", f"chown {owner} {path}")


def _making(path: str, mode: int, owner: int) -> Callable[[], None]:
    def make() -> None:
        files.mkdir(path, mode)
        if os.geteuid() == 0:
            files.chown(path, owner, os.stat(os.path.dirname(path)).st_gid)

    return make


def _listed(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
