"""What NOTIFY is asked for (RFC 5465 section 8): which folders, and what may happen to them.

    SET STATUS (selected (MessageNew (UID FLAGS) MessageExpunge)) (subtree "Lists" (MessageNew MessageExpunge))

is a Request with two Groups. Names of kinds and events are in capitals. What the grammar allows and section 5 and 6
forbid is Bad here too, so that whoever follows folders need not ask.
"""

from __future__ import annotations

from mailkit.imap.wire import Bad, items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.wire.items import Item
    from mailkit.imap.wire.reader import Reader

SUPPORTED = (
    "MessageNew", "MessageExpunge", "FlagChange", "MailboxName", "SubscriptionChange", "MailboxMetadataChange",
    "ServerMetadataChange",
)  # fmt: skip
"""As BADEVENT lists them; AnnotationChange is not among them, as there are no annotations of messages (RFC 5257)."""
NEW, EXPUNGE, FLAGS, NAME, SUBSCRIPTION, METADATA, SERVER_METADATA = (event.upper() for event in SUPPORTED)
OF_MESSAGES = frozenset({NEW, EXPUNGE, FLAGS})

SELECTED, DELAYED = "SELECTED", "SELECTED-DELAYED"
NAMING = ("SUBTREE", "MAILBOXES")
KINDS = (SELECTED, DELAYED, "INBOXES", "PERSONAL", "SUBSCRIBED", *NAMING)
GROUPS_MOST = 50
NAMES_MOST = 1000


class Group:
    """Some folders and their events. `items`: what is fetched of new messages in the selected folder."""

    __slots__ = ("events", "items", "kind", "names")

    def __init__(self, kind: str, names: list[str]) -> None:
        self.kind = kind
        self.names = names
        self.events: frozenset[str] = frozenset()
        self.items: list[Item] = []


class Request:
    """A whole NOTIFY SET; `status` asks for a STATUS of each folder at once."""

    __slots__ = ("groups", "status")

    def __init__(self, status: bool) -> None:
        self.status = status
        self.groups: list[Group] = []


class Unsupported(Exception):
    """An event that is not told of here: NO [BADEVENT] (section 3.1)."""


class Overflow(Exception):
    """More than anybody would follow: NO [NOTIFICATIONOVERFLOW]."""


def read(reader: Reader) -> Request | None:
    """The arguments of NOTIFY; None is NONE. Bad, Unsupported, Overflow."""
    word = reader.word()
    if word == "NONE":
        return None
    if word != "SET":
        raise Bad("NOTIFY is followed by SET or NONE")
    reader.space()
    status = reader.peek() != b"("
    if status:
        if reader.word() != "STATUS":
            raise Bad("NOTIFY SET knows STATUS, then groups of folders and events")
        reader.space()
    request = Request(status)
    request.groups.append(_group(reader))
    while not reader.done:
        reader.space()
        request.groups.append(_group(reader))
        if len(request.groups) > GROUPS_MOST:
            raise Overflow
    if sum(len(group.names) for group in request.groups) > NAMES_MOST:
        raise Overflow
    if sum(group.kind in (SELECTED, DELAYED) for group in request.groups) > 1:
        raise Bad("The selected mailbox has one group of events")
    return request


def _group(reader: Reader) -> Group:
    reader.expect(b"(")
    kind = reader.word()
    if kind not in KINDS:
        raise Bad(f"NOTIFY knows no mailboxes {kind}")
    reader.space()
    names: list[str] = []
    if kind in NAMING:
        names = reader.mailboxes()
        reader.space()
    group = Group(kind, names)
    if reader.peek() == b"(":
        _events(reader, group)
    elif reader.word() != "NONE":
        raise Bad("Events stand in parentheses, or are NONE")
    reader.expect(b")")
    _check(group)
    return group


def _events(reader: Reader, group: Group) -> None:
    reader.expect(b"(")
    found = set()
    while True:
        event = reader.word()
        if event not in (NEW, EXPUNGE, FLAGS, NAME, SUBSCRIPTION, METADATA, SERVER_METADATA):
            raise Unsupported
        found.add(event)
        if event == NEW and reader.data.startswith(b" (", reader.at):
            reader.space()
            group.items = items.read(reader)
        if reader.took(b")"):
            break
        reader.space()
    group.events = frozenset(found)


def _check(group: Group) -> None:
    """Section 5: which events go together; section 6.1: which ones the selected folder has."""
    if (NEW in group.events) != (EXPUNGE in group.events):
        raise Bad("MessageNew and MessageExpunge go together")
    if FLAGS in group.events and NEW not in group.events:
        raise Bad("FlagChange needs MessageNew and MessageExpunge")
    if group.kind not in (SELECTED, DELAYED):
        if group.items:
            raise Bad("Only of the selected mailbox new messages are fetched")
    elif group.events - OF_MESSAGES:
        raise Bad("The selected mailbox has events of messages only")
