"""relay: mail for others is taken only from people who logged in, from listed machines (control/relayfrom), and for
listed domains (control/relayto): those whose backup MX this is, or whose mail another server behind this one keeps.

Asked first and always. It also holds the rule of the submission services that nothing happens before a login.
"""

from __future__ import annotations

from mailkit.policy.verdict import Verdict, defer, reject
from mailkit.users import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.policy.facts import Facts


async def mail(facts: Facts) -> Verdict | None:
    """Submission is for users: RFC 6409 4.3."""
    if facts.service.startswith("submission") and not facts.account and not facts.trusted:
        return reject("5.7.0", "log in first", code=530)
    return None


async def rcpt(facts: Facts) -> Verdict | None:
    """Not ours, and the peer is nobody we relay for. Where nothing is ours, the list was lost: mail must not go back
    for that."""
    if not facts.remote or ((facts.account or facts.trusted) and facts.service != "lmtp"):
        return None
    control = facts.home.control
    if facts.service == "mx":
        try:
            if takes(control.lines("relayto"), facts.recipient):
                return None
        except ValueError as error:  # a slip in the list sends no mail back
            return defer("4.3.5", "configuration error", detail=f"control/relayto: {error}")
    if not control.lines("domains"):
        return defer("4.3.5", "this server has no domains now", detail="control/domains is empty or missing")
    if facts.service == "lmtp":
        return reject("5.1.2", "this server delivers only here")
    return reject("5.7.1", "we do not relay mail to that domain for you")


def takes(lines: list[str], recipient: str) -> bool:
    """Do these lines of control/relayto name the recipient? ValueError when none does, and one cannot be understood."""
    local, _, name = recipient.rpartition("@")
    try:
        domain = names.domain(name)
    except ValueError:
        return False
    slip: ValueError | None = None
    for line in lines:
        try:
            wanted = entry(line)
        except ValueError as error:
            slip = slip or error
            continue
        if wanted in (domain, f"{local.lower()}@{domain}") or (wanted.startswith(".") and domain.endswith(wanted)):
            return True
    if slip is not None:
        raise slip
    return False


def entry(line: str) -> str:
    """A line of control/relayto in canonical form: "example.com", ".example.com" for the domains below it, or
    "bob@example.com". ValueError when it is none of these."""
    if line.startswith("."):
        return "." + names.domain(line[1:])
    return names.canonical(line) if "@" in line else names.domain(line)
