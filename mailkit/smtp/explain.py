"""mailkit-smtpd --explain: what would be answered to a message, and why, without taking it.

    connect  relay    -
    rcpt     relay    reject 550 5.7.1 we do not relay mail to that domain for you
    rcpt     route    bob@example.test is a user (users/passwd)
    answer   250 2.1.5 <bob@example.test>

One line for each check that was asked and for each thing the router looked at; "-" is no objection. The message on
standard input, unless that is a terminal, is given to the checks of the moment `data`.
"""

from __future__ import annotations

import os
import sys

from mailkit.deliver import route
from mailkit.exits import OK, PERM, TEMP, Trouble
from mailkit.net import blocking
from mailkit.policy.facts import Facts
from mailkit.policy.message import Held
from mailkit.smtp import refusal, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mailkit.control import Home
    from mailkit.policy.verdict import Verdict

_PIECE_OCTETS = 64 << 10


def run(home: Home, service: str, peer: str, helo: str, user: str, sender: str, recipients: list[str]) -> int:
    """Print the explanation; 0 when the message would be taken for everybody, 100 or 111 when not.

    peer: the client's address.   helo: its name, for which the address in brackets stands in.
    user: who logged in, "" for nobody.
    """
    facts = Facts(home, service, _at_once)
    facts.notes = []
    facts.id = "explain"
    literal = f"[IPv6:{peer}]" if ":" in peer else f"[{peer or '127.0.0.1'}]"  # RFC 5321 4.1.3
    facts.peer, facts.helo, facts.extended = peer, helo or literal, True
    facts.account, facts.sender = user, sender
    try:
        status: int = blocking.run(_explain(home, service, facts, recipients))
    except Trouble as trouble:
        print(f"answer   {451 if trouble.passing else 554} {trouble.code} {trouble}")
        status = TEMP if trouble.passing else PERM
    finally:
        facts.close()
    return status


async def _at_once(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


async def _explain(home: Home, service: str, facts: Facts, recipients: list[str]) -> int:
    used = settings.of(home, service)
    facts.trusted = facts.peer in used.relayfrom
    for moment in ("connect", "helo", "mail"):
        if refused := _answered(facts, await used.policy.judge(moment, facts)):
            return refused
    status = OK
    for recipient in recipients:
        status = await _recipient(home, facts, used, recipient) or status
    if status == OK and not sys.stdin.isatty():
        status = await _message(home, facts, used)
    return status


async def _recipient(home: Home, facts: Facts, used: settings.Settings, recipient: str) -> int:
    found = route.judge(home, recipient)
    for step in found.steps:
        print(f"rcpt     route    {step}")
    facts.recipient, facts.remote = recipient, found.kind == "remote"
    refused = await used.policy.judge("rcpt", facts)
    if refused is not None:
        return _answered(facts, refused)
    _answered(facts, None)
    if not found.deliverable:
        print(f"answer   550 {found.code} <{recipient}>: {found.text}")
        return PERM
    facts.recipients.append(recipient)
    print(f"answer   250 2.1.5 <{recipient}>")
    return OK


async def _message(home: Home, facts: Facts, used: settings.Settings) -> int:
    message = Held(home)
    try:
        while piece := os.read(0, _PIECE_OCTETS):
            message.write(piece)
        facts.message, facts.size = message, message.size
        return _answered(facts, await used.policy.judge("data", facts))
    finally:
        message.close()


def _answered(facts: Facts, refused: Verdict | None) -> int:
    """Print what the checks said since the last call, and the answer if they refuse."""
    assert facts.notes is not None
    for moment, name, found in facts.notes:
        print(f"{moment:<8} {name:<8} {_said(found)}")
    facts.notes.clear()
    if refused is None:
        return OK
    reply = refusal.refused(refused).reply
    print(f"answer   {reply.code} {reply.status} {reply.text}")
    return TEMP if reply.temporary else PERM


def _said(found: Verdict | None) -> str:
    if found is None:
        return "-"
    refusing = found.decisive and found.status
    reply = refusal.refused(found).reply if refusing else None
    words = [found.kind, f"{reply.code} {reply.status}" if reply else "", found.text or found.field, found.detail]
    return " ".join(word for word in words if word)


