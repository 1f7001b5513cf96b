"""What smtpd has to know of mailboxes, and may not look up itself: it is kept away from mail (mailkit-security(7)).

Each question is asked in two places: `takes` and `of_domain` ask, here or through the steward of this process;
`answer_takes` and `answer_of_domain` are what the steward does.
"""

from __future__ import annotations

import os

from mailkit.deliver import dotfile, quota
from mailkit.deliver.dotfile import Dotfile
from mailkit.exits import Temp
from mailkit.net import errand
from mailkit.users import names
from mailkit.users.passwd import Passwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home
    from mailkit.users.passwd import User

ERRANDS = {
    "takes": "mailkit.deliver.errands:answer_takes",
    "dotfile": "mailkit.deliver.errands:answer_of_domain",
}
_YES, _NO = "yes", "no"


def takes(user: User, octets: int) -> bool:
    """Is there room for a message of so many octets in the user's mailbox? Temp."""
    if errand.line < 0:
        return quota.takes(user, octets)
    return errand.ask("takes", user=user.address, octets=str(octets)) == _YES


def of_domain(home: Home, domain: str, local: str, separators: str) -> Dotfile | None:
    """The dot file of a domain for an address that is no user's, without its instructions where we must ask. Temp."""
    directory = os.path.join(home.domains, names.directory(domain))
    if errand.line < 0:
        return dotfile.find_of_domain(directory, local, separators)
    # Most addresses that nobody has are nobody's in this way too, and names may be looked at.
    candidates = dotfile.candidates(local, separators, plain=False)
    if not any(os.path.lexists(os.path.join(directory, name)) for name, _ in candidates):
        return None
    path, _, default = errand.ask("dotfile", domain=domain, local=local).partition("\0")
    return Dotfile(path, default, []) if path else None


def answer_takes(home: Home, words: dict[str, str]) -> str:
    """The steward's part of `takes`. Temp."""
    user = Passwd(home).lookup(words["user"])
    if user is None:
        raise Temp("the mailbox is not available", code="4.2.0", detail=f"{words['user']} is a user no more")
    return _YES if quota.takes(user, int(words["octets"])) else _NO


def answer_of_domain(home: Home, words: dict[str, str]) -> str:
    """The steward's part of `of_domain`. Temp."""
    directory = os.path.join(home.domains, names.directory(names.domain(words["domain"])))
    found = dotfile.find_of_domain(directory, words["local"], home.control.text("separators"))
    return f"{found.path}\0{found.default}" if found is not None else ""
