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
from mailkit.deliver import dotfile, outcome, quota, work
from mailkit.deliver.dotfile import Dotfile
from mailkit.deliver.message import Message
from mailkit.deliver.outcome import Outcome
from mailkit.deliver.route import Verdict
from mailkit.deliver.task import Task
from mailkit.exits import Perm, Temp, Trouble
from mailkit.mail import header
from mailkit.maildir import names
from mailkit.maildir.save import Delivery
from mailkit.users.identity import foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.deliver.quota import Usage
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
    folder: str = "",
) -> Outcome:
    """Deliver `message` as a "local" verdict says: into a mailbox, or on to the addresses that are meant.

    recipient, params, folder: see Task. Trouble becomes an outcome, it is not raised.
    """
    task = Task(home, verdict, sender, message, recipient, params, folder)
    try:
        return await _deliver(task)
    except Trouble as trouble:
        word = "temp" if trouble.passing else "perm"
        q = message.q or None
        log.event("local", q=q, to=verdict.address, verdict=word, code=trouble.code, why=str(trouble))
        return outcome.of(trouble)


async def _deliver(task: Task) -> Outcome:
    """By the first of: alias, dot file, Maildir. Temp and Perm."""
    verdict = task.verdict
    if foreign(verdict.user):
        from mailkit.deliver import identity

        return await work.done(identity.deliver, task)
    if not task.just_expanded:
        refuse_loop(verdict.address, task.message)
    if verdict.targets:
        from mailkit.deliver.forward import forward  # as little is loaded as a delivery into a mailbox needs

        id = await forward(task, task.sender, verdict.targets, expanded=True)
        action = "expanded" if len(verdict.targets) > 1 else "relayed"
        return Outcome("ok", "2.0.0", f"sent on to {len(verdict.targets)} as {id}", action=action)
    found = dotfile_of(task.home, verdict)
    if found is not None:
        from mailkit.deliver.instructions import follow

        return await follow(task, found, lambda path: into_maildir(task, path))
    return await into_maildir(task)


def dotfile_of(home: Home, verdict: Verdict) -> Dotfile | None:
    """The instructions for this address, if there are any. Temp when they cannot be used."""
    if verdict.user is None or not home.control.flag("dotfiles"):
        return verdict.dotfile
    return dotfile.find(verdict.user.directory, verdict.extension, home.control.text("separators"))


def refuse_loop(address: str, message: Message) -> None:
    """Perm when the message was delivered to `address` before: it would go round for ever."""
    if b"delivered-to" in message.header.lower() and address in header.delivered_to(message.header):
        raise Perm("this message has been delivered to this address before: mail loop", code="5.4.6")


def headed(chunk: bytes, task: Task) -> bytes:
    """The first chunk with our lines in front and without the Return-Path lines of others."""
    block = task.message.header
    if b"return-path" in block.lower():
        chunk = header.without(block, (b"Return-Path",)) + chunk[len(block) :]
    return task.lines + chunk


def folder_of(user: User, asked: str, extension: str) -> str:
    """The folder that was asked for, by whoever started us or by the extension, if the user has it; else "", INBOX.

    For the extension a user allows it with `extfolder` in the passwd line. Names compare without regard to case.
    """
    wanted = asked or (extension if "extfolder" in user.fields else "")
    if not wanted:
        return ""
    from mailkit.maildir.tree import Tree

    wanted = wanted.casefold()
    return next((name for name in Tree(user.maildir).names() if name.casefold() == wanted), "")


async def into_maildir(task: Task, path: str = "", flags: str = "") -> Outcome:
    """Save the message in the Maildir at `path`, or the user's own. Temp when the disk or the directories refuse it."""
    user = task.verdict.user
    if path:
        return await _saved(task, path, "", flags)
    if user is None:
        raise Temp("the domain's instructions name no Maildir", code="4.3.5", detail=task.directory)
    within_s = task.home.control.seconds("duplicates")
    if not within_s:
        return await _within_quota(task, user, flags)
    from mailkit.deliver import duplicates

    key = duplicates.key(task)
    if key and duplicates.seen(user.directory, key, within_s):
        return Outcome("ok", "2.0.0", "came before: thrown away", action="delivered")
    result = await _within_quota(task, user, flags)
    if key:
        try:
            duplicates.note(user.directory, key, within_s)
        except OSError as error:
            log.event("duplicates", to=user.address, error=error.strerror)
    return result


async def _within_quota(task: Task, user: User, flags: str) -> Outcome:
    """Save it in the user's Maildir if there is room."""
    folder = folder_of(user, task.folder, task.verdict.extension)
    if not quota.limited(user):
        return await _saved(task, user.maildir, folder, flags)
    before = await work.done(_room_for, user, task.message.size)
    result = await _saved(task, user.maildir, folder, flags)
    await _counted(task, user, before, os.path.basename(result.path))
    return result


def _room_for(user: User, octets: int) -> Usage:
    """What the user has, when there is room for so much more. Temp, not Perm: it was accepted, so it waits for room."""
    if not quota.takes(user, octets):
        raise Temp("the mailbox is full", code="4.2.2")
    return quota.usage(user)


async def _counted(task: Task, user: User, before: Usage, name: str) -> None:
    """Write the new message down, and warn when it crossed a level."""
    octets = names.sizes(name)[0] or task.message.size
    try:
        quota.add(user, octets, 1)
    except OSError as error:
        log.event("quota", to=user.address, error=error.strerror)  # it is counted anew some time
    from mailkit.deliver import fullness

    level = fullness.crossed(task.home, before, octets)
    if level:
        before.octets += octets
        before.messages += 1
        await fullness.warn(task.home, user.address, level, before)


async def _saved(task: Task, path: str, folder: str, flags: str) -> Outcome:
    try:
        with Delivery(path, folder) as delivery:
            first = True
            for chunk in task.message.chunks():
                delivery.write(headed(chunk, task) if first else chunk)
                first = False
            saved = await delivery.commit(flags)
    except (OSError, EOFError) as error:
        raise Temp("the mailbox cannot be written now", code="4.2.0", detail=f"deliver to {path}: {error}")
    return Outcome("ok", "2.0.0", f"delivered to {folder or 'INBOX'}", action="delivered", path=saved)
