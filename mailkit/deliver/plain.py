"""The plain case: one mailbox, and nothing between it and the message.

Most mail is for one user without instructions, quota or wishes of the sender. Whoever accepts such a message leaves it
as the file that will be in the Maildir (queue.ready), and the runner gives it its name there: one file is written, not
two, and no sync follows the one that made it safe. Whatever is not plain, or is not any more when the runner comes,
goes the ordinary way; so nothing here decides what mail may do, only whether there is anything to decide.
"""

from __future__ import annotations

import os

from mailkit import clock, files, log
from mailkit.control import Home
from mailkit.deliver import dotfile, local, quota, route
from mailkit.deliver.message import Message
from mailkit.deliver.route import Verdict
from mailkit.deliver.task import Task
from mailkit.exits import Trouble
from mailkit.maildir import names
from mailkit.queue import ready
from mailkit.queue.ready import Ready

_IN_A_ROW = 50  # messages; then others have their turn
_devices: dict[str, int] = {}  # of ready/, by the path of the queue


def place(home: Home, verdict: Verdict) -> str:
    """The directory that the message may be renamed into; "" when it takes more than that. The names of instructions
    are looked at, not what is in them."""
    user = verdict.user
    if verdict.kind != "local" or user is None or verdict.targets or verdict.dotfile is not None:
        return ""
    if user.uid_text or user.gid_text or quota.limited(user):
        return ""
    control = home.control
    if control.seconds("duplicates") or (verdict.extension and "extfolder" in user.fields):
        return ""
    directory = user.directory
    if control.flag("dotfiles"):
        for name, _ in dotfile.candidates(verdict.extension, control.text("separators")):
            if os.path.lexists(f"{directory}/{name}"):
                return ""
    return f"{directory}/Maildir/new"


def _takes_ours(home: Home, new: str) -> bool:
    """Can our file be renamed into this directory, and has it the owner it should have there?"""
    try:
        if home.queue not in _devices:
            _devices[home.queue] = os.stat(f"{home.queue}/{ready.DIRECTORY}").st_dev
        there = os.stat(new)
    except OSError:
        return False
    return there.st_dev == _devices[home.queue] and there.st_uid == os.geteuid()


async def put(home: Home, verdict: Verdict, sender: str, id: str, data: bytes) -> bool:
    """Leave the message `data` for the runner in its final form. False: nothing was left, it has to go the ordinary
    way. Perm when it was delivered to this address before."""
    new = place(home, verdict)
    if not new or not _takes_ours(home, new):
        return False
    task = Task(home, verdict, sender, Message(-1, 0, len(data), data, id))
    local.refuse_loop(verdict.address, task.message)
    text = local.headed(data, task)
    unique = f"{int(clock.now())}.R{id}.{clock.host()}"
    bare = text.count(b"\n") - (text.count(b"\r\n") if b"\r" in text else 0)
    base = names.with_sizes(unique, len(text), len(text) + bare)
    name = ready.name(base, text, verdict.address)
    if not name:
        return False
    try:
        await ready.put(home, name, text)
    except OSError as error:
        log.event("queue", q=id, operation="ready", error=error.strerror, instead="entry")
        return False
    return True


def finish(home: Home, found: Ready) -> bool:
    """Deliver what a writer has left. False: it has to go the ordinary way. Temp when users cannot be looked up."""
    path = ready.path(home, found)
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return True  # another runner was faster
    if status.st_size != found.octets:
        return True  # of a writer that died
    new = place(home, route.judge(home, found.address))
    if not new:
        return False
    try:
        files.rename(path, f"{new}/{found.base}")
    except OSError:
        return False
    log.event(
        "deliver",
        q=found.name.id,
        to=found.address,
        by="local",
        verdict="ok",
        code="2.0.0",
        said="delivered to INBOX",
        file=found.base,
    )
    return True


async def look(home: Home) -> None:
    """Deal with all that is there: what nobody was told of, and what those who died have left. OSError when it cannot
    be listed; what is refused for a single message is named in the log, and left for the next time."""
    import asyncio  # of the runner; what accepts messages starts without it

    for number, found in enumerate(ready.entries(home), 1):
        try:
            if ready.whole(home, found) is not None and not finish(home, found):
                await ready.adopt(home, found)
        except FileNotFoundError:
            continue
        except (OSError, Trouble) as error:
            log.event("queue", q=found.name.id, operation="ready", error=str(error), verdict="later")
        if number % _IN_A_ROW == 0:
            await asyncio.sleep(0)
    ready.clear(home)
