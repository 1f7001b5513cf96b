"""SEARCH and UID SEARCH (RFC 9051 section 6.4.4; RFC 4731 for ESEARCH, RFC 5182 for `$`)."""

from __future__ import annotations

from mailkit.imap import limits, modseq, news
from mailkit.imap.responses import No, correlator, untagged
from mailkit.imap.searching import filters, matching
from mailkit.imap.wire import keys, pages, sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from mailkit.imap.searching.contexts import Context
    from mailkit.imap.session import Session
    from mailkit.imap.wire.keys import Search
    from mailkit.imap.wire.orders import Criterion
    from mailkit.imap.wire.reader import Reader
    from mailkit.maildir.table import Table

_DENSE = 10  # of so many messages one is wanted: then going through all is faster than looking for each


async def search(state: Session, reader: Reader) -> str | None:
    """[RETURN options] [CHARSET name] keys; answers with message numbers."""
    return await run(state, reader, by_uid=False)


async def uid_search(state: Session, reader: Reader) -> str | None:
    """The same; answers with UIDs."""
    return await run(state, reader, by_uid=True)


async def run(state: Session, reader: Reader, by_uid: bool) -> str | None:
    """Find and answer."""
    try:
        wanted = keys.read(reader)
        reader.end()
    except keys.UnknownCharset as unknown:
        raise bad_charset(state, unknown)
    view = state.view
    assert view is not None
    with Saving(state, wanted):
        await filters.expand(state, wanted)
        key = limits.narrow(state, view, wanted.key, updated="UPDATE" in (wanted.returns or ()))
    # RFC 7162 section 3.2.10.2: no VANISHED while it is not plain which numbers the client meant.
    state.numbered = modseq.vanishes(state) and keys.numbers(wanted.key)
    context = updated(state, wanted, [], by_uid)
    scores: dict[int, int] = {}
    uids = await matching.find(state, view, key, scores)
    if wanted.returns is not None and "SAVE" in wanted.returns:
        state.saved = list(sets.runs(kept(wanted, uids)))
    numbers = uids if by_uid else in_view(state, uids)
    highest = highest_modseq(state, view.folder.table, wanted, uids)
    if wanted.returns is None and not news.rev2(state):
        found = " ".join(map(str, numbers)).encode("ascii")
        state.conn.write(untagged(b"SEARCH", *([found] if found else []), *highest))
    else:
        answer(state, wanted, numbers, by_uid, highest, scores=[scores[uid] for uid in uids] if scores else ())
    if context is not None:
        context.keep(state, uids)
    return None


def updated(
    state: Session, wanted: Search, criteria: list[Criterion], by_uid: bool, where: bytes = b""
) -> Context | None:
    """What follows the search from now on, when UPDATE asks for it. Bad: the tag has been used for that."""
    if wanted.returns is None or "UPDATE" not in wanted.returns:
        return None
    from mailkit.imap.searching import contexts  # few clients ask for it

    context = contexts.begun(state, wanted.key, criteria, by_uid, where)
    context.items = wanted.items
    return context


class Saving:
    """What may refuse a search. One that was to be saved then leaves `$` empty, no other changes it (RFC 5182 section
    2.1)."""

    __slots__ = ("_saves", "_state")

    def __init__(self, state: Session, wanted: Search) -> None:
        self._state = state
        self._saves = "SAVE" in (wanted.returns or ())

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._saves and isinstance(error, No):
            self._state.saved = []


def bad_charset(state: Session, unknown: keys.UnknownCharset) -> No:
    """The refusal; see `Saving`."""
    if unknown.saves:
        state.saved = []
    return No("That charset is unknown", f"BADCHARSET ({' '.join(keys.CHARSETS)})")


def highest_modseq(state: Session, table: Table, wanted: Search, uids: list[int]) -> list[bytes]:
    """What a search by MODSEQ tells besides: the highest one of what it answers (RFC 7162 section 3.1.5, 3.1.10)."""
    if not keys.mentions(wanted.key, "MODSEQ"):
        return []
    modseq.enable(state)
    rows = [row for row in map(table.row, kept(wanted, uids)) if row is not None]
    return [b"(MODSEQ %d)" % max(table.modseqs[row] for row in rows)] if rows else []


def in_view(state: Session, uids: list[int]) -> list[int]:
    """Message numbers of ascending UIDs."""
    view = state.view
    assert view is not None
    if len(uids) == view.count:
        return list(range(1, view.count + 1))
    if len(uids) > view.count // _DENSE:
        wanted = set(uids)
        return [number for number, uid in enumerate(view.uids[: view.count], 1) if uid in wanted]
    return [number for number in map(view.seq, uids) if number is not None]


def kept(wanted: Search, uids: list[int]) -> list[int]:
    """What `$` stands for: with MIN, MAX and PARTIAL but neither ALL nor COUNT only those (RFC 5182 section 2.4,
    RFC 9394 section 3.2)."""
    returns = wanted.returns or frozenset()
    if not uids or returns & {"ALL", "COUNT"} or not returns & {"MIN", "MAX", "PARTIAL"}:
        return uids
    found = set(uids[pages.span(wanted.page, len(uids))]) if wanted.page is not None else set()
    if "MIN" in returns:
        found.add(uids[0])
    if "MAX" in returns:
        found.add(uids[-1])
    return sorted(found)


def answer(
    state: Session,
    wanted: Search,
    numbers: list[int],
    by_uid: bool,
    highest: list[bytes],
    form: Callable[[list[int]], bytes] = sets.form,
    where: bytes = b"",
    scores: Sequence[int] = (),
) -> None:
    """The ESEARCH response (RFC 9051 section 7.3.4); none when no more than SAVE was asked for (RFC 5182 section 2.4).

    form: what makes the value of ALL and PARTIAL of numbers; where: which mailbox it is of, beside the tag;
    scores: relevancy of each of the numbers.
    """
    returns = wanted.returns if wanted.returns is not None else frozenset({"ALL"})
    if returns <= {"SAVE", "UPDATE"}:
        return
    parts = [correlator(state.tag, by_uid, where)]
    if numbers:
        parts += [b"MIN %d" % numbers[0]] if "MIN" in returns else []
        parts += [b"MAX %d" % numbers[-1]] if "MAX" in returns else []
        parts += [b"ALL " + form(numbers)] if "ALL" in returns else []
    if wanted.page is not None:
        found = form(numbers[pages.span(wanted.page, len(numbers))])
        parts.append(b"PARTIAL (%b %b)" % (pages.form(wanted.page), found or b"NIL"))
    if "RELEVANCY" in returns:
        shown = scores[pages.span(wanted.page, len(numbers))] if wanted.page is not None else scores
        parts.append(b"RELEVANCY (" + b" ".join(map(b"%d".__mod__, shown)) + b")")
    if "COUNT" in returns:
        parts.append(b"COUNT %d" % len(numbers))
    parts += [each.strip(b"()") for each in highest]
    state.conn.write(untagged(*parts))
