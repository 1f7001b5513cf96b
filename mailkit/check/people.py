"""users/: lines that do not count, aliases that lead nowhere, and who reads postmaster's mail."""

from __future__ import annotations

import os
import shlex
import stat

from mailkit.check.finding import BAD, GOOD, UNSURE, WARN, Finding, Site
from mailkit.control import Home
from mailkit.deliver import route
from mailkit.exits import Trouble
from mailkit.users.aliases import CIRCLE, Alias, Aliases
from mailkit.users.passwd import Passwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.users.passwd import User

_MOST = 20  # findings of one kind: a broken file must not hide the rest


def check(site: Site) -> Iterator[Finding]:
    """Both files, then the people in them."""
    home = site.home
    wrong = [*_damaged(home.passwd, Passwd(home).damaged()), *_damaged(home.aliases, Aliases(home).damaged())]
    count = 0
    for user in Passwd(home).users():
        count += 1
        if len(wrong) < 2 * _MOST:
            wrong += _person(site, user)
    wrong += [*_aliases(site), *_postmasters(site)]
    yield from wrong
    if not wrong:
        yield Finding(GOOD, f"{count} user{'s' if count != 1 else ''}, every line is understood")


def _damaged(path: str, lines: list[tuple[int, str]]) -> Iterator[Finding]:
    for number, why in lines[:_MOST]:
        yield Finding(BAD, f"{path} line {number} does not count: {why}", f"${{EDITOR:-vi}} +{number} {path}")
    if len(lines) > _MOST:
        yield Finding(BAD, f"{path}: {len(lines) - _MOST} more lines do not count")


def _person(site: Site, user: User) -> Iterator[Finding]:
    if user.domain not in route.hosted(site.home):
        text = f"{user.address} gets no mail: the domain is not in control/domains"
        yield Finding(BAD, text, f"echo {user.domain} >> {site.home.join('control', 'domains')}")
    try:
        status = os.stat(user.maildir)
    except FileNotFoundError:
        return  # the first message makes it
    wanted = user.uid if user.uid is not None else os.stat(site.home.path).st_uid
    if status.st_uid != wanted:
        text = f"{user.maildir} belongs to uid {status.st_uid} and not to {wanted}"
        yield Finding(BAD, text, f"chown -R {wanted} {user.maildir}")
    for path in (user.maildir, *(os.path.join(user.maildir, part) for part in ("cur", "new", "tmp"))):
        mode = stat.S_IMODE(os.stat(path).st_mode) if os.path.isdir(path) else stat.S_IRWXU
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            yield Finding(BAD, f"{path} is closed to its owner: mode {mode:o}", f"chmod u+rwx {path}")


def _aliases(site: Site) -> Iterator[Finding]:
    """Aliases that cannot be expanded, and those that something is doubtful about."""
    wrong = 0
    for alias in Aliases(site.home).every():
        try:
            found = [Finding(WARN, text, mend) for text, mend in doubts(site.home, alias)]
        except Trouble as trouble:
            if trouble.code != CIRCLE:
                yield Finding(UNSURE, str(trouble))
                return
            found = [Finding(BAD, f"the alias {alias.key}: {trouble}", f"mailkit-alias test {shlex.quote(alias.key)}")]
        wrong += bool(found)
        if wrong <= _MOST:
            yield from found
    if wrong > _MOST:
        yield Finding(WARN, f"{wrong - _MOST} more aliases are doubtful")


def doubts(home: Home, alias: Alias) -> Iterator[tuple[str, str]]:
    """Why an alias may not do what it is meant to: one sentence, and what mends it. Temp when the user data cannot be
    read; its code is CIRCLE when the alias leads back to itself."""
    domain = alias.key.rpartition("@")[2]
    if "*" not in domain and domain not in route.hosted(home):
        text = f"the alias {alias.key} gets no mail: {domain} is not in control/domains"
        yield text, f"echo {domain} >> {home.join('control', 'domains')}"
    catches = "*" in alias.key or alias.key.startswith("@")
    sample = alias.key.replace("*", "x") if alias.key[0] != "@" else f"x{alias.key}"
    ends = Aliases(home).expand(sample)
    for target in [one for one in alias.targets if "*" not in one] if catches else ends:
        verdict = route.judge(home, target)
        if verdict.kind == "unknown":
            yield f"the alias {alias.key} leads to {target}: {verdict.text}", f"mailkit-adduser {shlex.quote(target)}"


def _postmasters(site: Site) -> Iterator[Finding]:
    """RFC 5321 4.5.1: every domain has a postmaster who reads mail."""
    for domain in sorted(route.hosted(site.home)):
        try:
            verdict = route.judge(site.home, f"postmaster@{domain}")
        except Trouble:
            continue  # told above
        if not verdict.deliverable:
            text = f"postmaster@{domain} reaches nobody: {verdict.text}"
            yield Finding(WARN, text, f"echo you@{domain} > {site.home.join('control', 'postmaster')}")
