"""Answers out of message files, made slice by slice and sent in order.

While a slice is on its way the next one is made, off the event loop. To a client that takes them faster than one
process makes them, mates (`maildir.mates`) make most: each is asked for some parts ahead of the one that is sent, and
when it was waited for as long as we need for a part ourselves, the next part is ours. What a mate leaves undone is
made here as well.

\\Seen is set before, a block of messages at a time, so that the flags in the same response are right.
"""

from __future__ import annotations

from collections import deque
from itertools import accumulate

from mailkit import clock
from mailkit.imap import intake, modseq, news, selection, uidonly
from mailkit.imap.messages import orders, pieces, savedate, sections
from mailkit.maildir import ahead, mates
from mailkit.maildir.marks import SEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mailkit.imap.commands.fetch import Plan
    from mailkit.imap.messages.sections import Message
    from mailkit.imap.session import Session
    from mailkit.imap.wire.sets import Ranges
    from mailkit.maildir.mates import Mate
    from mailkit.maildir.table import Table
    from mailkit.maildir.view import View

BLOCK = 100
SLICE_OCTETS = 1 << 18
"""So much of message files is made here before it is sent."""
_FLUENT_OCTETS = 2 * SLICE_OCTETS
_SLOW_S = 0.05
_USUAL_OCTETS = 8192  # of a message whose size is not known


class Part:
    """Messages first..last, made by one process. marked: UIDs of those that have just become \\Seen. numbers: the
    messages that `mate` was asked for."""

    __slots__ = ("first", "last", "marked", "mate", "numbers", "ours")

    def __init__(self, first: int, last: int, marked: frozenset[int]) -> None:
        self.first = first
        self.last = last
        self.marked = marked
        self.mate: Mate | None = None
        self.numbers: Sequence[int] = ()
        self.ours = False


class Slice:
    """Responses, in octets that are sent one behind the other. number: the message to go on with. missing: one before
    that cannot be read. large: the UID of the one before it, which has to be streamed; or None."""

    __slots__ = ("large", "made_s", "missing", "number", "octets")

    def __init__(self, octets: list[bytes], number: int, missing: bool, large: int | None = None) -> None:
        self.octets = octets
        self.number = number
        self.missing = missing
        self.large = large
        self.made_s = clock.monotonic()


async def answer(state: Session, plan: Plan, ranges: Ranges) -> bool:
    """Answer with what is in message files; True when messages were missing."""
    making = _Making(state, plan, sum(last - first + 1 for first, last in ranges))
    try:
        return await making.run(ranges)
    finally:
        making.close()


class _Making:
    """The work on one answer. What blocks is called from another thread, while this one waits for it."""

    def __init__(self, state: Session, plan: Plan, messages: int) -> None:
        assert state.view is not None
        self._state, self._plan, self._view = state, plan, state.view
        self._messages = messages
        self._line: deque[Part] = deque()  # in the order in which they are sent
        self._fluent_octets = 0  # taken by the client since it last kept us waiting
        self._crew: list[Mate] = []  # to be given back
        self._mates: list[Mate] = []  # those of them that work
        self._waited_s = 0.0  # for mates, since the last part of ours
        self._own_s = 0.0  # what that took
        # RFC 4314 section 4: without the right a FETCH does not set it, and does not fail either.
        box = state.mailbox
        self._seeing = plan.seen and not state.view.readonly and box is not None and "s" in box.rights()

    async def run(self, ranges: Ranges) -> bool:
        """All of it; True when messages were missing."""
        missing = False
        for first, last in selection.blocks(ranges, BLOCK):
            marked = await mark_seen(self._state, self._view, first, last) if self._seeing else frozenset()
            self._staff()
            for part in parts(self._view, first, last, marked) if self._mates else [Part(first, last, marked)]:
                self._line.append(part)
                while len(self._line) > mates.AHEAD * len(self._mates):
                    missing |= await self._send()
        while self._line:
            missing |= await self._send()
        return missing

    def _staff(self) -> None:
        """Have mates as long as the client is faster than we are."""
        if self._fluent() and not self._crew:
            self._crew = mates.crew.take(self._messages, hire=self._messages >= mates.LEAST)
            self._mates = list(self._crew)
        elif not self._fluent() and all(part.mate is None for part in self._line):
            self._let_go()

    def _fluent(self) -> bool:
        return self._fluent_octets >= _FLUENT_OCTETS

    def _let_go(self) -> None:
        mates.crew.give_back(self._crew)
        self._crew, self._mates = [], []

    def close(self) -> None:
        """It is over, or was broken off."""
        for mate in {part.mate for part in self._line if part.mate is not None}:
            self._lost(mate, RuntimeError("nobody waits for its answers"))  # whoever comes next must not take them
        self._let_go()

    async def _send(self) -> bool:
        """Answer the first part of the line; True when messages were missing."""
        part = self._line[0]
        found = await self._alongside(self._first, part)
        missing = await self._pass_on(found, part)
        while found.number <= part.last:
            found = await self._alongside(self._own, part, found.number)
            missing |= await self._pass_on(found, part)
        self._line.popleft()
        return missing

    async def _alongside(self, function: Callable[..., Slice], *args: object) -> Slice:
        """A slice, made while the one before it is sent."""
        found = await self._state.conn.alongside(function, *args)
        slow = clock.monotonic() - found.made_s > _SLOW_S
        self._fluent_octets = 0 if slow else self._fluent_octets + sum(map(len, found.octets))
        return found

    async def _pass_on(self, found: Slice, part: Part) -> bool:
        for octets in found.octets:
            self._state.conn.write(octets)
        if found.large is None:
            return found.missing
        sent = await stream(self._state, self._plan, found.number - 1, found.large, part.marked)
        return found.missing or not sent

    def _first(self, part: Part) -> Slice:
        """The beginning of the first part of the line; mates are asked for others. Blocking."""
        for other in self._line:
            if other.mate is None and not other.ours:
                self._assign(other)
        begun_s = clock.monotonic()
        found = self._answered(part) if part.mate is not None else None
        if found is None:
            found = self._own(part, part.first)
            self._own_s = found.made_s - begun_s
        else:
            self._waited_s += found.made_s - begun_s
        return found

    def _own(self, part: Part, number: int) -> Slice:
        most = orders.MOST_OCTETS if self._mates else SLICE_OCTETS  # as much as they make: it is as soon sent
        return file_lines(self._state, self._plan, number, part.last, part.marked, most)

    def _assign(self, part: Part) -> None:
        """Decide who makes it."""
        if self._waited_s > self._own_s > 0:
            self._waited_s = 0.0
            part.ours = True
            return
        for mate in list(self._mates) if self._fluent() else ():
            try:
                if sum(other.mate is mate for other in self._line) < mates.AHEAD and mate.ready():
                    self._ask(mate, part)
                    return
            except OSError as error:
                self._lost(mate, error)

    def _ask(self, mate: Mate, part: Part) -> None:
        """OSError."""
        table, numbers, rows = selection.rows(self._view, part.first, part.last)
        if not rows or any(table.where[row] for row in rows):
            part.ours = True  # gone, or where only we know how to find them
            return
        names = ahead.usual_names(table, rows)
        begun = list(starts(self._state, self._plan, table, numbers, rows, part.marked))
        mate.ask(orders.packed(self._plan.files, f"{self._view.folder.directory}/cur", names, begun))
        part.mate, part.numbers = mate, numbers

    def _answered(self, part: Part) -> Slice | None:
        """What a mate has made of it; None when that is nothing."""
        assert part.mate is not None
        try:
            messages, octets = part.mate.answer(wait=True) or (0, [])
            number = part.last + 1 if messages == len(part.numbers) else part.numbers[messages]
        except (OSError, IndexError) as error:
            self._lost(part.mate, error)
            return None
        part.mate = None
        return Slice(octets, number, number - part.first > messages) if messages else None

    def _lost(self, mate: Mate, error: Exception) -> None:
        """It is of no use any more; its parts are ours."""
        mates.crew.died(mate, error)
        self._mates.remove(mate)
        for part in self._line:
            if part.mate is mate:
                part.mate, part.ours = None, True
        if not self._mates:
            self._let_go()


async def mark_seen(state: Session, view: View, first: int, last: int) -> frozenset[int]:
    """Set \\Seen on those of first..last that lack it: their UIDs, whose flags the response then has."""
    table, _, rows = selection.rows(view, first, last)
    unseen = [table.uids[row] for row in rows if not table.marks[row] & SEEN]
    if not unseen:
        return frozenset()
    stored = await state.conn.offload(view.folder.store, unseen, SEEN)
    view.mute(stored.changed)
    return frozenset(stored.changed)


def parts(view: View, first: int, last: int, marked: frozenset[int]) -> Iterator[Part]:
    """The messages first..last in parts that a mate makes at once, by what is known of their sizes."""
    table, numbers, rows = selection.rows(view, first, last)
    sizes = [size or _USUAL_OCTETS for size in selection.column(table.detail.sizes, rows)]
    octets, whole = 0, sum(sizes)
    most = whole / max(1, -(-whole // orders.MOST_OCTETS))  # equal parts: none is so small that asking costs more
    for number, size in zip(numbers, sizes, strict=True):
        octets += size
        if octets >= most:
            yield Part(first, number, marked)
            first, octets = number + 1, 0
    if first <= last:
        yield Part(first, last, marked)


def file_lines(state: Session, plan: Plan, first: int, last: int, marked: frozenset[int], most_octets: int) -> Slice:
    """Responses from message `first` on, until so many octets are made or one has to be streamed. Blocking."""
    view = state.view
    assert view is not None
    table, numbers, rows = selection.rows(view, first, last)
    most = slice_of(table, rows, most_octets)
    if most < len(rows):
        last, numbers, rows = numbers[most] - 1, numbers[:most], rows[:most]
    missing = len(rows) <= last - first
    lines: list[bytes] = []
    octets = 0
    begun = starts(state, plan, table, numbers, rows, marked)
    for number, start, (row, message) in zip(numbers, begun, sections.each(view.folder, table, rows), strict=True):
        uid = table.uids[row]
        if message is not None and message.streams(plan.files):
            return Slice(lines, number + 1, missing, uid)
        line = [] if message is None else file_line(plan, uid, start, message)
        missing |= not line
        lines += line
        octets += sum(map(len, line))
        if octets >= most_octets:
            return Slice(lines, number + 1, missing)
    return Slice(lines, last + 1, missing)


def slice_of(table: Table, rows: Sequence[int], most_octets: int) -> int:
    """How many of `rows` make so many octets, by what is known of their sizes: more files need not be opened."""
    sizes = accumulate(selection.column(table.detail.sizes, rows))
    return next((count for count, octets in enumerate(sizes, 1) if octets >= most_octets), len(rows))


def file_line(plan: Plan, uid: int, start: bytes, message: Message) -> list[bytes]:
    """One response in parts; none when the file cannot be read after all."""
    try:
        return sections.response(start, message, plan.files)
    except OSError as error:
        sections.unreadable(uid, error)
        return []


def starts(
    state: Session, plan: Plan, table: Table, numbers: Sequence[int], rows: Sequence[int], marked: frozenset[int]
) -> Iterator[bytes]:
    """How each response begins, up to what comes from the file."""
    uids = selection.column(table.uids, rows)
    if plan.uid and not (plan.flags or plan.modseq or plan.saved or plan.kinds or marked or uidonly.enabled(state)):
        return map(b"* %d FETCH (UID %d ".__mod__, zip(numbers, uids, strict=True))  # what most clients ask for
    pairs = zip(numbers, uids, strict=True)
    return (opened(state, number, uid, head(state, plan, uid, marked)) for number, uid in pairs)


def opened(state: Session, number: int, uid: int, found: bytes) -> bytes:
    """A response with what is `found` of it, ready for more. found: with a blank in front, or nothing."""
    return uidonly.opening(state, number, uid) + (found + b" ")[1:]


def head(state: Session, plan: Plan, uid: int, marked: frozenset[int]) -> bytes:
    """What of one message's response does not come from its file, with a blank in front."""
    view = state.view
    assert view is not None
    # RFC 7162 section 3.2.4: who knows of modification sequences learns the UID of what is marked as seen.
    named = plan.uid or (uid in marked and modseq.known(state) and not uidonly.enabled(state))
    found = b" UID %d" % uid if named else b""
    if not (plan.flags or plan.modseq or plan.saved or plan.kinds or marked):
        return found
    table = view.folder.table
    row = table.row(uid)
    if row is None:
        return found
    if plan.flags or uid in marked:
        found += news.item_texts(state, view, table, row, flags=True)
    elif plan.modseq:
        found += news.item_texts(state, view, table, row, flags=False)
    if plan.saved:
        found += b" SAVEDATE " + savedate.text(view.folder, table, row)
    if plan.kinds:
        found += view.folder.parts(table, [row], plan.kinds, pieces.build)[0] or b""
    return found


async def stream(state: Session, plan: Plan, number: int, uid: int, marked: frozenset[int]) -> bool:
    """One response with a large message, sent in pieces; False when it cannot be read."""
    view = state.view
    assert view is not None
    with sections.opened(view.folder, uid) as message:
        if message is None:
            return False
        # Everything that may be refused is made before the response is begun.
        parts = [item for item in plan.files if not sections.streamed(item)]
        rendered = await state.conn.offload(sections.all_rendered, message, parts)
        start = head(state, plan, uid, marked) + b"".join(rendered)
        state.conn.write(uidonly.opening(state, number, uid) + start[1:])
        for item in filter(sections.streamed, plan.files):
            size_octets = await state.conn.offload(message.wire_size, item)
            value = b"NIL" if size_octets is None else b"{%d}\r\n" % size_octets
            state.conn.write(b"%b%b %b" % (b" " if start else b"", item.label, value))
            start = item.label
            await intake.pass_on(state, message.wire_chunks(item), size_octets or 0)
        state.conn.write(b")\r\n")
    return True
