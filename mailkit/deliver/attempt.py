"""One attempt at one queue entry: everybody who can be delivered to now, then the entry's next state.

    recipients --judge--> users here        delivered at once, side by side
                          aliases           sent on as a new entry
                          elsewhere         by domain, where the destination has a place; else they wait ("parked")
                          refused           failed

A recipient is marked as soon as its delivery is durable, so that a crash repeats at most what was in flight. Failures
are reported before they are marked: a crash in between repeats a report, and loses none.
"""

from __future__ import annotations

import asyncio
import os

from mailkit import clock, log
from mailkit.control import Home
from mailkit.deliver import local, notice, outcome, route, schedule
from mailkit.deliver.destinations import Destination, Destinations
from mailkit.deliver.message import Message
from mailkit.deliver.outcome import Outcome
from mailkit.deliver.route import Verdict
from mailkit.deliver.schedule import Schedule
from mailkit.exits import Trouble
from mailkit.mail import header
from mailkit.queue import entry
from mailkit.queue.claim import Claim
from mailkit.queue.entry import Recipient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, TypeVar

    from mailkit.deliver.remote.routes import Route
    from mailkit.queue.spare import Keeper

    R = TypeVar("R")

DISK_WAIT_S = 60.0
AT_ONCE = 50  # local deliveries of one entry side by side: descriptors are not endless


class Attempt:
    """The work on one claimed entry. After `run` it is finished, `deferred`, or waits for the destination `parked`.

    keeper: has the file of a finished entry used again. skipped: addresses that were tried before the entry was
    parked and must wait; `run` adds to them. wished: a person wants it tried now, also where a destination is left
    alone.
    """

    __slots__ = (
        "_alone",
        "_destinations",
        "_due",
        "_home",
        "_keeper",
        "_results",
        "_schedule",
        "_tried",
        "_wished",
        "claim",
        "deferred",
        "message",
        "parked",
        "skipped",
    )

    def __init__(
        self,
        home: Home,
        claim: Claim,
        destinations: Destinations,
        skipped: frozenset[str] = frozenset(),
        keeper: Keeper | None = None,
        wished: bool = False,
    ) -> None:
        self._keeper = keeper
        self._wished = wished
        self._home = home
        self._destinations = destinations
        self._schedule: Schedule | None = None
        self._results: list[tuple[Recipient, Outcome]] = []  # of those that are not simply delivered
        self._tried = False  # somebody was really tried, or refused
        self.claim = claim
        self.message = Message(claim.fd, claim.offset, claim.name.size, claim.head, claim.name.id)
        self.skipped = skipped
        self.deferred = False
        self.parked = ""
        self._due = 0.0  # Unix time before which nothing need be tried
        self._alone = 0  # recipients who were not tried because their destination is left alone

    @property
    def priority(self) -> int:
        """What the client asked for with MT-PRIORITY, -9 to 9 (RFC 6710)."""
        text = self.claim.envelope.params.get("priority", "0")
        return int(text) if text.removeprefix("-").isdecimal() else 0

    async def run(self) -> None:
        """Deliver what can be delivered now and leave the entry finished, deferred or parked."""
        jobs = self._jobs()
        if len(jobs) == 1:
            await jobs[0]
        else:
            for first in range(0, len(jobs), AT_ONCE):
                # All end before a bug in one of them is raised: the others must be marked while we hold the entry.
                ended = await asyncio.gather(*jobs[first : first + AT_ONCE], return_exceptions=True)
                for error in ended:
                    if error is not None:
                        raise error
        await self._settle()

    def _jobs(self) -> list[Coroutine[Any, Any, None]]:
        jobs: list[Coroutine[Any, Any, None]] = []
        elsewhere: list[tuple[str, Recipient]] = []
        deadline, mode = schedule.deadline(self.claim.envelope.params.get("by", ""))
        if mode.startswith("R") and clock.now() >= deadline:
            self._expire()
            return jobs
        for recipient in self.claim.envelope.pending:
            if recipient.address in self.skipped:
                continue
            try:
                verdict = route.judge(self._home, recipient.address, "expanded" in recipient.params)
            except Trouble as trouble:
                self._tried = True
                self._failed(recipient, outcome.of(trouble))
                continue
            if verdict.kind == "remote":
                elsewhere.append((verdict.domain, recipient))
            elif verdict.kind == "local":
                jobs.append(self._local(recipient, verdict))
            else:
                self._tried = True
                self._failed(recipient, refusal(verdict))
        if elsewhere:
            jobs += self._remote_jobs(elsewhere)
        return jobs

    def _expire(self) -> None:
        """RFC 2852 4.1.3: after the deadline it is not tried again."""
        self._tried = True
        for recipient in self.claim.envelope.pending:
            self._failed(recipient, Outcome("perm", "5.4.7", "the time in which it was to be delivered is over"))

    def _remote_jobs(self, elsewhere: list[tuple[str, Recipient]]) -> list[Coroutine[Any, Any, None]]:
        """A job for each destination that has a place; what has none waits."""
        from mailkit.deliver.remote import routes  # DNS and TLS: not before the first message leaves

        groups: dict[str, tuple[str, Route, list[Recipient]]] = {}
        for domain, recipient in elsewhere:
            try:
                way = routes.choose(self._home, self.claim.envelope.sender, domain)
            except Trouble as trouble:
                self._tried = True
                self._failed(recipient, outcome.of(trouble))
                continue
            groups.setdefault(way.key(domain), (domain, way, []))[2].append(recipient)
        jobs = []
        for key, (domain, way, recipients) in groups.items():
            if self._wished:
                self._destinations[key].wake()
            if self._destinations[key].dead():
                self._leave_alone(recipients, self._destinations[key])
            elif self._destinations.take(key):
                jobs.append(self._remote(key, domain, way, recipients))
            elif self._destinations.soon(key):
                jobs.append(self._remote_soon(key, domain, way, recipients))
            else:
                self.parked = key
        return jobs

    async def _local(self, recipient: Recipient, verdict: Verdict) -> None:
        """One recipient here: a mailbox, or the addresses it stands for."""
        self._tried = True
        envelope = self.claim.envelope
        async with self._destinations.here:
            started = clock.monotonic()
            result = await local.handle(self._home, verdict, envelope.sender, self.message, recipient, envelope.params)
        self._record(recipient, result, started, "local")

    async def _remote_soon(self, key: str, domain: str, way: Route, recipients: list[Recipient]) -> None:
        """The same when there is a place, which will be in a moment."""
        if await self._destinations.turn(key):
            await self._remote(key, domain, way, recipients)
        elif self._destinations[key].dead():
            self._leave_alone(recipients, self._destinations[key])
        else:
            self.parked = key

    async def _remote(self, key: str, domain: str, way: Route, recipients: list[Recipient]) -> None:
        """The recipients of one destination, over one connection; the place there is taken already."""
        from mailkit.deliver import remote

        self._tried = True
        started = clock.monotonic()
        envelope = self.claim.envelope
        try:
            results = await remote.attempt(
                self._home,
                domain,
                envelope.sender,
                recipients,
                self.claim.fd,
                self.claim.offset,
                envelope.params,
                whole=self.message.head if self.message.whole else b"",
                route=way,
                q=self.claim.name.id,
            )
        finally:
            self._destinations.give(key, clock.monotonic() - started)
        learn(self._destinations[key], results)
        self._destinations.pass_on(key)
        for recipient, result in zip(recipients, results, strict=True):
            self._record(recipient, result, started, "remote")

    def _leave_alone(self, recipients: list[Recipient], destination: Destination) -> None:
        # Up to a tenth later, as in the schedule: the first to come tries, and the others learn from it.
        wait_s = (destination.dead_until - clock.monotonic()) * (1 + clock.random() / 10)
        self._due = max(self._due, clock.now() + wait_s)
        self._alone += len(recipients)
        for recipient in recipients:
            self._results.append((recipient, Outcome("temp", "4.4.1", destination.text)))

    def _record(self, recipient: Recipient, result: Outcome, started: float, by: str) -> None:
        log.event(
            "deliver",
            q=self.claim.name.id,
            to=recipient.address,
            by=by,
            verdict=result.status,
            code=result.code,
            said=result.text,
            remote=result.remote or None,
            file=os.path.basename(result.path) or None,
            msgid=self._message_id(),
            ms=int((clock.monotonic() - started) * 1000),
        )
        if result.ok:
            told = notice.is_wanted(recipient, notice.DELIVERED, result)
            # The only recipient is done: the entry goes at once, and a mark in it would be written for nothing.
            self.claim.mark([recipient], entry.DONE, late=not told and len(self.claim.envelope.recipients) == 1)
            if told:
                self._results.append((recipient, result))
        else:
            self._results.append((recipient, result))

    def _message_id(self) -> bytes | None:
        """For the log; None when `accept` has told it, which it does for what came over SMTP."""
        if "with" in self.claim.envelope.params:
            return None
        return header.value(self.message.header, b"Message-ID")

    def _failed(self, recipient: Recipient, result: Outcome) -> None:
        self._record(recipient, result, clock.monotonic(), "route")

    async def _settle(self) -> None:
        """Tell whom it concerns, mark, and decide what becomes of the entry."""
        claim, now = self.claim, clock.now()
        arrived = arrival(claim)
        if self._results:
            await self._tell(arrived, now)
        if not claim.envelope.pending:
            keeper = self._keeper
            await self._persist(lambda: claim.finish(keeper.place(claim.name.id) if keeper is not None else ""))
        elif self.parked:
            claim.release()
        else:
            await self._defer(arrived, now)

    async def _tell(self, arrived: float, now: float) -> None:
        plan = self._plan()
        last = plan.overdue(arrived, now)
        done = [pair for pair in self._results if pair[1].ok]
        failed = [pair for pair in self._results if pair[1].status == "perm" or (last and not pair[1].ok)]
        waiting = [pair for pair in self._results if pair[1].status == "temp" and not last]
        unwarned = [pair for pair in waiting if pair[0].status == entry.WAITS]
        if done:
            await notice.tell(self._home, self.claim, self.message, notice.DELIVERED, done)
        if failed:
            await notice.tell(self._home, self.claim, self.message, notice.FAILED, failed)
            self.claim.mark([recipient for recipient, _ in failed], entry.FAILED)
        if unwarned and plan.notice_due(arrived, now):
            await notice.tell(self._home, self.claim, self.message, notice.DELAYED, self._late(unwarned, now))
            self.claim.mark([recipient for recipient, _ in unwarned], entry.WARNED)
        if waiting:
            self.skipped |= {recipient.address for recipient, _ in waiting}
            recipient, result = waiting[0]
            self.claim.note(f"{recipient.address}: {result.code} {result.text}")

    def _late(self, results: list[tuple[Recipient, Outcome]], now: float) -> list[tuple[Recipient, Outcome]]:
        """What a report of delay says; after a deadline it has a code of its own (RFC 2852 4.1.3)."""
        deadline, mode = schedule.deadline(self.claim.envelope.params.get("by", ""))
        if not mode or now < deadline:
            return results
        return [(recipient, Outcome("temp", "4.4.7", found.text, found.remote)) for recipient, found in results]

    async def _defer(self, arrived: float, now: float) -> None:
        claim = self.claim
        attempts = claim.name.attempts + 1 if self._tried else claim.name.attempts
        due = max(self._due, self._plan().next(max(attempts, 1), arrived, now))
        if self._results and len(claim.envelope.pending) < len(claim.envelope.recipients):
            await self._persist(claim.sync)
        left = len(claim.envelope.pending)
        log.event("defer", q=claim.name.id, attempts=attempts, due=int(due), left=left, alone=self._alone or None)
        self.deferred = bool(await self._persist(lambda: claim.defer(due, attempts)))

    def _plan(self) -> Schedule:
        """The schedule of this message; most messages need none."""
        if self._schedule is None:
            by = self.claim.envelope.params.get("by", "")
            self._schedule = schedule.of(self._home.control).within(by, arrival(self.claim))
        return self._schedule

    async def _persist(self, step: Callable[[], R]) -> R:
        """Do `step`, however long the disk refuses: until then we hold the entry, so that nothing repeats."""
        while True:
            try:
                return step()
            except OSError as error:
                log.event("queue", q=self.claim.name.id, error=error.strerror, verdict="waits")
                await asyncio.sleep(DISK_WAIT_S)


def refusal(verdict: Verdict) -> Outcome:
    """The outcome for an address that is not delivered to. A full mailbox was not full at RCPT: the message waits."""
    if verdict.kind == "overquota":
        return Outcome("temp", "4.2.2", verdict.text)
    return Outcome("temp" if verdict.code.startswith("4") else "perm", verdict.code, verdict.text)


def learn(destination: Destination, results: list[Outcome]) -> None:
    """What the outcomes say about the destination: any answer of its own means that it lives, but for 421, by which it
    sends everybody away (RFC 5321 3.8)."""
    if all(result.status == "temp" and result.text.startswith("421") for result in results):
        destination.failed(results[0].text)
    elif any(result.ok or result.remote for result in results):
        destination.worked()
    elif any(result.status == "temp" for result in results):
        destination.failed(results[0].text)


def arrival(claim: Claim) -> float:
    """When the message was accepted, Unix seconds."""
    text = claim.envelope.params.get("arrived", "")
    return float(text) if text.isdigit() else clock.now()
