"""Who is told what about a delivery: reports as new queue entries.

    failed     to the sender, unless NOTIFY says otherwise (RFC 3461 4.1); a report that fails goes to
               control/postmaster once
    delayed    to the sender, once, unless NOTIFY says otherwise
    delivered  to the sender, where NOTIFY asks for success, or BY for a trace (RFC 2852 4.1.4)

Reports have the null sender, and nobody is told of trouble with the null sender's mail (RFC 5321 4.5.5), so no loop
can arise. The text of a report is deliver.bounce.
"""

from __future__ import annotations

from mailkit.control import Home
from mailkit.deliver.message import Message
from mailkit.deliver.outcome import TRACED, Outcome
from mailkit.queue.claim import Claim
from mailkit.queue.entry import Recipient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = "failed"
DELAYED = "delayed"
DELIVERED = "delivered"

_WORD = {FAILED: "FAILURE", DELAYED: "DELAY", DELIVERED: "SUCCESS"}


async def tell(
    home: Home, claim: Claim, message: Message, kind: str, results: Sequence[tuple[Recipient, Outcome]]
) -> None:
    """Queue the report about `results` for those who want it. Temp when it could not be queued: nobody was told."""
    from mailkit.deliver import bounce  # reports are rare: the runner starts without them

    wanted = [(recipient, result) for recipient, result in results if is_wanted(recipient, kind, result)]
    if wanted:
        await bounce.send(home, kind, claim, message, wanted)


def is_wanted(recipient: Recipient, kind: str, result: Outcome) -> bool:
    """RFC 3461 4.1: NOTIFY decides; without it failures and delays are told."""
    notify = recipient.params.get("notify", "")
    if result.action == TRACED:
        return notify != "NEVER"
    if not notify:
        return kind != DELIVERED
    return _WORD[kind] in notify.split(",")
