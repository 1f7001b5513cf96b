"""Messages into threads: ORDEREDSUBJECT and REFERENCES (RFC 5256 section 3), REFS (draft-ietf-morg-inthread). Pure.

A `Node` is a message, or stands for one that is not here (a dummy, uid 0). Nothing recurses: threads may be as deep as
somebody likes to make them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Facts:
    """What threading needs to know of a message."""

    __slots__ = ("message_id", "number", "references", "replied", "sent", "subject")

    def __init__(
        self, number: int, sent: int, subject: str, replied: bool, message_id: bytes, references: list[bytes]
    ) -> None:
        self.number = number  # as it is answered: message number or UID
        self.sent = sent
        self.subject = subject
        self.replied = replied
        self.message_id = message_id
        self.references = references


class Node:
    """A place in a thread."""

    __slots__ = ("children", "facts", "parent")

    def __init__(self, facts: Facts | None = None) -> None:
        self.facts = facts
        self.parent: Node | None = None
        self.children: dict[Node, None] = {}  # a set with an order

    def lead(self) -> Facts:
        """The facts of the message, of a dummy those of its first child."""
        node = self
        while node.facts is None:
            node = next(iter(node.children))
        return node.facts

    def add(self, child: Node) -> None:
        """`child` and what is below it go under this."""
        if child.parent is not None:
            del child.parent.children[child]
        child.parent = self
        self.children[child] = None

    def is_above(self, other: Node) -> bool:
        """`other` is this, or somewhere below it."""
        if self is other or not self.children:
            return self is other
        node: Node | None = other
        while node is not None:
            if node is self:
                return True
            node = node.parent
        return False


def by_date(node: Node) -> tuple[int, int]:
    """Sort key: when it was sent, then its number."""
    facts = node.lead()
    return facts.sent, facts.number


def ordered_subject(messages: list[Facts]) -> list[Node]:
    """One thread for each base subject, by date within and among them."""
    threads: dict[str, Node] = {}
    for facts in sorted(messages, key=lambda facts: (facts.sent, facts.number)):
        node = Node(facts)
        first = threads.setdefault(facts.subject, node)
        if first is not node:
            first.add(node)
    return list(threads.values())


def references(messages: list[Facts]) -> list[Node]:
    """Threads by what refers to what, and then by subject."""
    roots = prune(linked(messages))
    sort_all(roots)
    roots = joined_by_subject(roots)
    sort_all(roots)
    return roots


def refs(messages: list[Facts]) -> list[Node]:
    """Threads by what refers to what alone; the one with the youngest message comes last.

    Young is what was sent last, as for REFERENCES and in Dovecot; the draft would have taken the date of arrival.
    """
    roots = prune(linked(messages))
    sort_all(roots)
    youngest: dict[Node, int] = {}
    for node in below_first(roots):
        own = node.facts.sent if node.facts is not None else 0
        youngest[node] = max([own, *(youngest[child] for child in node.children)])
    roots.sort(key=lambda root: (youngest[root], root.lead().number))
    return roots


def linked(messages: list[Facts]) -> list[Node]:
    """Steps 1 and 2: every message under the one it refers to; the roots."""
    nodes: dict[bytes, Node] = {}
    every: list[Node] = []
    for facts in messages:
        node = nodes.get(facts.message_id) if facts.message_id else None
        if node is None:
            node = Node(facts)
            every.append(node)
            if facts.message_id:
                nodes[facts.message_id] = node
        elif node.facts is None:
            node.facts = facts
        else:
            node = Node(facts)  # the same Message-ID twice: the second has none
            every.append(node)
        link(nodes, every, node, facts.references)
    return [node for node in every if node.parent is None]


def link(nodes: dict[bytes, Node], every: list[Node], node: Node, refers_to: list[bytes]) -> None:
    """Chain what a message refers to, and put it under the last of them; no link makes a loop."""
    above: Node | None = None
    for reference in refers_to:
        here = nodes.get(reference)
        if here is None:
            here = nodes[reference] = Node()
            every.append(here)
        if above is not None and here.parent is None and not here.is_above(above):
            above.add(here)
        above = here
    if above is not None and not node.is_above(above):
        above.add(node)


def prune(roots: list[Node]) -> list[Node]:
    """Step 3: dummies go; their children take their place, but at the root only a single one does."""
    for node in list(below_first(roots)):
        kept: list[Node] = []
        for child in node.children:
            kept += [child] if child.facts is not None else child.children
        for child in kept:
            child.parent = node
        node.children = dict.fromkeys(kept)
    found: list[Node] = []
    for root in roots:
        if root.facts is not None or len(root.children) > 1:
            found.append(root)
        else:
            for child in root.children:
                child.parent = None
                found.append(child)
    return found


def below_first(roots: Iterable[Node]) -> Iterator[Node]:
    """Every node, children before their parents."""
    order: list[Node] = []
    stack = list(roots)
    while stack:
        node = stack.pop()
        order.append(node)
        stack += node.children
    return reversed(order)


def joined_by_subject(roots: list[Node]) -> list[Node]:
    """Step 5: threads whose roots have one base subject become one."""
    leaders: dict[str, Node] = {}
    for root in roots:
        lead = root.lead()
        if lead.subject and better(root, leaders.get(lead.subject)):
            leaders[lead.subject] = root
    instead: dict[Node, Node] = {}
    for root in roots:
        lead = root.lead()
        leader = leaders.get(lead.subject) if lead.subject else None
        if leader is None or leader is root or root.parent is not None:
            continue
        if leader.facts is None and root.facts is None:
            for child in list(root.children):
                leader.add(child)
        elif leader.facts is None or (lead.replied and not leader.facts.replied):
            leader.add(root)
        else:
            both = leaders[lead.subject] = instead[leader] = Node()
            both.add(leader)
            both.add(root)
    joined = [instead.get(root, root) for root in roots]
    return [root for root in joined if root.parent is None and (root.facts is not None or root.children)]


def better(root: Node, leader: Node | None) -> bool:
    """Is this a better first message of its subject: a dummy before a message, an original before a reply?"""
    if leader is None:
        return True
    if leader.facts is None:
        return False
    return root.facts is None or (leader.facts.replied and not root.facts.replied)


def sort_all(roots: list[Node]) -> None:
    """Steps 4 and 6: siblings by date, from the leaves up, for a dummy has the date of its first child."""
    for node in below_first(roots):
        node.children = dict.fromkeys(sorted(node.children, key=by_date))
    roots.sort(key=by_date)


def form(roots: list[Node]) -> bytes:
    """`(2)(3 6 (4 23)(44 7 96))`: RFC 5256 section 4, thread-list."""
    parts: list[bytes] = []
    stack: list[Node | bytes] = []
    for root in reversed(roots):
        stack += [b")", root, b"("]
    while stack:
        item = stack.pop()
        if isinstance(item, bytes):
            parts.append(item)
            continue
        if item.facts is not None:
            parts.append(b"%d" % item.facts.number)
        if len(item.children) == 1:
            stack += [*item.children, b" "]
            continue
        for child in reversed(list(item.children)):
            stack += [b")", child, b"("]
        if item.children and item.facts is not None:
            stack.append(b" ")
    return b"".join(parts)
