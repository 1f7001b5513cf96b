"""ESEARCH: one search in many mailboxes (MULTISEARCH, RFC 7377)."""

from __future__ import annotations

from mailkit.imap import limits, selection
from mailkit.imap.commands import search as searches
from mailkit.imap.commands.select import opened
from mailkit.imap.folders import tree
from mailkit.imap.responses import No, mailbox
from mailkit.imap.searching import filters, matching
from mailkit.imap.wire import Bad, keys, scopes, sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from mailkit.imap.session import Session
    from mailkit.imap.wire.keys import Search
    from mailkit.imap.wire.reader import Reader
    from mailkit.imap.wire.scopes import Source
    from mailkit.maildir.view import View

    Act = Callable[[Session, View, str, Search], Coroutine[Any, Any, int]]

FOLDERS_MOST = 5000


async def esearch(state: Session, reader: Reader) -> None:
    """[IN (sources)] [RETURN options] [CHARSET name] keys; answers with UIDs, mailbox by mailbox."""
    sources = scopes.read(reader)
    try:
        wanted = keys.read(reader)
        reader.end()
    except keys.UnknownCharset as unknown:
        raise searches.bad_charset(state, unknown)
    check(state, sources, wanted)
    with searches.Saving(state, wanted):
        await filters.expand(state, wanted)
    names = await tree.attempt(state, chosen, state, sources)
    if len(names) > FOLDERS_MOST:
        raise No(f"A search is of at most {FOLDERS_MOST} mailboxes", "LIMIT")
    if limits.messages(state) and len(names) > 1:
        await within_limit(state, names, wanted)
    for name in names:
        await visit(state, name, answered, wanted)


def check(state: Session, sources: list[Source], wanted: Search) -> None:
    """What cannot be asked for now. Bad."""
    kinds = {kind for kind, _ in sources}
    returns = wanted.returns or frozenset()
    if scopes.SELECTED in kinds and state.view is None:
        raise Bad("No mailbox is selected")
    if "UPDATE" in returns and state.view is None:
        raise Bad("Only of the selected mailbox updates are told")
    if "SAVE" in returns and kinds != {scopes.SELECTED}:
        raise Bad("Only a search of the selected mailbox can be saved")


def chosen(state: Session, sources: list[Source]) -> list[str]:
    """The mailboxes, each once, in the order of the sources. Blocking."""
    folders = tree.of(state)
    every = folders.names()
    found: dict[str, None] = {}
    for kind, names in sources:
        if kind == scopes.SELECTED:
            assert state.mailbox is not None
            found[state.mailbox.name] = None
        elif kind == "SUBSCRIBED":
            subscribed = folders.subscriptions()
            found.update(dict.fromkeys(name for name in every if name in subscribed))
        elif kind == "MAILBOXES":
            found.update(dict.fromkeys(names))
        elif names:
            found.update(dict.fromkeys(name for name in every if below(name, names, deep=kind == "SUBTREE")))
        else:
            # Where mail is delivered to is a matter of the user's own filters: INBOXES are all (RFC 5465 section 6.3).
            found.update(dict.fromkeys(folders.own.names()))
    return list(found)


def below(name: str, roots: list[str], deep: bool) -> bool:
    """It is one of these or below it, at any depth or right below."""
    return any(
        name == root or (name.startswith(root + "/") and (deep or "/" not in name[len(root) + 1 :])) for root in roots
    )


def selects(state: Session, directory: str) -> bool:
    """This folder is selected."""
    return state.view is not None and state.view.folder.directory == directory


async def visit(state: Session, name: str, act: Act, wanted: Search) -> int:
    """Do something with one mailbox. Nothing when it is gone, or none of this user's business: as if it were not there
    (section 2.2)."""
    try:
        path = await tree.path_of(state, name)
        selected: View | None = state.view if selects(state, path) else None
        view: View = selected if selected is not None else await tree.attempt(state, opened, path, True)
    except No:
        return 0
    try:
        return await act(state, view, name, wanted)
    finally:
        if view is not selected:
            view.close()
            view.folder.close()


async def within_limit(state: Session, names: list[str], wanted: Search) -> None:
    """No [LIMIT]: the mailboxes have more messages to look at than one command deals with (section 2.4)."""
    limit, total = limits.messages(state), 0
    for name in names:
        total += await visit(state, name, candidates, wanted)
        if total > limit:
            raise No(f"One command deals with {limit} messages", "LIMIT")


async def candidates(state: Session, view: View, name: str, wanted: Search) -> int:
    """How many messages of a mailbox have to be looked at."""
    return limits.count(limits.named(state, view, wanted.key))


async def answered(state: Session, view: View, name: str, wanted: Search) -> int:
    """The ESEARCH response of one mailbox, none where nothing was found (section 2.1); how many were."""
    told = view is state.view and "UPDATE" in (wanted.returns or ())
    key = limits.narrow(state, view, wanted.key, updated=told)
    where = b" MAILBOX %b UIDVALIDITY %d" % (mailbox(name, state.utf8), view.folder.uidvalidity)
    context = searches.updated(state, wanted, [], True, where) if view is state.view else None
    matcher = matching.Matcher(state, view)
    rows = await matching.find_rows(matcher, key)
    uids = list(selection.column(matcher.table.uids, rows))
    if wanted.returns is not None and "SAVE" in wanted.returns:
        state.saved = list(sets.runs(searches.kept(wanted, uids)))
    if uids:
        highest = searches.highest_modseq(state, matcher.table, wanted, uids)
        scores = [matching.relevancy(matcher, row) for row in rows]
        searches.answer(state, wanted, uids, True, highest, where=where, scores=scores)
    if context is not None:
        context.keep(state, uids)
    return len(uids)
