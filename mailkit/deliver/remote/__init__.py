"""Remote delivery: from a message and the recipients of one domain to one Outcome each.

    routes      control/routes: which way, by recipient and by sender
    hosts       which servers, by MX and address, in which order
    security    how much TLS
    outside     Outside: what a process's deliveries share: name servers, kept connections, dead addresses
    kept        connections kept for the next message
    race        connections begun one after the other: the first wins
    opening     a session with one server
    delivery    the servers in turn, until everybody has an answer

    outcomes = await remote.attempt(home, "example.org", sender, recipients, fd, offset, params, q=id)
    await remote.close()            when the process ends

Deliveries of one process share one Outside for each home, made at the first of them; under a running
event loop it uses that.
"""

from __future__ import annotations

from mailkit import log
from mailkit.deliver import outcome
from mailkit.deliver.outcome import HANDED, Outcome
from mailkit.deliver.remote import routes
from mailkit.deliver.remote.delivery import Delivery
from mailkit.deliver.remote.outside import Outside
from mailkit.deliver.remote.routes import Route
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


__all__ = ["HANDED", "Outside", "attempt", "close", "shared"]

_shared: dict[str, tuple[object, Outside]] = {}  # by path of the home, with the event loop it works under


async def attempt(
    home: Home,
    domain: str,
    sender: str,
    recipients: Sequence[Addressee],
    fd: int,
    offset: int,
    params: dict[str, str],
    *,
    whole: bytes = b"",
    outside: Outside | None = None,
    route: Route | None = None,
    q: str = "",
) -> list[Outcome]:
    """Try to send the message at `offset` of `fd` to `recipients`, all of `domain` (or of one Route.key).

    sender: "" for the null sender. params: of the queue entry's envelope. whole: the message, if it is in memory.
    outside: in the place of the process's own. route: if it was chosen already. q: the entry's id, for the log.

    One Outcome for each recipient, in their order; whatever goes wrong is in there. `remote` is set where a server
    said it; its words are the `text`. An Outcome that is ok has the `action` "relayed" where nobody further on will
    tell the sender, HANDED where the server does.
    """
    try:
        route = route or routes.choose(home, sender, domain)
        mail = Mail(sender, Body(fd, offset, whole), params)
    except Temp as trouble:
        log.event("remote", q=q or None, domain=domain, code=trouble.code, error=str(trouble))
        return [outcome.of(trouble) for _ in recipients]
    except OSError as error:
        log.event("remote", q=q or None, operation="read", error=error.strerror)
        return [Outcome("temp", "4.3.0", "the message could not be read") for _ in recipients]
    to = [To(recipient.address, recipient.params) for recipient in recipients]
    delivery = Delivery(outside or shared(home), route, domain, mail, to, q)
    await delivery.run()
    return delivery.outcomes


def shared(home: Home) -> Outside:
    """The Outside that this process's deliveries for `home` share."""
    import asyncio

    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    kept = _shared.get(home.path)
    if kept is None or kept[0] is not running:
        from mailkit.net.loop import Pool

        kept = _shared[home.path] = (running, Outside(home, Pool() if running is not None else None))
    return kept[1]


async def close() -> None:
    """Say goodbye to every server that a connection is kept to."""
    for _, outside in list(_shared.values()):
        await outside.close()
    _shared.clear()
