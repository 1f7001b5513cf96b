"""FETCH and UID FETCH (RFC 9051 section 6.4.5).

Two ways. What the index keeps (flags, sizes, envelopes, structures) is joined from pieces in wire form, some hundred
messages at once. What needs the file goes message by message, in slices off the event loop, and sets \\Seen
first, so that the flags in the same response are right.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.imap import intake, news, pieces, sections, selection
from mailkit.imap.responses import No
from mailkit.imap.wire import items, sets
from mailkit.mail import header
from mailkit.maildir.marks import SEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailkit.imap.session import Session
    from mailkit.imap.wire.items import Item
    from mailkit.imap.wire.reader import Reader
    from mailkit.imap.wire.sets import Ranges
    from mailkit.maildir.table import Table
    from mailkit.maildir.view import View

QUICK_BLOCK, SLOW_BLOCK = 500, 50
LONG_S = 0.02
FILE_BLOCK = 50
SLICE_OCTETS = 1 << 19
"""So much of message files is made before it is sent."""


class Plan:
    """What a FETCH wants, sorted by where it comes from."""

    __slots__ = ("files", "flags", "kinds", "seen", "uid")

    def __init__(self, wanted: list[Item], by_uid: bool) -> None:
        names = {item.name for item in wanted}
        self.uid = by_uid or "UID" in names
        self.flags = "FLAGS" in names
        self.kinds = tuple(sorted(pieces.KIND_OF[name] for name in names if name in pieces.KIND_OF))
        self.files = distinct([item for item in wanted if item.name.endswith("]") or item.name == "BINARY.SIZE"])
        self.seen = any(not item.peek for item in self.files)

    def kept_fields(self) -> list[Item] | None:
        """All that is wanted of files, when the FIELDS piece has it; else None."""
        wanted = all(
            item.what == "HEADER.FIELDS" and not item.path and pieces.KEPT.issuperset(map(bytes.lower, item.fields))
            for item in self.files
        )
        return self.files if wanted else None


def distinct(wanted: list[Item]) -> list[Item]:
    """Each item once."""
    return list({item.label + (b"%d" % item.partial[1] if item.partial else b""): item for item in wanted}.values())


async def fetch(state: Session, reader: Reader) -> str | None:
    """sequence-set SP items."""
    return await run(state, reader, by_uid=False)


async def uid_fetch(state: Session, reader: Reader) -> str | None:
    """UID set SP items; UID is answered, asked for or not."""
    return await run(state, reader, by_uid=True)


async def run(state: Session, reader: Reader, by_uid: bool) -> str | None:
    """Answer for every message; [EXPUNGEISSUED] when some are gone (RFC 5530)."""
    asked = sets.read(reader)
    reader.space()
    plan = Plan(items.read(reader), by_uid)
    reader.end()
    ranges = selection.numbers(state, asked, by_uid)
    if plan.files and (plan.seen or plan.kept_fields() is None):
        if await from_files(state, plan, ranges):
            raise No("Some of the messages are gone", "EXPUNGEISSUED")
    elif await quick(state, plan, ranges):
        return "[EXPUNGEISSUED] Some of the messages are gone"
    return None


async def quick(state: Session, plan: Plan, ranges: Ranges) -> bool:
    """Answer from the index; True when messages were missing."""
    view = state.view
    assert view is not None
    missing = False
    size = QUICK_BLOCK
    for start, end in ranges:
        first = start
        while first <= end:
            last = min(first + size - 1, end)
            begun_s = clock.monotonic()
            lines = quick_lines(state, view, plan, first, last)
            missing |= len(lines) <= last - first
            state.conn.write(b"".join(lines))
            await intake.breathe(state)
            first = last + 1
            # What the index lacks is made now, a hundred times slower: then blocks are small.
            size = SLOW_BLOCK if clock.monotonic() - begun_s > LONG_S else QUICK_BLOCK
    return missing


def quick_lines(state: Session, view: View, plan: Plan, first: int, last: int) -> list[bytes]:
    """The responses for some messages, one each; those that are gone have none."""
    table, numbers, rows = selection.rows(view, first, last)
    uids = selection.column(table.uids, rows)
    if not plan.kinds and not plan.files and not plan.flags:
        return [b"* %d FETCH (UID %d)\r\n" % pair for pair in zip(numbers, uids, strict=True)]
    flags = block_flags(state, view, uids, selection.column(table.marks, rows)) if plan.flags else None
    if plan.kinds or plan.files:
        return cached_lines(view, plan, table, numbers, rows, uids, flags)
    assert flags is not None
    if plan.uid:
        return [b"* %d FETCH (UID %d FLAGS (%b))\r\n" % line for line in zip(numbers, uids, flags, strict=True)]
    return [b"* %d FETCH (FLAGS (%b))\r\n" % line for line in zip(numbers, flags, strict=True)]


def block_flags(state: Session, view: View, uids: Sequence[int], marks: Sequence[int]) -> list[bytes]:
    """Flags of each message, without parentheses."""
    known = view.folder.flags
    flags = [known[mark] for mark in marks]
    if view.recent and not news.rev2(state):
        for at, uid in enumerate(uids):
            if uid in view.recent:
                flags[at] = flags[at] + b" \\Recent" if flags[at] else b"\\Recent"
    return flags


def cached_lines(
    view: View,
    plan: Plan,
    table: Table,
    numbers: Sequence[int],
    rows: Sequence[int],
    uids: Sequence[int],
    flags: list[bytes] | None,
) -> list[bytes]:
    """Responses with pieces of the index."""
    parts = wire_parts(view, plan, table, rows, uids)
    heads = [b"UID %d" % uid for uid in uids] if plan.uid else [b""] * len(uids)
    if flags is not None:
        blank = b" " if plan.uid else b""
        heads = [b"%b%bFLAGS (%b)" % (head, blank, each) for head, each in zip(heads, flags, strict=True)]
    bare = not plan.uid and flags is None
    return [
        b"* %d FETCH (%b%b)\r\n" % (number, head, part[1:] if bare else part)
        for number, head, part in zip(numbers, heads, parts, strict=True)
        if part is not None
    ]


def wire_parts(view: View, plan: Plan, table: Table, rows: Sequence[int], uids: Sequence[int]) -> list[bytes | None]:
    """What follows UID and FLAGS, with a blank in front; None for a message that cannot be read."""
    folder = view.folder
    parts: list[bytes | None] = [b""] * len(rows)
    if plan.kinds:
        parts = list(folder.parts(table, rows, plan.kinds, pieces.build))
    if plan.files:
        kept = folder.parts(table, rows, (pieces.FIELDS,), pieces.build)
        for at, block in enumerate(kept):
            fields = None if block is None else field_parts(view, plan, uids[at], block)
            part = parts[at]
            parts[at] = None if part is None or fields is None else part + fields
    return parts


def field_parts(view: View, plan: Plan, uid: int, block: bytes) -> bytes | None:
    """HEADER.FIELDS items out of the FIELDS piece, or out of the file where the piece is not kept."""
    if block == pieces.NOT_KEPT:
        return file_part(view, plan.files, uid)
    found = []
    for item in plan.files:
        octets = header.only(block, item.fields) + b"\r\n"
        found.append(b" %b {%d}\r\n%b" % (item.label, len(sections.cut(octets, item)), sections.cut(octets, item)))
    return b"".join(found)


def file_part(view: View, wanted: list[Item], uid: int) -> bytes | None:
    """The items of one message out of its file; None when it is gone. Blocking."""
    try:
        message = sections.Message(view.folder.open_file(uid))
    except FileNotFoundError:
        return None
    try:
        return b"".join([sections.rendered(message, item) for item in wanted])
    finally:
        message.close()


async def from_files(state: Session, plan: Plan, ranges: Ranges) -> bool:
    """Answer with what is in message files; True when messages were missing."""
    view = state.view
    assert view is not None
    missing = False
    for first, last in selection.blocks(ranges, FILE_BLOCK):
        marked = await mark_seen(state, view, first, last) if plan.seen and not view.readonly else frozenset()
        number = first
        while number <= last:
            lines, number, large = await state.conn.offload(file_lines, state, plan, number, last, marked)
            missing |= None in lines
            for line in lines:
                state.conn.write(line or b"")
            if large is not None:
                missing |= not await stream(state, plan, number - 1, large, marked)
            await intake.breathe(state)
    return missing


async def mark_seen(state: Session, view: View, first: int, last: int) -> frozenset[int]:
    """Set \\Seen on those of first..last that lack it: their UIDs, whose flags the response then has."""
    table, _, rows = selection.rows(view, first, last)
    unseen = [table.uids[row] for row in rows if not table.marks[row] & SEEN]
    if not unseen:
        return frozenset()
    stored = await state.conn.offload(view.folder.store, unseen, SEEN)
    view.mute(stored.changed)
    return frozenset(stored.changed)


def file_lines(
    state: Session, plan: Plan, first: int, last: int, marked: frozenset[int]
) -> tuple[list[bytes | None], int, int | None]:
    """Responses from message `first` on, None for one that is gone, until SLICE_OCTETS are made or one has to be
    streamed. (responses, the number to go on with, the UID to stream before that). Blocking."""
    view = state.view
    assert view is not None
    lines: list[bytes | None] = []
    octets = 0
    for number in range(first, last + 1):
        uid = view.uids[number - 1]
        try:
            message = sections.Message(view.folder.open_file(uid))
        except FileNotFoundError:
            lines.append(None)
            continue
        try:
            if message.streams(plan.files):
                return lines, number + 1, uid
            parts = [head(state, plan, number, uid, marked)]
            parts += [sections.rendered(message, item) for item in plan.files]
        finally:
            message.close()
        line = b"* %d FETCH (%b)\r\n" % (number, b"".join(parts)[1:])
        lines.append(line)
        octets += len(line)
        if octets >= SLICE_OCTETS:
            return lines, number + 1, None
    return lines, last + 1, None


def head(state: Session, plan: Plan, number: int, uid: int, marked: frozenset[int]) -> bytes:
    """What of one message's response does not come from its file, with a blank in front."""
    view = state.view
    assert view is not None
    found = b" UID %d" % uid if plan.uid else b""
    table = view.folder.table
    row = table.row(uid)
    if row is None:
        return found
    if plan.flags or uid in marked:
        found += b" FLAGS (%b)" % news.flags_of(state, view, table.marks[row], uid)
    if plan.kinds:
        found += next(iter(view.folder.parts(table, [row], plan.kinds, pieces.build))) or b""
    return found


async def stream(state: Session, plan: Plan, number: int, uid: int, marked: frozenset[int]) -> bool:
    """One response with a large message, sent in pieces; False when it is gone."""
    view = state.view
    assert view is not None
    try:
        message = sections.Message(view.folder.open_file(uid))
    except FileNotFoundError:
        return False
    try:
        # Everything that may be refused is made before the response is begun.
        start = head(state, plan, number, uid, marked)
        for item in plan.files:
            if not sections.whole(item):
                start += await state.conn.offload(sections.rendered, message, item)
        size_octets = await state.conn.offload(message.wire_size)
        state.conn.write(b"* %d FETCH (%b" % (number, start[1:]))
        for item in filter(sections.whole, plan.files):
            blank = b" " if start else b""
            start = item.label
            state.conn.write(b"%b%b {%d}\r\n" % (blank, item.label, size_octets))
            for chunk in message.wire_chunks():
                state.conn.write(chunk)
                await intake.breathe(state)
        state.conn.write(b")\r\n")
    finally:
        message.close()
    return True
