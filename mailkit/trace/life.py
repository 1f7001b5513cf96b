"""The life of a message: its events in order, found by following ids through the log.

    connect c=7ed2              the connection it came over, from its `connect` on: c numbers come again in a long log
    login c=7ed2
    accept c=7ed2 q=f9f0        joins connection and queue entry
    deliver q=f9f0 ...          attempts
    deliver q=f9f0 said="sent on to 2 as 11aa"      an alias: the new entry is a life of its own, and is followed
    report q=f9f0 report=22bb                       so is a bounce

A connection in which something was refused is a life, too: of what did not come in.
"""

from __future__ import annotations

import re

from mailkit.trace import line
from mailkit.trace.line import Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailkit.trace.source import Source

MESSAGE = "message"
CONNECTION = "connection"
_ABOUT = ("from", "to", "msgid", "argument", "about", "q", "c", "id", "report")  # fields a search looks at
_OPENING = frozenset(("connect", "login", "tls", "forwarded"))  # what one connection says once for all its messages
_SENT_ON = re.compile(r"sent on to \d+ as ([0-9a-zA-Z ]+)$")
_ADDRESS = re.compile(r"<([^>]*)>")
_GENERATIONS = 10  # messages made of messages: aliases of aliases, reports about reports


class Life:
    """The events of one message or connection, in order. id: its q or c. entry: what the `accept` line says."""

    __slots__ = ("entry", "id", "kind", "lines")

    def __init__(self, kind: str, id: str, lines: list[Line]) -> None:
        self.kind = kind
        self.id = id
        self.lines = lines
        self.entry = next((one for one in lines if one.word in ("accept", "drop")), None)

    @property
    def began(self) -> float | None:
        """Unix time of the first event, None when the log has no times."""
        return self.lines[0].time if self.lines else None

    @property
    def state(self) -> str:
        """In one word, what the log says last: delivered, failed, waiting, queued, refused or connected."""
        if self.kind == CONNECTION:
            return "refused" if any(one.word == "refuse" for one in self.lines) else "connected"
        last = {one.get("to"): one.get("verdict") for one in self.lines if one.word == "deliver"}
        if "temp" in last.values():
            return "failed" if _gave_up(self.lines) else "waiting"
        if "perm" in last.values():
            return "failed"
        wanted = self.entry.get("recipients") if self.entry is not None else ""
        if not last or (wanted.isdecimal() and len(last) < int(wanted)):
            return "queued"
        return "delivered"


def _gave_up(lines: list[Line]) -> bool:
    """Was the last attempt the last of all? A runner that goes on says `defer` after it."""
    for one in reversed(lines):
        if one.word in ("defer", "deliver"):
            return False
        if one.word == "report" and one.get("kind") == "failed":
            return True
    return False


def find(source: Source, wanted: str, last: int) -> tuple[list[Life], int]:
    """The lives that an id, an address or a Message-ID names, oldest first, and how many it names.

    Only the `last` of them are followed, to what came of them too. Reads the log once for the text, and once for each
    generation of ids that this leads to.
    """
    queued, connections = _named(source, wanted)
    total = len(queued) + len(connections)
    queued, connections = queued[-last:], connections[-last:]
    if not total:
        return [], 0
    lines, entries = _followed(source, queued, connections)
    joined = {one.get("q"): one.get("c") for one in lines if one.word == "accept"}
    own: dict[str, list[Line]] = {}
    for one in lines:
        own.setdefault(one.get("q"), []).append(one)
    visits = _visits(lines)
    lives = [Life(MESSAGE, q, _message(own.get(q, []), visits.get(joined.get(q, ""), []))) for q in entries]
    for c in connections:
        lives += [Life(CONNECTION, c, visit) for visit in visits.get(c, ()) if _speaks_of(visit, wanted)]
    lives = [life for life in lives if life.lines]
    return sorted(lives, key=lambda life: life.began or 0.0), total


def _named(source: Source, wanted: str) -> tuple[list[str], list[str]]:
    """The ids of queue entries, and of connections without one, whose lines speak of `wanted`."""
    queued: dict[str, None] = {}
    connections: dict[str, None] = {}
    for one in _parsed(source.holding(_bare(wanted).encode())):
        if not _matches(one, _bare(wanted)):
            continue
        if one.get("q"):
            queued[one.get("q")] = None
            queued.update(dict.fromkeys(_children(one)))
        elif one.get("c") and (one.word == "refuse" or one.get("c") == wanted):
            connections[one.get("c")] = None
    return list(queued), list(connections)


def _followed(source: Source, queued: Iterable[str], connections: Iterable[str]) -> tuple[list[Line], dict[str, None]]:
    """Every line about these ids and those that come of them; and the ids of all entries, in order."""
    entries = dict.fromkeys(queued)
    ids = {*entries, *connections}
    for _ in range(_GENERATIONS):
        lines = list(_parsed(source.about({id.encode() for id in ids})))
        for one in lines:
            if one.get("q") in entries:
                entries.update(dict.fromkeys(_children(one)))
        came_over = {one.get("c") for one in lines if one.word == "accept" and one.get("q") in entries}
        more = {*entries, *came_over} - ids
        if not more:
            break
        ids |= more
    if all(one.time is not None for one in lines):
        lines.sort(key=lambda one: one.time or 0.0)  # files may have been given in any order
    return lines, entries


def _children(one: Line) -> list[str]:
    """The entries that a line says were made."""
    if one.word == "report" and one.get("report"):
        return [one.get("report")]
    sent_on = _SENT_ON.search(one.get("said")) if one.word == "deliver" and one.get("by") == "local" else None
    return sent_on[1].split() if sent_on is not None else []


def _visits(lines: list[Line]) -> dict[str, list[list[Line]]]:
    """The lines of each connection, cut where its number was given out again."""
    found: dict[str, list[list[Line]]] = {}
    for one in lines:
        c = one.get("c")
        if not c or (one.get("q") and one.word != "accept"):
            continue  # a session of ours with another server: told with its q
        visits = found.setdefault(c, [])
        if one.word == "connect" or not visits:
            visits.append([])
        visits[-1].append(one)
    return found


def _message(own: list[Line], visits: list[list[Line]]) -> list[Line]:
    """What happened to an entry: first how its connection came to it, then its own lines."""
    for accept in own:
        for visit in visits if accept.word == "accept" else ():
            if accept in visit:
                rest = [one for one in own if one is not accept]
                return [*_before(visit[: visit.index(accept)]), accept, *rest]
    return own


def _before(visit: list[Line]) -> list[Line]:
    """Of what a connection said before it brought a message, the part about this message and not about earlier ones."""
    earlier = max((at + 1 for at, one in enumerate(visit) if one.word == "accept"), default=0)
    return [one for one in visit[:earlier] if one.word in _OPENING] + visit[earlier:]


def _speaks_of(visit: list[Line], wanted: str) -> bool:
    return any(one.get("c") == wanted or (one.word == "refuse" and _matches(one, _bare(wanted))) for one in visit)


def _matches(one: Line, bare: str) -> bool:
    bare = bare.lower()
    for name in _ABOUT:
        value = one.get(name).lower()
        if value and bare in (_bare(value), *_ADDRESS.findall(value)):
            return True
    return bare in _children(one)


def _bare(text: str) -> str:
    return text.strip().removeprefix("<").removesuffix(">")


def _parsed(octets: Iterable[bytes]) -> list[Line]:
    return [found for found in map(line.parse, octets) if found is not None]
