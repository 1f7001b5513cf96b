"""Remote delivery: from a message and the recipients of one domain to one Outcome each.

    routes      control/routes: which way, by recipient and by sender
    hosts       which servers, by MX and address, in which order
    security    how much TLS
    outside     Outside: what a process's deliveries share: name servers, kept connections, dead addresses
    kept        connections kept for the next message
    opening     a session with one server
    delivery    the servers in turn, until everybody has an answer

A process makes one Outside and gives it to every `attempt`. Under the event loop:

    outside = Outside(home, net.loop.Pool())
    outcomes = await remote.attempt(home, "example.org", sender, recipients, fd, offset, params, outside=outside, q=id)
    await outside.tidy()            every second or so
    await outside.close()           at the end
"""

from __future__ import annotations

from mailkit import log
from mailkit.deliver import outcome
from mailkit.deliver.outcome import Outcome
from mailkit.deliver.remote import routes
from mailkit.deliver.remote.delivery import HANDED, Delivery
from mailkit.deliver.remote.outside import Outside
from mailkit.exits import Temp
from mailkit.smtp.client.body import Body
from mailkit.smtp.client.transaction import Mail, To

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from mailkit.control import Home

    class Addressee(Protocol):
        """As in a queue entry."""

        address: str
        params: dict[str, str]


__all__ = ["HANDED", "Outside", "attempt"]


async def attempt(
    home: Home,
    domain: str,
    sender: str,
    recipients: Sequence[Addressee],
    fd: int,
    offset: int,
    params: dict[str, str],
    *,
    outside: Outside,
    q: str = "",
) -> list[Outcome]:
    """Try to send the message at `offset` of `fd` to `recipients`, all of `domain` (or of one routes.destination).

    sender: "" for the null sender. params: of the queue entry's envelope. q: its id, for the log. One
    Outcome for each recipient, in their order; whatever goes wrong is in there. `remote` is set where a
    server said it; its words are the `text`. An Outcome that is ok has the `action` "relayed" where
    nobody further on will tell the sender, HANDED where the server does.
    """
    try:
        route = routes.choose(home, sender, domain)
        mail = Mail(sender, Body(fd, offset), params)
    except Temp as trouble:
        log.event("remote", q=q or None, domain=domain, code=trouble.code, error=str(trouble))
        return [outcome.of(trouble) for _ in recipients]
    except OSError as error:
        log.event("remote", q=q or None, operation="read", error=error.strerror)
        return [Outcome("temp", "4.3.0", "the message could not be read") for _ in recipients]
    to = [To(recipient.address, recipient.params) for recipient in recipients]
    delivery = Delivery(outside, route, domain, mail, to, q)
    await delivery.run()
    return delivery.outcomes
