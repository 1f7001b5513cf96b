"""FETCH and UID FETCH (RFC 9051 section 6.4.5).

Two ways. What the index keeps (flags, sizes, envelopes, structures) is joined from pieces in wire form, some hundred
messages at once. What needs the file goes message by message: `messages.slices`.
"""

from __future__ import annotations

from itertools import chain

from mailkit import clock
from mailkit.imap import intake, limits, modseq, news, selection, uidonly
from mailkit.imap.messages import pieces, savedate, sections, slices
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad, items, pages, sets
from mailkit.maildir.kept import lacks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailkit.imap.session import Session
    from mailkit.imap.wire.items import Item, Modifiers
    from mailkit.imap.wire.reader import Reader
    from mailkit.imap.wire.sets import Ranges
    from mailkit.maildir.table import Table
    from mailkit.maildir.view import View

QUICK_BLOCK, SLOW_BLOCK, LARGEST_BLOCK = 500, 400, 4000
LONG_S, SHORT_S = 0.02, 0.002

FROM_FILES = frozenset({"BODY", "BODY[]", "BINARY[]", "BINARY.SIZE", "PREVIEW"})


class Plan:
    """What a FETCH wants, sorted by where it comes from."""

    __slots__ = ("choice", "choices", "files", "flags", "kinds", "modseq", "saved", "seen", "uid")

    def __init__(self, wanted: list[Item], with_uid: bool) -> None:
        names = {item.name for item in wanted}
        self.uid = with_uid or "UID" in names
        self.flags = "FLAGS" in names
        self.modseq = "MODSEQ" in names
        self.saved = "SAVEDATE" in names
        self.kinds = tuple(sorted(pieces.KIND_OF[name] for name in names if name in pieces.KIND_OF))
        self.files = distinct([item for item in wanted if item.name in FROM_FILES])
        self.choices = [(item, pieces.Choice(item.fields)) for item in self.files]
        self.choice = self.choices[0][1] if len(self.files) == 1 and not self.files[0].partial else None
        self.seen = any(not item.peek for item in self.files)

    @property
    def bare(self) -> bool:
        """There is nothing but what `kinds` and `files` say."""
        return not (self.uid or self.flags or self.modseq or self.saved)

    @property
    def slow(self) -> bool:
        """Files have to be read."""
        return bool(self.files) and (self.seen or self.kept_fields() is None)

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
    plan = Plan(items.read(reader), by_uid and not uidonly.enabled(state))
    modifiers = items.read_modifiers(reader)
    reader.end()
    ranges = modified(state, plan, asked, by_uid, modifiers)
    missing = await answer(state, plan, ranges)
    if missing and plan.slow:
        raise No("Some of the messages are gone", "EXPUNGEISSUED")
    return "[EXPUNGEISSUED] Some of the messages are gone" if missing else None


async def tell(state: Session, wanted: list[Item], ranges: Ranges) -> None:
    """Responses nobody asked for now: NOTIFY and UPDATE have the items of new messages (RFC 5465 section 5.2, 7).
    Nobody has read what is sent like that."""
    for item in wanted:
        item.peek = True
    plan = Plan(wanted, not uidonly.enabled(state))
    plan.modseq |= plan.flags and modseq.known(state)
    await answer(state, plan, ranges)


async def answer(state: Session, plan: Plan, ranges: Ranges) -> bool:
    """The responses; True when messages were missing."""
    return await (slices.answer if plan.slow else quick)(state, plan, ranges)


def modified(state: Session, plan: Plan, asked: Ranges, by_uid: bool, modifiers: Modifiers) -> Ranges:
    """The messages that are asked for, after PARTIAL, then CHANGEDSINCE (RFC 9394 section 3.4); VANISHED is told here
    (RFC 7162 section 3.2.6)."""
    view = state.view
    assert view is not None
    ranges = selection.numbers(state, asked, by_uid)
    if modifiers.page is not None:
        if not by_uid:
            raise Bad("PARTIAL is for UID FETCH")
        limits.page(state, modifiers.page)
        ranges = pages.cut(modifiers.page, ranges)
    since = modifiers.changed_since
    if modifiers.vanished:
        if not by_uid or since is None or not modseq.resyncs(state):
            raise Bad("VANISHED needs UID FETCH, CHANGEDSINCE and ENABLE QRESYNC")
        wanted = state.saved if asked is sets.SAVED else sets.resolve(asked, view.folder.uidnext - 1)
        modseq.tell_earlier(state, view, since, wanted)
    if since is not None:
        plan.modseq = True
        ranges = modseq.changed_since(view, ranges, since)
    if plan.modseq:
        modseq.enable(state)
    plan.modseq |= plan.flags and modseq.known(state)
    return limits.cut(state, view, ranges)


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
            if lacking(view, plan, first, last):
                last = min(first + SLOW_BLOCK - 1, end)
                lines, count = await state.conn.offload(quick_lines, state, view, plan, first, last)
            else:
                lines, count = quick_lines(state, view, plan, first, last)
            missing |= count <= last - first
            state.conn.write(lines)
            await intake.breathe(state)
            first = last + 1
            size = next_size(size, clock.monotonic() - begun_s)
    return missing


def lacking(view: View, plan: Plan, first: int, last: int) -> bool:
    """The index lacks something of these messages: it is made now, out of their files, a hundred times slower."""
    kinds = (*plan.kinds, pieces.FIELDS) if plan.files else plan.kinds
    return bool(kinds) and lacks(*view.rows(first, last), kinds)


def next_size(size: int, taken_s: float) -> int:
    """How many messages to answer at once, after so many took so long."""
    if taken_s > LONG_S:
        return SLOW_BLOCK
    return min(2 * size, LARGEST_BLOCK) if taken_s < SHORT_S else max(size, QUICK_BLOCK)


def quick_lines(state: Session, view: View, plan: Plan, first: int, last: int) -> tuple[bytes, int]:
    """The responses for some messages, and how many these are; those that are gone have none."""
    table, numbers, rows = selection.rows(view, first, last)
    uids = selection.column(table.uids, rows)
    by_uid = uidonly.enabled(state)
    columns: list[Iterable[object]] = [uids if by_uid else numbers]
    form = b""
    if plan.uid:
        columns.append(uids)
        form += b" UID %d"
    if plan.flags:
        columns.append(block_flags(state, view, uids, selection.column(table.marks, rows)))
        form += b" FLAGS (%b)"
    if plan.modseq:
        columns.append(selection.column(table.modseqs, rows))
        form += b" MODSEQ (%d)"
    if plan.saved:
        columns.append([savedate.text(view.folder, table, row) for row in rows])
        form += b" SAVEDATE %b"
    start = (b"* %d UIDFETCH (" if by_uid else b"* %d FETCH (") + form[1:]
    if not plan.kinds and not plan.files:
        # One long form is filled in faster than many short ones.
        return (start + b")\r\n") * len(uids) % tuple(chain.from_iterable(zip(*columns, strict=True))), len(uids)
    end, parts = wire_parts(view, plan, table, rows, uids)
    columns += parts
    form = start + end + b")\r\n"
    lines = [form % line for line in zip(*columns, strict=True) if line[-1] is not None]
    return b"".join(lines), len(lines)


def block_flags(state: Session, view: View, uids: Sequence[int], marks: Sequence[int]) -> list[bytes]:
    """Flags of each message, without parentheses."""
    flags = list(map(view.folder.flags.__getitem__, marks))
    if view.recent and not news.rev2(state):
        for at, uid in enumerate(uids):
            if uid in view.recent:
                flags[at] = flags[at] + b" \\Recent" if flags[at] else b"\\Recent"
    return flags


def wire_parts(
    view: View, plan: Plan, table: Table, rows: Sequence[int], uids: Sequence[int]
) -> tuple[bytes, list[Sequence[bytes | int | None]]]:
    """What follows UID and FLAGS, as a form and its columns; the last has None for a message that cannot be read."""
    folder = view.folder
    if not plan.files:
        return one_column(plan, folder.parts(table, rows, plan.kinds, pieces.build))
    start = folder.parts(table, rows, plan.kinds, pieces.build, (pieces.FIELDS,)) if plan.kinds else None
    kept = folder.parts(table, rows, (pieces.FIELDS,), pieces.build)
    if start is None and plan.choice is not None and None not in kept and pieces.NOT_KEPT not in kept:
        return field_columns(plan, plan.choice.of_all(filter(None, kept)))
    end = [None if at is None else field_parts(view, plan, uid, at) for uid, at in zip(uids, kept, strict=True)]
    if start is not None:
        end = [None if one is None or two is None else one + two for one, two in zip(start, end, strict=True)]
    return one_column(plan, end)


def one_column(plan: Plan, parts: list[bytes | None]) -> tuple[bytes, list[Sequence[bytes | int | None]]]:
    """`wire_parts` of what is ready, with a blank in front."""
    return b"%b", [[part and part[1:] for part in parts] if plan.bare else parts]


def field_columns(plan: Plan, fields: list[bytes]) -> tuple[bytes, list[Sequence[bytes | int | None]]]:
    """`wire_parts` of the one HEADER.FIELDS item of messages that all have it: what most clients ask for."""
    form = b" %b {%%d}\r\n%%b\r\n" % plan.files[0].label
    return form[1:] if plan.bare else form, [[len(one) + 2 for one in fields], fields]


def field_parts(view: View, plan: Plan, uid: int, piece: bytes) -> bytes | None:
    """HEADER.FIELDS items out of the FIELDS piece, or out of the file where the piece is not kept."""
    found = b""
    for item, choice in plan.choices:
        fields = choice.of(piece)
        if fields is None:
            return file_part(view, plan.files, uid)
        fields += b"\r\n"
        if item.partial:
            fields = sections.cut(fields, item)
        found += b" %b {%d}\r\n%b" % (item.label, len(fields), fields)
    return found


def file_part(view: View, wanted: list[Item], uid: int) -> bytes | None:
    """The items of one message out of its file; None when it cannot be read. Blocking."""
    with sections.opened(view.folder, uid) as message:
        return None if message is None else b"".join(sections.all_rendered(message, wanted))
