"""Messages into threads: ORDEREDSUBJECT and REFERENCES (RFC 5256 section 3), REFS (draft-ietf-morg-inthread). Pure.

Messages are the places 0 to n - 1 of columns, in the order of their numbers. A place from n on stands for a message
that is not here (a dummy). A forest is its `roots` and, for each place that has any, its `children`. Nothing
recurses: threads may be as deep as somebody likes to make them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Messages:
    """What threading needs to know, a column for each.

    sent: seconds; subjects: the base subject, or what stands for it, false for none; replied: it is a reply or a
    forwarded message; names: the Message-ID, false for none; references: the places of messages that refer to others,
    with what they refer to, oldest first; looked at once.
    """

    __slots__ = ("names", "references", "replied", "sent", "subjects")

    def __init__(
        self,
        sent: list[int],
        subjects: Sequence[object],
        replied: Sequence[int],
        names: Sequence[object],
        references: Iterable[tuple[int, Sequence[object]]],
    ) -> None:
        self.sent = sent
        self.subjects = subjects
        self.replied = replied
        self.names = names
        self.references = references


class Forest:
    """Threads of some messages. leads: the message at a place, of a dummy its first child; dates: its date."""

    __slots__ = ("children", "dates", "leads", "messages", "roots", "total")

    def __init__(self, messages: Messages, places: int = 0) -> None:
        self.messages = messages
        self.total = total = len(messages.sent)
        self.roots: list[int] = []
        self.children: dict[int, list[int]] = {}
        self.leads = list(range(max(total, places)))
        self.dates = messages.sent + [0] * (places - total)

    def sort(self, places: list[int]) -> None:
        """By date; of one date by number (RFC 5256 section 2.2)."""
        places.sort(key=self.leads.__getitem__)
        places.sort(key=self.dates.__getitem__)

    def group(self, dummy: int) -> None:
        """The children of a dummy are in order: its date is that of the first."""
        self.leads[dummy] = lead = self.children[dummy][0]
        self.dates[dummy] = self.messages.sent[lead]

    def dummy(self, children: list[int]) -> int:
        """A new one above some messages."""
        place = len(self.leads)
        self.leads.append(place)
        self.dates.append(0)
        self.children[place] = children
        return place


def ordered_subject(messages: Messages) -> Forest:
    """One thread for each base subject, by date within and among them."""
    forest = Forest(messages)
    first: dict[object, int] = {}
    every = list(range(forest.total))
    forest.sort(every)
    for place in every:
        start = first.setdefault(messages.subjects[place], place)
        if start != place:
            forest.children.setdefault(start, []).append(place)
    forest.roots = list(first.values())
    return forest


def references(messages: Messages) -> Forest:
    """Threads by what refers to what, and then by subject."""
    forest = linked(messages)
    forest.sort(forest.roots)
    join_by_subject(forest)
    forest.sort(forest.roots)
    return forest


def refs(messages: Messages) -> Forest:
    """Threads by what refers to what alone; the one with the youngest message comes last.

    Young is what was sent last, as for REFERENCES and in Dovecot; the draft would have taken the date of arrival.
    """
    forest = linked(messages)
    sent = messages.sent
    youngest = {}
    for root in forest.roots:
        below = [root] if root < forest.total else list(forest.children[root])
        latest = 0
        while below:
            place = below.pop()
            latest = max(latest, sent[place])
            below += forest.children.get(place, ())
        youngest[root] = latest, forest.leads[root]
    forest.roots.sort(key=youngest.__getitem__)
    return forest


def linked(messages: Messages) -> Forest:
    """Steps 1 to 4: every message under the one it refers to, without dummies that hold nothing together; siblings by
    date."""
    parents = parents_of(messages)
    forest = Forest(messages, len(parents))
    total = forest.total
    top: dict[int, int] = {}
    groups: dict[int, list[int]] = {}
    children = forest.children
    for place in range(total):
        parent = parents[place]
        if parent < 0:
            forest.roots.append(place)
            continue
        if parent >= total:
            parent = top[parent] if parent in top else climbed(parents, total, top, parent)
        (children if parent < total else groups).setdefault(parent, []).append(place)
    for dummy, group in groups.items():
        if len(group) == 1:
            forest.roots += group
        else:
            children[dummy] = group
            forest.roots.append(dummy)
    for place, siblings in children.items():
        if len(siblings) > 1:
            forest.sort(siblings)
        if place >= total:
            forest.group(place)
    return forest


def climbed(parents: list[int], total: int, top: dict[int, int], place: int) -> int:
    """The first message above a dummy, or the highest dummy; noted in `top` for all on the way."""
    way = []
    while place >= total and place not in top and parents[place] >= 0:
        way.append(place)
        place = parents[place]
    place = top.get(place, place)
    top.update(dict.fromkeys(way, place))
    return place


def parents_of(messages: Messages) -> list[int]:
    """Steps 1 and 2: what each place is under, -1 for nothing; dummies are added behind the messages."""
    names = messages.names
    count = len(names)
    # The same Message-ID twice: the second message has none.
    places = dict(zip(reversed(names), range(count - 1, -1, -1), strict=True))
    for none in (0, ""):
        places.pop(none, None)
    parents = [-1] * count
    holds = bytearray(count)  # something is under it, or was
    for place, refers_to in messages.references:
        above = -1
        for name in refers_to:
            here = places.get(name)
            if here is None:
                here = places[name] = len(parents)
                parents.append(-1)
                holds.append(0)
            if (
                above >= 0
                and parents[here] < 0
                and here != above
                and not (holds[here] and is_above(parents, here, above))
            ):
                parents[here] = above
                holds[above] = 1
            above = here
        # What a message itself says of its parent counts more than what others say of it.
        if place != above and not (holds[place] and is_above(parents, place, above)):
            parents[place] = above
            holds[above] = 1
    return parents


def is_above(parents: list[int], place: int, other: int) -> bool:
    """`other` is this, or somewhere below it: a link would make a loop."""
    while other >= 0:
        if other == place:
            return True
        other = parents[other]
    return False


def join_by_subject(forest: Forest) -> None:
    """Step 5: threads whose roots have one base subject become one."""
    subjects = map(forest.messages.subjects.__getitem__, map(forest.leads.__getitem__, forest.roots))
    first: dict[object, int] = {}
    alike: dict[object, list[int]] = {}
    for root, subject in zip(forest.roots, subjects, strict=True):
        leader = first.setdefault(subject, root)
        if leader != root and subject:
            alike.setdefault(subject, [leader]).append(root)
    instead: dict[int, int] = {}  # what becomes of a root: another, or -1 for one that is under another now
    for roots in alike.values():
        instead.update(dict.fromkeys(roots, -1))
        leader = best(forest, roots)
        instead[leader] = joined(forest, leader, roots)
    found = [instead.get(root, root) for root in forest.roots]
    forest.roots = [root for root in found if root >= 0]


def best(forest: Forest, roots: list[int]) -> int:
    """The one that the others of its subject go with: a dummy before a message, an original before a reply."""
    replied, total = forest.messages.replied, forest.total
    leader = roots[0]
    for root in roots:
        if leader < total and (root >= total or (replied[leader] and not replied[root])):
            leader = root
    return leader


def joined(forest: Forest, leader: int, roots: list[int]) -> int:
    """Put the roots of one subject together; the root of them all."""
    replied, total, children = forest.messages.replied, forest.total, forest.children
    top = leader
    for root in roots:
        if root == leader:
            continue
        if root >= total:
            children[top] += children.pop(root)
        elif top >= total or (replied[root] and not replied[top]):
            children.setdefault(top, []).append(root)
        else:
            top = forest.dummy([top, root])
    forest.sort(children[top])
    if top != leader and leader in children:
        forest.sort(children[leader])
    if top >= total:
        forest.group(top)
    return top


def form(forest: Forest, numbers: Sequence[int]) -> bytes:
    """`(2)(3 6 (4 23)(44 7 96))`: RFC 5256 section 5, thread-list. numbers: what the messages are called."""
    children = forest.children
    names = list(map(str, numbers))
    found = [f"({names[root]})" if root not in children else one(forest, names, root) for root in forest.roots]
    return "".join(found).encode("ascii")


def one(forest: Forest, names: list[str], root: int) -> str:
    """One thread."""
    children, total = forest.children, forest.total
    below = children.get(root)
    if root < total and below is not None and len(below) == 1 and below[0] not in children:
        return f"({names[root]} {names[below[0]]})"  # most threads: a message and its answer
    parts: list[str] = []
    stack: list[int | str] = [")", root, "("]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        below = children.get(item)
        if item < total:
            parts.append(names[item])
            if not below:
                continue
            parts.append(" ")
        assert below is not None
        if len(below) == 1:
            stack.append(below[0])
            continue
        for child in reversed(below):
            stack += [f"({names[child]})"] if child not in children else [")", child, "("]
    return "".join(parts)
