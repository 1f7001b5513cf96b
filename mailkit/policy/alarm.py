"""The message that says that an account has reached a limit of control/rate: once a day for each account.

It goes to the postmaster and to the account: somebody may have guessed the password, and whoever reads it knows whether
it was they who sent so much. That it was sent today is an empty file beside the counts, run/rate/told-DAY-account-...
(the day since 1970); it goes when they do.
"""

from __future__ import annotations

import os

from mailkit import clock, files, log
from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.policy.facts import Facts

_DAY_S = 86400


async def tell(facts: Facts, counts_path: str, why: str, counted: str) -> None:
    """Queue it, unless it was queued today. Trouble is named in the log: the mail is refused in any case.

    counts_path: the file of the account's counts. why: what is refused, as the client hears it. counted: how many.
    """
    home, account, now = facts.home, facts.account, int(clock.now())
    directory, name = os.path.split(counts_path)
    try:
        os.close(files.create(os.path.join(directory, f"told-{now // _DAY_S}-{name}")))
    except FileExistsError:
        return
    except OSError as error:
        log.event("report", c=facts.id, kind="limit", about=account, error=error.strerror)
        return
    from mailkit.mail import date  # this is rare
    from mailkit.queue.entry import Envelope, Recipient
    from mailkit.queue.inject import Spool

    me = home.control.text("me")
    readers = list(dict.fromkeys(filter(None, (home.control.text("postmaster"), account))))
    text = (
        f"From: Mail system <postmaster@{me}>\nTo: {', '.join(readers)}\nSubject: {account} sends more than it may\n"
        f"Date: {date.text(now)}\nMessage-ID: <{clock.token(16)}@{me}>\nAuto-Submitted: auto-generated\n\n"
        f"The account {account} is refused: {why} ({counted}).\n"
        f"It comes from {facts.peer or 'this machine'}. What it sends is refused for now; nothing is lost.\n\n"
        "If nobody of yours sends that much, somebody else knows the password:\n\n"
        f"    mailkit-passwd {account}\n\n"
        "sets a new one, and ends the sessions that used the old one. The limits are in control/rate.\n"
    )
    spool = Spool(home)
    id = spool.begin(Envelope("", [Recipient(reader) for reader in readers], {}))
    try:
        spool.write(text.encode())
        await spool.commit()
    except Temp as trouble:
        log.event("report", c=facts.id, kind="limit", about=account, error=str(trouble))
        return
    log.event("report", c=facts.id, kind="limit", to=", ".join(readers), about=account, report=id)
