"""A message through the whole chain: SMTP where control/listen has a socket for it, else the queue; runner, Maildir.

The message is known by a random name in its Message-ID and is removed as soon as it has arrived. One that comes too
late stays in the mailbox, and says what it is.
"""

from __future__ import annotations

import os
import select
import smtplib

from mailkit import clock, files
from mailkit.check.finding import BAD, GOOD, Finding, Site
from mailkit.deliver import quota, route
from mailkit.mail import date
from mailkit.maildir import names
from mailkit.net import blocking, sockets
from mailkit.net.watch import Watcher
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.inject import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.users.passwd import User

PATIENCE_S = 20.0
_LOOK_S = 0.5  # where inotify cannot see
_HEAD = 64 << 10


def check(site: Site) -> Iterator[Finding]:
    """Nothing without --canary ADDRESS."""
    if not site.canary:
        return
    verdict = route.judge(site.home, site.canary)
    if not verdict.deliverable or verdict.user is None:
        yield Finding(BAD, f"{site.canary} is no mailbox here: {verdict.text or verdict.kind}", "name a user's address")
        return
    yield _sent(site, verdict.user)


def _sent(site: Site, user: User) -> Finding:
    name = clock.token(16)
    inbox = os.path.join(user.maildir, "new")
    watcher = Watcher()
    files_seen = _listed(inbox)
    watch = watcher.add([inbox], lambda: None)
    begun = clock.monotonic()
    try:
        way = _send(site, _message(site, name))
        path = _arrived(watcher, inbox, files_seen, name.encode())
    except smtplib.SMTPException as error:
        return Finding(BAD, f"the canary was refused: {error}", "the log says why: mailkit-log(7)")
    finally:
        watch.close()
        watcher.close()
    if not path:
        text = f"the canary was taken by {way} and did not arrive in {PATIENCE_S:g} s"
        return Finding(BAD, text, f"mailkit-why {name}@{site.me}")
    _removed(user, path)
    return Finding(GOOD, f"a message went by {way} to {inbox} in {1000 * (clock.monotonic() - begun):.0f} ms")


def _message(site: Site, name: str) -> bytes:
    lines = (
        f"From: mailkit-check <{site.canary}>",
        f"To: <{site.canary}>",
        f"Date: {date.text(int(clock.now()))}",
        f"Message-ID: <{name}@{site.me}>",
        "Subject: mailkit-check looks whether mail arrives",
        "",
        "This message should have been removed as soon as it was here. It was late; it may be thrown away.",
    )
    return "".join(line + "\n" for line in lines).encode()


def _send(site: Site, message: bytes) -> str:
    """Hand the message in; the way it went. SMTPException, Temp, OSError."""
    for name, address, port in sockets.understood(site.home.control.lines("listen")):
        if name == "mx":
            address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
            with smtplib.SMTP(address, port, timeout=PATIENCE_S) as server:
                server.sendmail(site.canary, [site.canary], message.replace(b"\n", b"\r\n"))
            return "SMTP"
    blocking.run(_queued(site, message))
    return "the queue"


async def _queued(site: Site, message: bytes) -> None:
    spool = Spool(site.home)
    spool.begin(Envelope(site.canary, [Recipient(site.canary)]))
    try:
        spool.write(message)
        await spool.commit()
    finally:
        spool.abort()


def _arrived(watcher: Watcher, inbox: str, known: set[str], name: bytes) -> str:
    """The canary's file once it is there, "" when it does not come."""
    until = clock.monotonic() + PATIENCE_S
    known = set(known)
    while clock.monotonic() < until:
        for entry in sorted(_listed(inbox) - known):
            known.add(entry)
            path = os.path.join(inbox, entry)
            if _is_canary(path, name):
                return path
        if watcher.fd >= 0:
            ready = select.poll()  # select(2) knows only the first 1024 descriptors
            ready.register(watcher.fd, select.POLLIN)
            if ready.poll(1000 * _LOOK_S):
                watcher.read()
        else:
            clock.sleep(_LOOK_S)
    return ""


def _is_canary(path: str, name: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return b"Message-ID: <" + name + b"@" in file.read(_HEAD)
    except FileNotFoundError:
        return False  # somebody read it in this moment


def _removed(user: User, path: str) -> None:
    octets = names.sizes(os.path.basename(path))[0] or os.stat(path).st_size
    files.unlink(path, missing_ok=True)
    if quota.limited(user):
        quota.add(user, -octets, -1)


def _listed(path: str) -> set[str]:
    try:
        return set(os.listdir(path))
    except FileNotFoundError:
        return set()
