"""Into a user's Maildir, with the header lines and checks that belong to final delivery.

    Return-Path: <alice@example.net>          RFC 5321 4.4; replaces any that is there
    Delivered-To: bob@example.test            a message that has it already is in a loop
    (the message)

What is on disk if we die: nothing, a file in the Maildir's tmp/, or the whole message.
"""

from __future__ import annotations

import os

from mailkit import log
from mailkit.control import Home
from mailkit.deliver import outcome
from mailkit.deliver.forward import forward
from mailkit.deliver.message import Message
from mailkit.deliver.outcome import Outcome
from mailkit.deliver.route import Verdict
from mailkit.exits import Perm, Temp, Trouble
from mailkit.mail import header
from mailkit.maildir.save import Delivery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.queue.entry import Recipient
    from mailkit.users.passwd import User


async def deliver(home: Home, verdict: Verdict, sender: str, fd: int, offset: int) -> Outcome:
    """Deliver the octets from `offset` of the file `fd` as a "local" verdict says."""
    return await handle(home, verdict, sender, Message(fd, offset, os.fstat(fd).st_size - offset))


async def handle(
    home: Home,
    verdict: Verdict,
    sender: str,
    message: Message,
    recipient: Recipient | None = None,
    params: dict[str, str] | None = None,
) -> Outcome:
    """Deliver `message` as a "local" verdict says: into a mailbox, or on to the addresses that are meant.

    recipient, params: as in the queue entry it comes from, if any. Trouble becomes an outcome, it is not raised.
    """
    try:
        if verdict.targets:
            refuse_loop(verdict.address, message)
            id = await forward(
                home, message, sender, verdict.targets, verdict.address, recipient, params, expanded=True
            )
            action = "expanded" if len(verdict.targets) > 1 else "relayed"
            return Outcome("ok", "2.0.0", f"sent on to {len(verdict.targets)} as {id}", action=action)
        user = verdict.user
        assert user is not None
        if recipient is None or user.address not in recipient.params.get("via", "").split(","):
            refuse_loop(user.address, message)  # an alias that names itself has looked, and left its line
        return await into_maildir(user, folder_of(user, verdict.extension), sender, message)
    except Trouble as trouble:
        log.event(
            "local", to=verdict.address, verdict=type(trouble).__name__.lower(), code=trouble.code, why=str(trouble)
        )
        return outcome.of(trouble)


def refuse_loop(address: str, message: Message) -> None:
    """Perm when the message was delivered to `address` before: it would go round for ever."""
    if b"delivered-to" in message.header.lower() and address in header.delivered_to(message.header):
        raise Perm("this message has been delivered to this address before: mail loop", code="5.4.6")


def folder_of(user: User, extension: str) -> str:
    """The folder for mail to user+extension: the one of that name if the user has it and allows it, else INBOX.

    A user allows it with `extfolder` in the passwd line. Names compare without regard to case.
    """
    if not extension or "extfolder" not in user.fields:
        return ""
    from mailkit.maildir.tree import Tree

    wanted = extension.casefold()
    for name in Tree(user.maildir).names():
        if name.casefold() == wanted:
            return name
    return ""


async def into_maildir(user: User, folder: str, sender: str, message: Message, flags: str = "") -> Outcome:
    """Save `message` in a folder of `user`. Temp when the disk or the directories refuse it."""
    try:
        with Delivery(user.maildir, folder) as delivery:
            first = True
            for chunk in message.chunks():
                delivery.write(_headed(chunk, sender, user.address, message) if first else chunk)
                first = False
            path = await delivery.commit(flags)
    except (OSError, EOFError) as error:
        raise Temp("the mailbox cannot be written now", code="4.2.0", detail=f"deliver to {user.maildir}: {error}")
    return Outcome("ok", "2.0.0", f"delivered to {folder or 'INBOX'}", action="delivered", path=path)


def lines(sender: str, address: str) -> bytes:
    """The header lines of final delivery."""
    return f"Return-Path: <{sender}>\nDelivered-To: {address}\n".encode("utf-8", "surrogateescape")


def _headed(chunk: bytes, sender: str, address: str, message: Message) -> bytes:
    """The first chunk with our lines in front and without the Return-Path lines of others."""
    block = message.header
    if b"return-path" in block.lower():
        chunk = header.without(block, (b"Return-Path",)) + chunk[len(block) :]
    return lines(sender, address) + chunk
