"""rate: how much one address or one account may send (control/rate).

    account hour 500              messages an hour from one user
    account day 2000              messages a day
    account recipients 5000       recipients a day
    address hour 100              messages an hour from one address that did not log in

The counts lie in run/rate/, one small file for each address or account, shared by all processes; losing one costs
nothing but a fresh start, so they are not synced:

    hour 495360 17
    day 20640 17 23

(kind, the number of the hour or day since 1970, messages, recipients). IPv6 counts by /64. Machines in
control/relayfrom and our own are not counted as addresses; accounts always are. A file that was not written for a day
counts no more and is removed in passing, as are the oldest where somebody has many addresses to come from.
"""

from __future__ import annotations

import os

from mailkit import clock, files
from mailkit.control.networks import customer, is_loopback
from mailkit.exits import Perm
from mailkit.policy.verdict import Verdict, defer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.policy.facts import Facts

_HOUR_S, _DAY_S = 3600, 86400
_KINDS = ("account", "address")
_MOST = 10_000  # files
_SWEEP = 64  # one message in so many looks for files to remove
_LOCK_WAIT_S = 0.1  # the event loop waits with us: better a count lost


class Limits:
    """Limits of an address or an account, 0 for none."""

    __slots__ = ("day", "hour", "recipients")

    def __init__(self) -> None:
        self.hour = self.day = self.recipients = 0

    def __bool__(self) -> bool:
        return bool(self.hour or self.day or self.recipients)


_NO_LIMITS = Limits()


class Counts:
    """Messages this hour and this day, recipients this day."""

    __slots__ = ("day", "hour", "recipients")

    def __init__(self, hour: int = 0, day: int = 0, recipients: int = 0) -> None:
        self.hour = hour
        self.day = day
        self.recipients = recipients


async def mail(facts: Facts) -> Verdict | None:
    """One message more would be too many."""
    who, limits = _subject(facts)
    if not limits:
        return None
    counts = read(_path(facts, who))
    if limits.hour and counts.hour >= limits.hour:
        return await _refused(facts, who, 450, "too many messages this hour", counts.hour)
    if limits.day and counts.day >= limits.day:
        return await _refused(facts, who, 450, "too many messages today", counts.day)
    if limits.recipients:
        facts.state["rate.recipients"] = counts.recipients
    return None


async def rcpt(facts: Facts) -> Verdict | None:
    """One recipient more would be too many."""
    before = facts.state.get("rate.recipients")
    if not isinstance(before, int):
        return None
    who, limits = _subject(facts)
    if limits.recipients and before + len(facts.recipients) >= limits.recipients:
        return await _refused(facts, who, 452, "too many recipients today", before)
    return None


async def _refused(facts: Facts, who: str, code: int, text: str, count: int) -> Verdict:
    """The refusal; that an account has come so far is told to people."""
    if facts.account and facts.notes is None:  # not for --explain
        from mailkit.policy import alarm

        await alarm.tell(facts, _path(facts, who), text, str(count))
    return defer("4.7.1", text, code=code, detail=f"{who}: {count}")


async def accepted(facts: Facts) -> None:
    """The message is in the queue: count it."""
    who, limits = _subject(facts)
    if limits:
        add(_path(facts, who), len(facts.recipients))
        if clock.random() * _SWEEP < 1:
            files.thin(os.path.join(facts.home.run, "rate"), _DAY_S, _MOST)


def _subject(facts: Facts) -> tuple[str, Limits]:
    """Whom to count, and the limits; none for machines of our own."""
    if facts.account:
        return f"account {facts.account}", _limits(facts, "account")
    if facts.service == "lmtp" or facts.trusted or is_loopback(facts.peer):
        return "", _NO_LIMITS
    return f"address {customer(facts.peer)}", _limits(facts, "address")


_read: tuple[list[str], dict[str, Limits]] = ([], {})  # the lines of control/rate that were read last, and as limits


def _limits(facts: Facts, kind: str) -> Limits:
    """The rows of control/rate for accounts or addresses. Perm for a line that is none."""
    global _read
    lines = facts.home.control.lines("rate")
    if _read[0] is not lines:  # the same list for as long as the file is the same
        limits = {known: Limits() for known in _KINDS}
        for line in lines:
            try:
                of, what, number = row(line)
            except ValueError as error:
                raise Perm("configuration error", code="4.3.5", detail=f"control/rate: {error}")
            setattr(limits[of], what, number)
        _read = lines, limits
    return _read[1][kind]


def row(line: str) -> tuple[str, str, int]:
    """A line of control/rate. ValueError for one that is none."""
    words = line.split()
    if len(words) != 3 or words[0] not in _KINDS or words[1] not in Limits.__slots__ or not words[2].isdecimal():
        raise ValueError(f"{line!r} is not account|address hour|day|recipients NUMBER")
    return words[0], words[1], int(words[2])


def _path(facts: Facts, who: str) -> str:
    name = who.replace(" ", "-").replace("/", "%2F").replace(":", "%3A")
    return os.path.join(facts.home.run, "rate", name)


def read(path: str) -> Counts:
    """The counts of now; none where there is no file, or one that says nothing."""
    try:
        with open(path, "rb") as file:
            return _parsed(file.read(200))
    except FileNotFoundError:
        return Counts()


def add(path: str, recipients: int) -> None:
    """Count one message. OSError where the file cannot be written."""
    fd = os.open(_made(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        files.lock(fd, _LOCK_WAIT_S)
        counts = _parsed(os.read(fd, 200))
        text = b"hour %d %d\nday %d %d %d\n" % (
            clock.now() // _HOUR_S,
            counts.hour + 1,
            clock.now() // _DAY_S,
            counts.day + 1,
            counts.recipients + recipients,
        )
        os.lseek(fd, 0, os.SEEK_SET)
        # Counts only grow within a period, and what is shorter than before is filled with line ends.
        files.write(fd, text.ljust(60, b"\n"))
    finally:
        os.close(fd)


def _made(path: str) -> str:
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        files.mkdir(directory)
    return path


def _parsed(data: bytes) -> Counts:
    counts = Counts()
    for line in data.split(b"\n"):
        words = line.split()
        if not all(word.isdigit() for word in words[1:]):
            continue
        if len(words) == 3 and words[0] == b"hour" and int(words[1]) == clock.now() // _HOUR_S:
            counts.hour = int(words[2])
        elif len(words) == 4 and words[0] == b"day" and int(words[1]) == clock.now() // _DAY_S:
            counts.day, counts.recipients = int(words[2]), int(words[3])
    return counts
