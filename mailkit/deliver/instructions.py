"""Obeying a dot file, in its order; mail is sent on last, when everything else has worked (dot-qmail(5)).

Exit status of a program: 0 done; 99 done, and the lines after it do not count; 64 65 67 68 70 76 77 78 100 112
refused for good; everything else, also a signal and too long a time: tried again later. A message that has to be
tried again goes through all lines again, as with qmail.
"""

from __future__ import annotations

import os
import time

from mailkit import clock, log
from mailkit.deliver import dotfile, mbox, pipe, work
from mailkit.deliver.dotfile import Dotfile, Instruction
from mailkit.deliver.forward import forward
from mailkit.deliver.outcome import Outcome
from mailkit.deliver.task import Task
from mailkit.exits import Perm, Temp
from mailkit.mail import header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_REFUSED = frozenset((64, 65, 67, 68, 70, 76, 77, 78, 100, 112))
_STOP = 99
_TOLD = 20  # queue ids in one outcome: mailkit-why follows them
_VERP = "-@[]"  # ends a sender in which each recipient is to be written


async def follow(task: Task, found: Dotfile, save: Callable[[str], Awaitable[Outcome]]) -> Outcome:
    """Do what `found` says. Temp and Perm as soon as a line has trouble.

    save: delivers to the Maildir at a path; "" is the user's own.
    """
    targets: list[str] = []
    fields = b""
    done = []
    for instruction in found.instructions:
        if instruction.kind == dotfile.ADDRESS:
            targets.append(_with_domain(instruction.value, task.verdict.domain))
            continue
        if instruction.kind == dotfile.LIST:
            fields = list_fields(task)
            continue
        done.append(instruction.kind)
        if await _obey(task, found, instruction, save) == _STOP:
            break
    text = "delivered as the user's own file says"
    if targets:
        targets = list(dict.fromkeys(targets))
        ids = await _send_on(task, found, targets, fields)
        done.append(f"sent on to {len(targets)}")
        text += f"; sent on to {len(targets)} as {' '.join(ids[:_TOLD])}"
    q = task.message.q or None
    log.event("dotfile", q=q, to=task.verdict.address, file=found.path, did=", ".join(done) or "thrown away")
    return Outcome("ok", "2.0.0", text)


async def _obey(task: Task, found: Dotfile, instruction: Instruction, save: Callable[[str], Awaitable[Outcome]]) -> int:
    """One line that is not an address; the exit status of a program, else 0."""
    if instruction.kind == dotfile.PROGRAM:
        return await _program(task, found, instruction.value)
    if instruction.kind == dotfile.MBOX:
        path = _path(task, found, instruction.value)
        await work.done(mbox.append, path, task.sender, [task.lines, *task.message.chunks()])
        return 0
    await save("" if instruction.kind == dotfile.MAILBOX else _path(task, found, instruction.value))
    return 0


async def _program(task: Task, found: Dotfile, command: str) -> int:
    control = task.home.control
    if not control.flag("dotprograms"):
        raise Temp("programs are not run here", code="4.3.5", detail=f"{found.path}: control/dotprograms")
    try:
        result = await work.done(
            pipe.run,
            command,
            task.message.chunks(),
            environment(task, found),
            task.directory,
            float(control.seconds("programtime")),
        )
    except OSError as error:
        raise Temp("a program cannot be run now", code="4.3.0", detail=f"{command}: {error.strerror}")
    said = " ".join(result.output.split())
    q, to = task.message.q or None, task.verdict.address
    log.event("program", q=q, to=to, command=command, status=result.status, said=said or None)
    if result.status in (0, _STOP):
        return result.status
    if result.status in _REFUSED:
        raise Perm(said or "refused by the recipient's program", code="5.3.0", detail=f"{command}: {result.status}")
    text = "took too long" if result.status == pipe.TIMED_OUT else f"ended with status {result.status}"
    raise Temp(f"the recipient's program {text}", code="4.3.0", detail=f"{command}: {said}" if said else command)


async def _send_on(task: Task, found: Dotfile, targets: list[str], fields: bytes) -> list[str]:
    """To all addresses; from the list's owner where there is one (dot-qmail(5), VERP). The queue ids."""
    sender = new_sender(task, found)
    if not sender.endswith(_VERP):
        return [await forward(task, sender, targets, fields=fields)]
    ids = []
    prefix, _, domain = sender.removesuffix(_VERP).rpartition("@")
    for target in targets:
        name, _, host = target.rpartition("@")
        ids.append(await forward(task, f"{prefix}{name}={host}@{domain}", [target], fields=fields))
    return ids


def list_fields(task: Task) -> bytes:
    """What a message of a mailing list gets (RFC 2919, 2369). Perm when it went through this list before."""
    local, _, domain = task.verdict.address.rpartition("@")
    id = f"<{local}.{domain}>"
    if any(id.encode() in value for value in header.values(task.message.header, b"List-Id")):
        raise Perm("this message has been through this list before: mail loop", code="5.4.6")
    owner = f"mailto:{local}-owner@{domain}"
    lines = f"List-Id: {id}\nList-Post: <mailto:{local}@{domain}>\nList-Owner: <{owner}>\nPrecedence: list\n"
    return lines.encode("utf-8", "surrogateescape")


def new_sender(task: Task, found: Dotfile) -> str:
    """NEWSENDER of qmail-command(8): LOCAL-owner@DOMAIN when FILE-owner exists, LOCAL-owner-@DOMAIN-@[] with VERP when
    FILE-owner-default does too; else the sender. The null sender stays (a report must not come back as a new
    message)."""
    if not task.sender or not os.path.exists(found.path + "-owner"):
        return task.sender
    local, _, domain = task.verdict.address.rpartition("@")
    if os.path.exists(found.path + "-owner-default"):
        return f"{local}-owner-@{domain}{_VERP}"
    return f"{local}-owner@{domain}"


def environment(task: Task, found: Dotfile) -> dict[str, str]:
    """The variables of qmail-command(8), and where our own programs find this mail system."""
    verdict = task.verdict
    local, _, host = verdict.address.rpartition("@")
    extension = verdict.extension
    user = verdict.user.local if verdict.user is not None else local
    hosts = host.split(".")
    parts = _cuts(extension)
    values = {
        "SENDER": task.sender,
        "NEWSENDER": new_sender(task, found),
        "RECIPIENT": verdict.address,
        "USER": user,
        "LOGNAME": user,
        "HOME": task.directory,
        "HOST": host,
        "LOCAL": local,
        "EXT": parts[0],
        "EXT2": parts[1],
        "EXT3": parts[2],
        "EXT4": parts[3],
        "HOST2": ".".join(hosts[:-1]),
        "HOST3": ".".join(hosts[:-2]),
        "HOST4": ".".join(hosts[:-3]),
        "DEFAULT": found.default,
        "MAILKIT_HOME": os.path.abspath(task.home.path),
        "RPLINE": f"Return-Path: <{task.sender}>\n",
        "DTLINE": f"Delivered-To: {verdict.address}\n",
        "UFLINE": f"From {task.sender or 'MAILER-DAEMON'} {time.asctime(time.gmtime(clock.now()))}\n",
    }
    return {name: value.replace("\0", "") for name, value in values.items()}


def _cuts(extension: str) -> list[str]:
    """EXT, EXT2, EXT3, EXT4: each what is behind the next separator."""
    found = [extension]
    for _ in range(3):
        rest = found[-1]
        at = next((i for i, char in enumerate(rest) if char in "-+"), len(rest) - 1)
        found.append(rest[at + 1 :])
    return found


def _with_domain(address: str, domain: str) -> str:
    return address if "@" in address else f"{address}@{domain}"


def _path(task: Task, found: Dotfile, text: str) -> str:
    """An absolute path; Temp when it leads out of a home that it may not leave."""
    path = os.path.join(task.directory, text)
    if task.confined:
        inside = os.path.realpath(task.directory)
        if os.path.commonpath((os.path.realpath(path), inside)) != inside:
            raise Temp("delivery instructions lead elsewhere", code="4.3.5", detail=f"{found.path}: {text}")
    return path.rstrip("/") if text.endswith("/") else path
