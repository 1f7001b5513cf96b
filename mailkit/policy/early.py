"""early: a client that talks before it has been greeted does not listen (RFC 5321 4.3.1), and is refused.

How long the greeting waits to see that is control/earlywait; machines of our own are greeted at once.
"""

from __future__ import annotations

from mailkit.policy.verdict import Verdict, reject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.policy.facts import Facts


async def connect(facts: Facts) -> Verdict | None:
    """Octets came before the greeting."""
    if not facts.spoke_early:
        return None
    return reject("5.5.1", "you spoke before the greeting")
