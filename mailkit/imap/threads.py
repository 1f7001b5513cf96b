"""Messages into threads: ORDEREDSUBJECT and REFERENCES (RFC 5256 section 3), REFS (draft-ietf-morg-inthread). Pure.

Messages are the places 0 to n - 1 of columns, in the order of their numbers. A place from n on stands for a message
that is not here (a dummy). A forest is its `roots` and, for each place that has any, its `children`. Nothing
recurses: threads may be as deep as somebody likes to make them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Messages:
    """What threading needs to know, a column for each.

    sent: seconds; subjects: the base subject, or what stands for it, false for none; replied: it is a reply or a
    forwarded message; names: the Message-ID, false for none; references: what a message refers to, oldest first.
    """

    __slots__ = ("names", "references", "replied", "sent", "subjects")

    def __init__(
        self,
        sent: Sequence[int],
        subjects: Sequence[object],
        replied: Sequence[int],
        names: Sequence[object],
        references: Sequence[Sequence[object]],
    ) -> None:
        self.sent = sent
        self.subjects = subjects
        self.replied = replied
        self.names = names
        self.references = references


class Forest:
    """Threads of some messages."""

    __slots__ = ("children", "messages", "roots", "total")

    def __init__(self, messages: Messages) -> None:
        self.messages = messages
        self.total = len(messages.sent)
        self.roots: list[int] = []
        self.children: dict[int, list[int]] = {}

    def lead(self, place: int) -> int:
        """The message, of a dummy its first child."""
        return place if place < self.total else self.children[place][0]

    def sort(self, places: list[int]) -> None:
        """By date; of one date by number (RFC 5256 section 2.2)."""
        sent = self.messages.sent
        if all(map(self.total.__gt__, places)):
            places.sort()
            places.sort(key=sent.__getitem__)
        else:
            leads = {place: self.lead(place) for place in places}
            places.sort(key=lambda place: (sent[leads[place]], leads[place]))


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
        youngest[root] = latest, forest.lead(root)
    forest.roots.sort(key=youngest.__getitem__)
    return forest


def linked(messages: Messages) -> Forest:
    """Steps 1 to 4: every message under the one it refers to, without dummies that hold nothing together; siblings by
    date."""
    forest = Forest(messages)
    total = forest.total
    parents = parents_of(messages)
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
    for siblings in children.values():
        if len(siblings) > 1:
            forest.sort(siblings)
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
    # The same Message-ID twice: the second message has none.
    places = {name: place for place, name in reversed(list(enumerate(names))) if name}
    parents = [-1] * len(names)
    holds = bytearray(len(names))  # something is under it, or was
    for place, refers_to in enumerate(messages.references):
        if not refers_to:
            continue
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
    leaders = leaders_of(forest)
    children, subjects, replied, total = (
        forest.children,
        forest.messages.subjects,
        forest.messages.replied,
        forest.total,
    )
    new = max([total, *children]) + 1
    inside: set[int] = set()  # roots that are under another now, or empty
    instead: dict[int, int] = {}
    changed = set()
    for root in forest.roots:
        lead = root if root < total else children[root][0]
        leader = leaders.get(subjects[lead], root) if subjects[lead] else root
        if leader == root or root in inside:
            continue
        inside.add(root)
        if leader >= total and root >= total:
            children[leader] += children.pop(root)
        elif leader >= total or (replied[lead] and not replied[leader]):
            children.setdefault(leader, []).append(root)
        else:
            leaders[subjects[lead]] = instead[leader] = new
            children[new] = [leader, root]
            leader, new = new, new + 1
        changed.add(leader)
    for place in changed:
        forest.sort(children[place])
    forest.roots = [instead.get(root, root) for root in forest.roots if root not in inside]


def leaders_of(forest: Forest) -> dict[object, int]:
    """The best root of each subject: a dummy before a message, an original before a reply, else the first."""
    subjects, replied, total = forest.messages.subjects, forest.messages.replied, forest.total
    leaders: dict[object, int] = {}
    for root in forest.roots:
        subject = subjects[root if root < total else forest.children[root][0]]
        if not subject:
            continue
        leader = leaders.setdefault(subject, root)
        if leader != root and leader < total and (root >= total or (replied[leader] and not replied[root])):
            leaders[subject] = root
    return leaders


def form(forest: Forest, numbers: Sequence[int]) -> bytes:
    """`(2)(3 6 (4 23)(44 7 96))`: RFC 5256 section 4, thread-list. numbers: what the messages are called."""
    children = forest.children
    if not children:
        return b"".join([b"(%d)" % numbers[root] for root in forest.roots])
    return b"".join(
        [b"(%d)" % numbers[root] if root not in children else one(forest, numbers, root) for root in forest.roots]
    )


def one(forest: Forest, numbers: Sequence[int], root: int) -> bytes:
    """One thread."""
    parts: list[bytes] = []
    stack: list[int | bytes] = [b")", root, b"("]
    while stack:
        item = stack.pop()
        if isinstance(item, bytes):
            parts.append(item)
            continue
        below = forest.children.get(item, ())
        if item < forest.total:
            parts.append(b"%d" % numbers[item])
            if below:
                parts.append(b" ")
        if len(below) == 1:
            stack.append(below[0])
            continue
        for child in reversed(below):
            stack += [b")", child, b"("]
    return b"".join(parts)
