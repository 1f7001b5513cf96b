"""Which way an address goes. One table decides for RCPT, for the runner and for `mailkit-local --explain`:

    1  the domain is an alias domain          go on with the domain it stands for        control/aliasdomains
    2  the domain is not hosted here          out by SMTP                                control/domains
    3  an alias of exactly this address       the addresses it stands for                users/aliases
    4  a user of exactly this address         that mailbox                               users/passwd
    5  3 and 4 with the extension cut off,    that alias, or that mailbox with the       control/separators
       longest first                          extension
    6  a pattern or catch-all of the domain   the addresses it stands for                users/aliases
    7  postmaster, abuse                      the address that looks after this system   control/postmaster
    8  none of these                          refused

mailkit-addresses(7) tells it to people.
"""

from __future__ import annotations

from mailkit.control import Home
from mailkit.users import names
from mailkit.users.passwd import Passwd, User

_ROLES = ("postmaster", "abuse")  # RFC 5321 4.5.1, RFC 2142


class Verdict:
    """kind: "local", "remote", "unknown", "disabled" or "overquota".

    address: canonical where it could be made so. domain: of the address, after alias domains.
    user: the mailbox it goes to, None when it is an alias or not local. extension: what was cut off.
    targets: the addresses it stands for, [] when it goes to `user` or out.
    code, text: for the refusal (enhanced status code of RFC 3463, one sentence), "" when it is not refused.
    steps: one line for each thing that was looked at and decided something.
    """

    __slots__ = ("address", "code", "domain", "extension", "kind", "steps", "targets", "text", "user")

    def __init__(self, kind: str, address: str, domain: str, steps: list[str]) -> None:
        self.kind = kind
        self.address = address
        self.domain = domain
        self.steps = steps
        self.user: User | None = None
        self.extension = ""
        self.targets: list[str] = []
        self.code = ""
        self.text = ""

    @property
    def deliverable(self) -> bool:
        """May mail for it be accepted, as far as the address goes?"""
        return self.kind in ("local", "remote")


def judge(home: Home, address: str) -> Verdict:
    """Which way `address` goes. Temp when the user data cannot be read, or aliases go round in circles."""
    steps: list[str] = []
    local, at, name = address.rpartition("@")
    if not at:  # RFC 5321 4.1.1.3: <postmaster> is the only one that needs no domain
        local, name = name, home.control.text("me")
    if name.startswith("["):
        return _remote(address, name.lower(), steps)
    try:
        domain = _alias_domain(home, names.domain(name), steps)
    except ValueError as error:
        return _refused(Verdict("unknown", address, name, steps), "5.1.2", str(error))
    if domain not in hosted(home):
        return _remote(f"{local}@{domain}", domain, steps)
    try:
        return _here(home, names.local_part(local), domain, steps)
    except ValueError as error:
        return _refused(Verdict("unknown", address, domain, steps), "5.1.3", str(error))


def hosted(home: Home) -> frozenset[str]:
    """The domains whose mail is delivered here, canonical."""
    return _domains(home, "domains")


def _here(home: Home, local: str, domain: str, steps: list[str]) -> Verdict:
    """An address in a hosted domain: exact lines before cut ones, those before what a domain catches."""
    address = f"{local}@{domain}"
    verdict = Verdict("local", address, domain, steps)
    passwd = Passwd(home)
    for base in names.bases(address, home.control.text("separators")):
        verdict.extension = address[len(base) - len(domain) : -len(domain) - 1]
        user = passwd.lookup(base)
        if user is not None:
            steps.append(f"{base} is a user (users/passwd)")
            return _to_user(verdict, user)
    verdict.extension = ""
    if _caretaker(home, verdict, local):
        return verdict
    steps.append(f"{address} is in no line of users/passwd and users/aliases")
    verdict.kind = "unknown"
    return _refused(verdict, "5.1.1", "no such user here")


def _caretaker(home: Home, verdict: Verdict, local: str) -> bool:
    """postmaster and abuse exist in every domain (RFC 5321 4.5.1, RFC 2142 4)."""
    target = home.control.text("postmaster")
    if local not in _ROLES or not target or target == verdict.address:
        return False
    verdict.steps.append(f"{verdict.address} stands for {target} (control/postmaster)")
    verdict.targets = [target]
    return True


def _to_user(verdict: Verdict, user: User) -> Verdict:
    verdict.user = user
    if user.may_receive:
        return verdict
    verdict.steps.append(f"{user.address} is disabled")
    verdict.kind = "disabled"
    return _refused(verdict, "5.2.1", "this mailbox is disabled")


def _remote(address: str, domain: str, steps: list[str]) -> Verdict:
    steps.append(f"{domain} is not hosted here (control/domains): it goes out by SMTP")
    return Verdict("remote", address, domain, steps)


def _refused(verdict: Verdict, code: str, text: str) -> Verdict:
    verdict.code = code
    verdict.text = text
    return verdict


def _alias_domain(home: Home, domain: str, steps: list[str]) -> str:
    """The domain that `domain` stands for, itself in most cases."""
    for line in home.control.lines("aliasdomains"):
        alias, _, target = line.partition(" ")
        if _canonical(alias) == domain and target.strip():
            steps.append(f"{domain} stands for {target.strip()} (control/aliasdomains)")
            return _canonical(target.strip())
    return domain


_kept: dict[tuple[str, str], tuple[list[str], frozenset[str]]] = {}


def _domains(home: Home, name: str) -> frozenset[str]:
    """The canonical domains of a control list, worked out anew when the list changes."""
    lines = home.control.lines(name)
    kept = _kept.get((home.path, name))
    if kept is None or kept[0] is not lines:
        kept = _kept[home.path, name] = (lines, frozenset(_canonical(line) for line in lines))
    return kept[1]


def _canonical(domain: str) -> str:
    try:
        return names.domain(domain)
    except ValueError:
        return domain.lower()
