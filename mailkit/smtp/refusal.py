"""From what a check or the router says to the reply the client gets."""

from __future__ import annotations

from mailkit.policy import verdict as verdicts
from mailkit.smtp.reply import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.policy.verdict import Verdict
    from mailkit.smtp.state import Session


async def judge(session: Session, moment: str) -> None:
    """Ask the policy at `moment`. Refused when it says no."""
    found = await session.settings.policy.judge(moment, session.facts)
    if found is not None:
        raise refused(found)


def refused(found: Verdict) -> Refused:
    """The refusal of a reject or defer."""
    usual = 550 if found.kind == verdicts.REJECT else 451
    return Refused(found.code or usual, found.status, found.text, by=found.by, detail=found.detail)
