"""The table of checks, and the chain of those that control/policy asks for, in its order.

    control/policy      early
                        relay
                        helo note
                        milter must

A line is the name of a check and, if need be, how to take what it says:

    on      as it is (the default)          off     do not ask
    note    only log and mark it, in a header field that says what it would have been
    junk    a refusal becomes junk          defer   a refusal becomes a temporary one
    must    as `on`, and when the check itself fails the answer is 451

`relay` is asked first and always, whatever the file says: without it the server would be an open relay.
"""

from __future__ import annotations

from mailkit import clock, log
from mailkit.exits import Perm, Temp, Trouble
from mailkit.net.conn import Closing
from mailkit.policy import verdict as verdicts
from mailkit.policy.verdict import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailkit.policy.facts import Facts

    Check = Callable[[Facts], Awaitable[Verdict | None]]

CHECKS = {
    "relay": "mailkit.policy.relay",
    "early": "mailkit.policy.early",
    "helo": "mailkit.policy.helo",
    "fcrdns": "mailkit.policy.fcrdns",
    "rate": "mailkit.policy.rate",
    "command": "mailkit.policy.command",
    "milter": "mailkit.policy.milter",
}
MOMENTS = ("connect", "helo", "mail", "rcpt", "data", "accepted")
MODES = ("on", "off", "note", "junk", "defer", "must")


class Chain:
    """The checks that are switched on, by moment. Built once for many sessions."""

    __slots__ = ("_budget_s", "_steps", "names")

    def __init__(self, lines: list[str], budget_s: float) -> None:
        """lines: those of control/policy. Perm names a line that says nothing we know."""
        self._budget_s = budget_s
        self._steps: dict[str, list[tuple[str, str, Check]]] = {moment: [] for moment in MOMENTS}
        modes = {"relay": "on"}
        for line in lines:
            name, mode = _parsed(line)
            modes[name] = mode if name != "relay" else "on"
        self.names = [name for name, mode in modes.items() if mode != "off"]
        for name in self.names:
            # importlib would import more than the checks do.
            module = __import__(CHECKS[name], fromlist=("*",))
            for moment in MOMENTS:
                check = getattr(module, moment, None)
                if check is not None:
                    self._steps[moment].append((name, modes[name], check))

    def asks(self, moment: str) -> bool:
        """Is there any check at this moment?"""
        return bool(self._steps[moment])

    async def judge(self, moment: str, facts: Facts) -> Verdict | None:
        """The first verdict that refuses, or None.

        Verdicts that mark (junk, header) are put into facts.marks, in place of those of this moment before; those of
        recipients gather.
        """
        steps = self._steps[moment]
        if not steps:
            return None
        facts.deadline = clock.monotonic() + self._budget_s
        if moment != "rcpt":
            facts.marks.pop(moment, None)
        for name, mode, check in steps:
            try:
                if clock.monotonic() < facts.deadline:
                    found = await check(facts)
                else:
                    found = _passed_over(Temp("time budget used up"), name, mode, moment, facts)
            except Closing:
                raise
            except Exception as error:
                found = _passed_over(error, name, mode, moment, facts)
            if found is not None:
                found.by = name
                found = _taken(found, mode)
            if facts.notes is not None:
                facts.notes.append((moment, name, found))
            if found is None:
                continue
            if found.kind == verdicts.ACCEPT:
                return None
            if found.decisive:
                return found
            facts.marks.setdefault(moment, []).append(found)
            log.event("policy", c=facts.id, moment=moment, by=name, verdict=found.kind, text=found.text or None,
                      detail=found.detail or None)  # fmt: skip
        return None


def _passed_over(error: Exception, name: str, mode: str, moment: str, facts: Facts) -> Verdict | None:
    """The verdict where a check could not be asked: none, with `must` 451."""
    if isinstance(error, Trouble):
        log.event("policy", c=facts.id, moment=moment, by=name, skipped=str(error))
    else:
        log.trace("policy", error, c=facts.id, moment=moment, by=name, skipped="failed")
    if mode == "must":
        return verdicts.defer("4.3.0", "a check is not available now, please try again")
    return None


def _parsed(line: str) -> tuple[str, str]:
    words = line.split()
    name, mode = words[0], words[1] if len(words) > 1 else "on"
    if name not in CHECKS or mode not in MODES or len(words) > 2:
        raise Perm("configuration error", code="4.3.5", detail=f"control/policy: {line!r}: unknown check or mode")
    return name, mode


def _taken(found: Verdict, mode: str) -> Verdict:
    """The verdict as `mode` wants it taken."""
    refusal = found.kind in (verdicts.REJECT, verdicts.DEFER)
    if refusal and mode == "note":
        taken = verdicts.header("X-Policy", f"{found.by}={found.kind} ({found.text})")
    elif refusal and mode == "junk":
        taken = verdicts.junk(found.text)
    elif found.kind == verdicts.REJECT and mode == "defer":
        taken = verdicts.defer("4" + found.status[1:], found.text)
    else:
        return found
    taken.by, taken.detail = found.by, found.detail
    return taken
