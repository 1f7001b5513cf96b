"""relay: mail for others is taken only from people who logged in and from listed machines (control/relayfrom).

Asked first and always. It also holds the rule of the submission services that nothing happens before a login.
"""

from __future__ import annotations

from mailkit.policy.verdict import Verdict, defer, reject

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
    if not facts.home.control.lines("domains"):
        return defer("4.3.5", "this server has no domains now", detail="control/domains is empty or missing")
    if facts.service == "lmtp":
        return reject("5.1.2", "this server delivers only here")
    return reject("5.7.1", "we do not relay mail to that domain for you")
