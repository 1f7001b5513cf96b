"""What a client follows since its last NOTIFY (RFC 5465), and telling it of that.

A session that used NOTIFY has a `Following`. It decides what `news` may tell of the selected folder, and has one watch
on the directories of everything else that is followed. When the watch fires, or has become another, `look` compares
what is on disk with what the client was told and tells the difference: STATUS for messages, LIST for names and
subscriptions, METADATA for annotations. It is called where a session waits for its client: between two commands, and
in IDLE.

    state.following   None: NOTIFY was never given, and all is as RFC 9051 has it
    .groups           empty after NOTIFY NONE: nothing is told

What the client does itself is not told to it, as far as that is sure: messages it stores in other folders are counted
(`made`), names it changes are taken as known after its command (`after`).

Bounded: FOLDERS_MOST folders are followed; one more, in the command or because it is made later, and all of it ends
with NOTIFICATIONOVERFLOW.
"""

from __future__ import annotations

from mailkit import clock, log
from mailkit.exits import Trouble
from mailkit.imap import modseq, news, replies
from mailkit.imap.commands import LOGOUT, status
from mailkit.imap.folders import metadata, survey
from mailkit.imap.folders.survey import Survey
from mailkit.imap.responses import No, mailbox, untagged
from mailkit.imap.wire import events, sets
from mailkit.maildir import folder as folders
from mailkit.maildir import scan
from mailkit.maildir import state as times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailkit.imap.session import Session
    from mailkit.imap.wire.events import Group
    from mailkit.imap.wire.items import Item
    from mailkit.maildir.folder import Folder
    from mailkit.maildir.state import State
    from mailkit.net.conn import Watch

FOLDERS_MOST = 500
NAMING = frozenset({"CREATE", "DELETE", "RENAME", "SETMETADATA", "SUBSCRIBE", "UNSUBSCRIBE"})


class Followed:
    """One folder whose messages are followed: what the client knows of it. changed: ctime of new/ and cur/ when
    `looked`."""

    __slots__ = ("changed", "directory", "events", "known", "looked", "name")

    def __init__(self, name: str, directory: str, wanted: frozenset[str]) -> None:
        self.name = name
        self.directory = directory
        self.events = wanted
        self.known: State | None = None
        self.changed = (0, 0)
        self.looked = 0

    def look(self) -> State | None:
        """The folder as it is; None when it is as it was. Blocking. FileNotFoundError."""
        now = clock.now_ns()
        changed = (scan.changed_at(f"{self.directory}/new"), scan.changed_at(f"{self.directory}/cur"))
        # Two changes within one tick of the clock look the same: only a time that had passed says something.
        if self.known is not None and changed == self.changed and times.settled(max(changed), self.looked):
            return None
        found = folders.status(self.directory)
        self.changed, self.looked = changed, now
        return found


class Following:
    """Of one session. `selected`: events of the selected folder; `items`: what is fetched of new messages there;
    `delayed`: removals wait for a command; `own`: UIDs this client stored in the selected folder itself."""

    __slots__ = (
        "_made", "_metadata", "_server", "_stale", "_survey", "_watch", "_watched", "delayed", "followed", "groups",
        "items", "own", "selected",
    )  # fmt: skip

    def __init__(self, groups: list[Group]) -> None:
        self.groups = [group for group in groups if group.kind not in (events.SELECTED, events.DELAYED)]
        chosen = next((group for group in groups if group not in self.groups), None)
        self.selected = chosen.events if chosen is not None else frozenset()
        self.items: list[Item] = chosen.items if chosen is not None else []
        self.delayed = chosen is not None and chosen.kind == events.DELAYED
        self.own: set[int] = set()
        self.followed: dict[str, Followed] = {}
        self._made: dict[str, int] = {}
        self._metadata: dict[str, dict[str, bytes]] = {}
        self._server: dict[str, bytes] = {}
        self._survey: Survey | None = None
        self._watch: Watch | None = None
        self._watched: list[str] = []
        self._stale = True

    # what is followed

    def wants(self, event: str) -> bool:
        """Some folder that is not selected is followed for it."""
        return any(event in group.events for group in self.groups)

    def events_of(self, name: str, when: Survey) -> frozenset[str]:
        """Every event a folder is, or was, followed for."""
        return frozenset(event for group in self.groups if covers(group, name, when) for event in group.events)

    def refused(self) -> list[str]:
        """Folders that are named and may be listed, but not read."""
        now = self._survey
        return [] if now is None else [
            name for name in now.mailboxes if self.events_of(name, now) and not now.readable(name)
        ]  # fmt: skip

    async def survey(self, state: Session) -> Survey | None:
        """Look at the names anew, and at which folders are to be followed; what was known before. Overflow."""
        assert state.tree is not None
        before, now = self._survey, await state.conn.offload(Survey, state.tree)
        self._survey = now
        followed: dict[str, Followed] = {}
        for name, place in now.mailboxes.items():
            wanted = self.events_of(name, now)
            if wanted:
                known = followed[name] = self.followed.get(name) or Followed(name, place.directory, wanted)
                known.events, known.directory = wanted, place.directory
        if len(followed) > FOLDERS_MOST:
            raise events.Overflow
        self.followed = followed
        return before

    # the watch

    @property
    def watching(self) -> bool:
        """There is something that may wake the session."""
        return bool(self._watched)

    def arm(self, state: Session) -> None:
        """Watch what is to be watched now, the selected folder too. A new watch begins before the old one ends."""
        wanted = self._directories(state)
        if wanted == self._watched:
            return
        old, self._watched = self._watch, wanted
        self._watch = state.conn.watch(wanted) if wanted else None
        self._stale = True
        if old is not None:
            old.close()

    def _directories(self, state: Session) -> list[str]:
        found: list[str] = []
        if self._survey is not None:
            found += [*self._survey.roots, *self._survey.unfinished]
        for each in self.followed.values():
            if each.events & events.OF_MESSAGES:
                found += [f"{each.directory}/new", f"{each.directory}/cur"]
            if events.METADATA in each.events:
                found.append(each.directory)
        if self.wants(events.SERVER_METADATA):
            found.append(state.home.control.directory)
        if state.view is not None and self.selected:
            directory = state.view.folder.directory
            found += [f"{directory}/new", f"{directory}/cur"]
        return list(dict.fromkeys(found))

    def woken(self) -> None:
        """The watch fired."""
        self._stale = True

    def close(self) -> None:
        """Follow nothing any more."""
        if self._watch is not None:
            self._watch.close()
        self._watch, self._watched = None, []

    # telling

    async def begin(self, state: Session, with_status: bool) -> None:
        """The command succeeded: know where everything is, and tell it `with_status`. Overflow.

        The first `look` comes right after it, for what happened between looking and watching.
        """
        if self.groups:
            await self.survey(state)
        self.arm(state)
        for each, _, _ in await state.conn.offload(self._changed):
            if with_status and not selects(state, each.directory):
                await self._tell_status(state, each, first_items(each.events))
        await self._look_at_metadata(state, silent=True)

    async def look(self, state: Session, removals: bool = False) -> None:
        """Tell what happened since the last time, if something may have. removals: messages that went may be told even
        if they are delayed. Trouble with the disk is logged; the next change is another chance."""
        self.arm(state)
        while self._stale and state.state != LOGOUT:
            self._stale = False
            try:
                await self._look(state, removals)
                self.arm(state)  # what it watches has become another thing: look again
            except events.Overflow:
                await overflow(state)
            except Trouble as trouble:
                log.event("trouble", c=state.conn.id, command="NOTIFY", code=trouble.code, detail=trouble.detail)
            except OSError as error:
                log.event("trouble", c=state.conn.id, command="NOTIFY", code="4.3.0", detail=str(error))

    async def _look(self, state: Session, removals: bool) -> None:
        if state.view is not None and self.selected:
            await news.tell(state, expunges=removals or not self.delayed)
        if state.state == LOGOUT or not self.groups:
            return
        await self._look_at_names(state)
        await self._look_at_messages(state)
        await self._look_at_metadata(state)

    async def _look_at_names(self, state: Session) -> None:
        assert self._survey is not None
        if not await state.conn.offload(self._survey.outdated):
            return
        before = await self.survey(state)
        assert before is not None
        now = self._survey
        for change in survey.renamed(before, now):
            wanted = self.events_of(change.name, now) | self.events_of(change.old or change.name, before)
            if events.NAME in wanted:
                self._tell_name(state, change.name, change.old)
        for name in survey.subscribed(before, now):
            if events.SUBSCRIPTION in self.events_of(name, now) | self.events_of(name, before):
                self._tell_name(state, name)

    def _tell_name(self, state: Session, name: str, old: str = "") -> None:
        from mailkit.imap.commands.list import Request, shown
        from mailkit.imap.folders import listing

        assert self._survey is not None
        request = Request()
        request.extended, request.returns = True, {"SUBSCRIBED"}
        entry = listing.Entry(name, listing.attributes(self._survey.known, request, name), True)
        line = b"* LIST " + shown(state, entry)
        if old:
            line = line.removesuffix(b"\r\n") + b' ("OLDNAME" (%b))\r\n' % mailbox(old, state.utf8)
        state.conn.write(line)

    async def _look_at_messages(self, state: Session) -> None:
        made, self._made = self._made, {}
        for each, before, now in await state.conn.offload(self._changed):
            if selects(state, each.directory):
                continue
            wanted = changed_items(each.events, before, now, made.get(each.directory, 0), modseq.known(state))
            if wanted:
                await self._tell_status(state, each, wanted)

    def _changed(self) -> list[tuple[Followed, State | None, State]]:
        """The folders that changed, what was known of them, what is known now. Blocking. OSError: the first one, when
        nothing else was found."""
        found, trouble = [], None
        for each in self.followed.values():
            if not each.events & events.OF_MESSAGES or not self._readable(each):
                continue
            try:
                now = each.look()
            except FileNotFoundError:
                continue  # its name will be missing too
            except (OSError, Trouble) as error:
                trouble = error
                continue
            if now is not None:
                found.append((each, each.known, now))
                each.known = now
        if trouble is not None and not found:
            raise trouble
        return found

    def _readable(self, each: Followed) -> bool:
        """The user may be told of it now: rights come and go (section 5.9)."""
        assert self._survey is not None
        return self._survey.readable(each.name)

    async def _tell_status(self, state: Session, each: Followed, wanted: list[str]) -> None:
        try:
            state.conn.write(await status.line(state, each.name, each.directory, wanted))
        except No:
            return
        await state.conn.flush()

    async def _look_at_metadata(self, state: Session, silent: bool = False) -> None:
        """Annotations; the names of those that changed are told (section 5.6, 5.7)."""
        for name, each in self.followed.items():
            if events.METADATA in each.events:
                before = self._metadata.get(name, {})
                now = self._metadata[name] = await readable_metadata(state, name)
                if not silent:
                    tell_metadata(state, name, before, now)
        if self.wants(events.SERVER_METADATA):
            server, self._server = self._server, await readable_metadata(state, "")
            if not silent:
                tell_metadata(state, "", server, self._server)

    # what the client did itself

    def made(self, state: Session, folder: Folder, uids: Iterable[int]) -> None:
        """The client stored these messages."""
        found = set(uids)
        if state.view is not None and state.view.folder is folder:
            self.own |= found if self.items else set()
        elif f"{folder.directory}/cur" in self._watched:
            self._made[folder.directory] = self._made.get(folder.directory, 0) + len(found)

    async def fetch(self, state: Session, numbers: range) -> None:
        """Tell what is wanted of new messages in the selected folder, but for those the client stored itself."""
        own, self.own = self.own, set()
        if not self.items:
            return
        from mailkit.imap.commands import fetch

        assert state.view is not None
        uids = state.view.uids
        await fetch.tell(
            state, self.items, list(sets.runs(number for number in numbers if uids[number - 1] not in own))
        )

    async def after(self, state: Session, command: str) -> None:
        """The client changed names, subscriptions or annotations: what is there now is nothing new to it."""
        if command not in NAMING or not self.groups:
            return
        try:
            await self.survey(state)
        except events.Overflow:
            await overflow(state)
            return
        await self._look_at_metadata(state, silent=True)


def covers(group: Group, name: str, when: Survey) -> bool:
    """The group is about a folder of this name (section 6)."""
    if group.kind == "MAILBOXES":
        return name in group.names
    if group.kind == "SUBTREE":
        return any(name == above or name.startswith(f"{above}/") for above in group.names)
    if group.kind == "SUBSCRIBED":
        return name in when.known.subscribed
    # INBOXES: delivery is possible to every folder, so they are the personal ones (section 6.3).
    return when.personal(name)


def selects(state: Session, directory: str) -> bool:
    """The folder is the selected one: of that, only the group of SELECTED is told (section 3.1)."""
    return state.view is not None and state.view.folder.directory == directory


def first_items(wanted: frozenset[str]) -> list[str]:
    """What NOTIFY SET STATUS tells of a folder (section 3.1)."""
    found = ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]
    return [*found, "HIGHESTMODSEQ"] if events.FLAGS in wanted else found


def changed_items(wanted: frozenset[str], before: State | None, now: State, made: int, with_modseq: bool) -> list[str]:
    """What of a folder's STATUS is to be told (section 5.1 to 5.3). made: messages the client added itself."""
    if before is None:  # a folder that is new to us: what is in it came unseen
        return first_items(wanted) if now.messages else []
    if (before.messages + made, before.uidnext + made) == (now.messages, now.uidnext) and made:
        return []
    found = []
    other = before.uidvalidity != now.uidvalidity
    if other or (before.messages, before.uidnext) != (now.messages, now.uidnext):
        found += ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]
    if events.FLAGS in wanted and (other or before.unseen != now.unseen):
        found += ["UIDVALIDITY", "UNSEEN"]
    if with_modseq and (found or (events.FLAGS in wanted and before.highestmodseq != now.highestmodseq)):
        found += ["UIDVALIDITY", "HIGHESTMODSEQ"]
    return list(dict.fromkeys(found))


async def readable_metadata(state: Session, name: str) -> dict[str, bytes]:
    """The entries of a folder, or of the server for ""; none where they cannot be had."""
    try:
        return await metadata.read(state, name)
    except (No, OSError):
        return {}


def tell_metadata(state: Session, name: str, before: dict[str, bytes], now: dict[str, bytes]) -> None:
    """Name the entries that differ."""
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        state.conn.write(untagged(b"METADATA", mailbox(name, state.utf8), *map(metadata.shown_name, changed)))


async def overflow(state: Session) -> None:
    """More than is followed: it ends, as with NOTIFY NONE (section 5.8)."""
    replace(state, Following([]))
    replies.tell(state, "There is more than we can follow", "NOTIFICATIONOVERFLOW")


def replace(state: Session, following: Following | None) -> None:
    """Follow something else from now on."""
    if state.following is not None:
        state.following.close()
    state.following = following
