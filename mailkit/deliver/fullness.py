"""The message a user gets when the mailbox becomes nearly full: once for each level that is crossed."""

from __future__ import annotations

from mailkit import clock, log
from mailkit.control import Home
from mailkit.deliver.quota import Usage
from mailkit.exits import Temp


def crossed(home: Home, usage: Usage, octets: int) -> int:
    """The highest level (percent, control/quotawarnings) that a message of so many octets crosses; 0 for none.

    usage: as it was before the message.
    """
    before, after = usage.percent(), usage.percent(octets, 1)
    levels = [int(word) for word in home.control.text("quotawarnings").split() if word.isdigit()]
    return max((level for level in levels if before < level <= after), default=0)


async def warn(home: Home, address: str, level: int, usage: Usage) -> None:
    """Queue the warning. Trouble is named in the log: the mail that crossed the level is what matters."""
    from mailkit.mail import date  # few messages cross a level
    from mailkit.queue.entry import Envelope, Recipient
    from mailkit.queue.inject import Spool

    me, now = home.control.text("me"), int(clock.now())
    limits = []
    if usage.max_octets is not None:
        limits.append(f"{usage.octets // 1024} of {usage.max_octets // 1024} KiB")
    if usage.max_messages is not None:
        limits.append(f"{usage.messages} of {usage.max_messages} messages")
    text = (
        f"From: Mail system <postmaster@{me}>\nTo: {address}\nSubject: Your mailbox is {level} percent full\n"
        f"Date: {date.text(now)}\nMessage-ID: <{clock.token(16)}@{me}>\nAuto-Submitted: auto-generated\n\n"
        f"Your mailbox {address} holds {' and '.join(limits)}.\n"
        "When it is full, new mail is refused. Please remove what you do not need, also from Trash and Sent.\n"
    )
    spool = Spool(home)
    spool.begin(Envelope("", [Recipient(address)]))
    try:
        spool.write(text.encode())
        await spool.commit()
    except Temp as trouble:
        log.event("quota", to=address, level=level, error=str(trouble))
        return
    log.event("quota", to=address, level=level, verdict="warned")
