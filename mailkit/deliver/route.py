"""Which way an address goes. One table decides for RCPT, for the runner and for `mailkit-local --explain`:

    1  the domain is not hosted here          out by SMTP                                control/domains
    2  an alias of exactly this address       the addresses it stands for                users/aliases
    3  a user of exactly this address         that mailbox                               users/passwd
    4  2 and 3 with the extension cut off,    that alias, or that mailbox with the       control/separators
       longest first                          extension
    5  a dot file of the domain               its instructions                           domains/DOMAIN/.qmail-*
    6  a pattern or catch-all of the domain   the addresses it stands for                users/aliases
    7  postmaster, abuse                      the address that looks after this system   control/postmaster
    8  none of these                          refused

mailkit-addresses(7) tells it to people.
"""

from __future__ import annotations

from mailkit.control import Home
from mailkit.deliver import errands, quota
from mailkit.deliver.dotfile import Dotfile
from mailkit.exits import Temp
from mailkit.users import names
from mailkit.users.aliases import Aliases
from mailkit.users.passwd import Passwd, User

_ROLES = ("postmaster", "abuse")  # RFC 5321 4.5.1, RFC 2142


class Verdict:
    """kind: "local", "remote", "unknown", "disabled" or "overquota".

    address: canonical where it could be made so. domain: of the address, after alias domains. user: the mailbox it
    goes to, None when it is an alias or not local. extension: what was cut off. targets: the addresses it stands for,
    [] when it goes to `user` or out. dotfile: of the domain, for an address that is no user's; a user's own are
    looked at when mail is delivered. code, text: for the refusal (enhanced status code of RFC 3463, one sentence), ""
    when it is not refused. octets: of the message that needs room. steps: one line for each thing that was looked at
    and decided something.
    """

    __slots__ = (
        "address", "code", "domain", "dotfile", "extension", "kind", "octets", "steps", "targets", "text", "user",
    )  # fmt: skip

    def __init__(self, kind: str, address: str, domain: str, steps: list[str]) -> None:
        self.kind = kind
        self.address = address
        self.domain = domain
        self.steps = steps
        self.user: User | None = None
        self.extension = ""
        self.octets = 1
        self.targets: list[str] = []
        self.dotfile: Dotfile | None = None
        self.code = ""
        self.text = ""

    @property
    def deliverable(self) -> bool:
        """May mail for it be accepted, as far as the address goes?"""
        return self.kind in ("local", "remote")


class _Known:
    """An address that is just a user's. by: what else would have to change for it to mean something else."""

    __slots__ = ("address", "by", "domain", "user")

    def __init__(self, verdict: Verdict, user: User, by: tuple[object, ...]) -> None:
        self.address = verdict.address
        self.domain = verdict.domain
        self.user = user
        self.by = by


_KNOWN_MOST = 500  # addresses of a version of users/passwd


def judge(home: Home, address: str, expanded: bool = False, octets: int = 1) -> Verdict:
    """Which way `address` goes. Temp when the user data cannot be read, or aliases go round in circles.

    expanded: it is what an alias stands for; an alias of exactly this address then means the mailbox. octets: of the
    message, as far as that is known, for which there must be room.

    What was found for a user's own address is kept as long as no file that was looked at has changed.
    """
    if expanded or address.rpartition("@")[2] not in hosted(home):
        return _judged(home, address, expanded, octets)
    try:
        passwd, aliases = Passwd(home).version, Aliases(home).version
    except Temp:
        passwd = aliases = None
    if passwd is None:
        return _judged(home, address, expanded, octets)
    by = (home.control.lines("domains"), home.control.text("separators"), aliases)
    known = passwd.judged.get(address)
    if isinstance(known, _Known) and known.by == by:
        verdict = Verdict("local", known.address, known.domain, [])
        verdict.octets = max(octets, 1)
        return _to_user(verdict, known.user)
    verdict = _judged(home, address, expanded, octets)
    user = verdict.user
    if user is not None and user.address == verdict.address == address and not user.uid_text and not user.gid_text:
        if len(passwd.judged) >= _KNOWN_MOST:
            passwd.judged.clear()
        passwd.judged[address] = _Known(verdict, user, by)
    return verdict


def _judged(home: Home, address: str, expanded: bool, octets: int) -> Verdict:
    """`judge`, by the files."""
    steps: list[str] = []
    local, at, name = address.rpartition("@")
    if not at:  # RFC 5321 4.1.1.3: <postmaster> is the only one that needs no domain
        local, name = name, home.control.text("me")
    if name.startswith("["):
        return _remote(address, name.lower(), steps)
    try:
        domain = names.domain(name)
    except ValueError as error:
        return _refused(Verdict("unknown", address, name, steps), "5.1.2", str(error))
    if domain not in hosted(home):
        return _remote(f"{local}@{domain}", domain, steps)
    try:
        verdict = Verdict("local", f"{names.local_part(local)}@{domain}", domain, steps)
        verdict.octets = max(octets, 1)
        return _here(home, verdict, expanded)
    except ValueError as error:
        return _refused(Verdict("unknown", address, domain, steps), "5.1.3", str(error))


def hosted(home: Home) -> frozenset[str]:
    """The domains whose mail is delivered here, canonical."""
    lines = home.control.lines("domains")
    kept = _kept.get(home.path)
    if kept is None or kept[0] is not lines:
        kept = _kept[home.path] = (lines, frozenset(_canonical(line) for line in lines))
    return kept[1]


_kept: dict[str, tuple[list[str], frozenset[str]]] = {}  # home -> the lines of control/domains and what they mean


def _here(home: Home, verdict: Verdict, expanded: bool) -> Verdict:
    """An address in a hosted domain: exact lines before cut ones, those before what a domain catches."""
    address = verdict.address
    aliases, passwd = Aliases(home), Passwd(home)
    for base in names.bases(address, home.control.text("separators")):
        if not (expanded and base == address) and aliases.exact(base) is not None:
            return _aliased(home, verdict, base, aliases)
        user = passwd.lookup(base)
        if user is not None:
            verdict.extension = address[len(base) - len(verdict.domain) : -len(verdict.domain) - 1]
            return _to_user(verdict, user)
    if _by_dotfile(home, verdict):
        return verdict
    if not expanded and aliases.pattern(address) is not None:
        return _aliased(home, verdict, address, aliases)
    return _caretaker(home, verdict)


def _by_dotfile(home: Home, verdict: Verdict) -> bool:
    """Is there a dot file of the domain for it? Temp when it cannot be used."""
    control = home.control
    if not control.flag("dotfiles"):
        return False
    local = verdict.address.rpartition("@")[0]
    verdict.dotfile = errands.of_domain(home, verdict.domain, local, control.text("separators"))
    if verdict.dotfile is None:
        return False
    verdict.steps.append(f"{verdict.address} has instructions ({verdict.dotfile.path})")
    verdict.extension = local
    return True


def _aliased(home: Home, verdict: Verdict, base: str, aliases: Aliases) -> Verdict:
    """Take what `base` stands for."""
    passwd = Passwd(home)
    separators = home.control.text("separators")

    def known(name: str) -> bool:
        return any(passwd.lookup(one) or aliases.exact(one) for one in names.bases(name, separators))

    targets = aliases.expand(base, known) or [base]
    verdict.steps.append(f"{base} stands for {', '.join(targets)} (users/aliases)")
    return _standing_for(home, verdict, targets)


def _standing_for(home: Home, verdict: Verdict, targets: list[str]) -> Verdict:
    """A single address of ours is judged in place of what stands for it: an unknown one must be refused at RCPT."""
    verdict.targets = targets
    if len(targets) > 1:
        return verdict
    only = judge(home, targets[0], expanded=True, octets=verdict.octets)
    if only.kind == "remote" or only.targets or only.dotfile is not None:
        return verdict
    only.steps[:0] = verdict.steps
    return only


def _caretaker(home: Home, verdict: Verdict) -> Verdict:
    """postmaster and abuse exist in every domain (RFC 5321 4.5.1, RFC 2142 4); nobody else who is in no file."""
    target = home.control.text("postmaster")
    if verdict.address.partition("@")[0] in _ROLES and target and target != verdict.address:
        verdict.steps.append(f"{verdict.address} stands for {target} (control/postmaster)")
        return _standing_for(home, verdict, [target])
    verdict.steps.append(f"{verdict.address} is in no line of users/passwd and users/aliases")
    verdict.kind = "unknown"
    return _refused(verdict, "5.1.1", "no such user here")


def _to_user(verdict: Verdict, user: User) -> Verdict:
    verdict.user = user
    verdict.steps.append(f"{user.address} is a user (users/passwd)")
    if not user.may_receive:
        verdict.steps.append(f"{user.address} is disabled")
        verdict.kind = "disabled"
        return _refused(verdict, "5.2.1", "this mailbox is disabled")
    if quota.limited(user) and not errands.takes(user, verdict.octets):
        verdict.steps.append(f"{user.address} is full")
        verdict.kind = "overquota"
        return _refused(verdict, "5.2.2", "this mailbox is full: it has no room for the message")
    return verdict


def _remote(address: str, domain: str, steps: list[str]) -> Verdict:
    steps.append(f"{domain} is not hosted here (control/domains): it goes out by SMTP")
    return Verdict("remote", address, domain, steps)


def _refused(verdict: Verdict, code: str, text: str) -> Verdict:
    verdict.code = code
    verdict.text = text
    return verdict


def _canonical(domain: str) -> str:
    try:
        return names.domain(domain)
    except ValueError:
        return domain.lower()
