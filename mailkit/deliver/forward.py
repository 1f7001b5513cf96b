"""Sending a message on: a new queue entry with the same message for other addresses.

Aliases and dot files end here. The copy starts with a Delivered-To line of the address it was sent on from, so that
it is recognised when it comes back (qmail's way of finding loops between systems).
"""

from __future__ import annotations

import itertools
import os

from mailkit.deliver.task import Task
from mailkit.queue import drop
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.inject import Spool

# What the sender asked of whoever carries the message (RFC 3461 5.2.7.2, RFC 6710 4.4); a list asks for itself what
# reports are about (RFC 3461 5.2.7.1).
KEPT = ("body", "smtputf8", "requiretls", "priority", "by")
REPORTING = ("envid", "ret")


async def forward(task: Task, sender: str, targets: list[str], expanded: bool = False, fields: bytes = b"") -> str:
    """Queue the message for the addresses `targets`; returns the queue id. Temp when that failed: nothing was queued.

    What the sender asked for is kept as far as it concerns the next hop. expanded: the targets are final; no alias of
    just that address is looked up again. fields: header lines put in front.
    """
    is_list = sender != task.sender
    asked = {key: value for key, value in task.params.items() if key in KEPT or (key in REPORTING and not is_list)}
    each = _each(task.recipient, task.verdict.address, len(targets))
    if is_list:
        each.pop("notify", None)
        each.pop("orcpt", None)
    if expanded:
        each["expanded"] = "yes"
    envelope = Envelope(sender, [Recipient(target, params=dict(each)) for target in targets], asked)
    chunks = itertools.chain([fields + task.delivered_to], task.message.chunks())
    if not os.access(os.path.join(task.home.queue, "tmp"), os.W_OK):
        return drop.deposit(task.home, envelope, chunks)  # we are a user, who has no rights on the queue
    spool = Spool(task.home)
    id = spool.begin(envelope)
    try:
        for chunk in chunks:
            spool.write(chunk)
        await spool.commit()
    except BaseException:
        spool.abort()
        raise
    return id


def _each(recipient: Recipient | None, passed: str, count: int) -> dict[str, str]:
    """The params of every new recipient. With several of them success is told for the expansion (RFC 3461 5.2.7.3)."""
    params = dict(recipient.params) if recipient is not None else {}
    params.pop("expanded", None)
    if count > 1 and "notify" in params:
        words = [word for word in params["notify"].split(",") if word != "SUCCESS"]
        params["notify"] = ",".join(words) or "NEVER"
    params["via"] = ",".join(filter(None, [params.get("via", ""), passed]))
    return params
