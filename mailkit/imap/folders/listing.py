"""Which folder names answer a LIST or LSUB, and with what attributes (RFC 9051 section 7.3.1, RFC 5258).

Folders are what the store has; a name above one that is no folder itself ("a" where only "a/b" is) is \\NonExistent.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailkit.imap.commands.list import Request
    from mailkit.imap.folders.forest import Forest

SELECTS = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
RETURNS = frozenset({"SUBSCRIBED", "CHILDREN", "METADATA", "MYRIGHTS", "SPECIAL-USE", "STATUS"})


class Known:
    """The folders, what is above them, subscriptions and special uses, as they are now.

    patterns: what will be asked for; others' folders that none of them can match are left out.
    """

    __slots__ = ("folders", "parents", "special", "subscribed")

    def __init__(self, tree: Forest, patterns: Iterable[str] = ("*",)) -> None:
        self.folders = tree.names(patterns)
        self.subscribed = {"INBOX" if name.upper() == "INBOX" else name for name in tree.subscriptions()}
        self.special = tree.special()
        self.parents: set[str] = set()
        for name in self.folders:
            self.parents.update(above(name))


class Entry:
    """One name of the answer. selectable: a folder, and not only named for what is below it; RETURN STATUS and the like
    are for such (RFC 5819 section 2, RFC 8440 section 3)."""

    __slots__ = ("attributes", "child_info", "name", "selectable")

    def __init__(self, name: str, attributes: list[str], selectable: bool, child_info: bool = False) -> None:
        self.name = name
        self.attributes = attributes
        self.selectable = selectable
        self.child_info = child_info


def patterns_of(request: Request) -> list[str]:
    """What a LIST or LSUB asks for, reference and all."""
    return [pattern(request.reference, text) for text in request.patterns]


def entries(known: Known, request: Request) -> list[Entry]:
    """The answer of LIST, INBOX first, then by name."""
    patterns = patterns_of(request)
    folders = set(known.folders)
    candidates = folders | known.parents
    if "SUBSCRIBED" in request.selects:
        candidates |= known.subscribed
        for name in known.subscribed:
            candidates.update(above(name))
    found = []
    for name in ordered(candidates):
        if not any(matches(each, name) for each in patterns):
            continue
        chosen = selected(known, request, name)
        below = "RECURSIVEMATCH" in request.selects and _chosen_below(known, request, name)
        if chosen or below:
            found.append(Entry(name, attributes(known, request, name), chosen and name in folders, below))
    return found


def selected(known: Known, request: Request, name: str) -> bool:
    """The selection options let this name through."""
    if "SUBSCRIBED" in request.selects and name not in known.subscribed:
        return False
    return "SPECIAL-USE" not in request.selects or name in known.special


def _chosen_below(known: Known, request: Request, name: str) -> bool:
    """RFC 5258 section 3: RECURSIVEMATCH also names those with a chosen descendant."""
    inside = name + "/"
    return any(other.startswith(inside) and selected(known, request, other) for other in known.subscribed)


def attributes(known: Known, request: Request, name: str) -> list[str]:
    """What is said about a name. Children are always told: it costs nothing here (RFC 3348)."""
    found = []
    exists = name in known.folders
    if not exists:
        # \NonExistent implies \Noselect (RFC 9051 section 7.3.1); clients of RFC 3501 know only the latter.
        found += ["\\NonExistent"] if request.extended else ["\\Noselect"]
    found.append("\\HasChildren" if name in known.parents else "\\HasNoChildren")
    if name in known.subscribed and (request.returns | request.selects) & {"SUBSCRIBED"}:
        found.append("\\Subscribed")
    if name in known.special:
        found.append(known.special[name])
    return found


def subscribed(known: Known, request: Request) -> list[Entry]:
    """The answer of LSUB. With `%`, a name above a subscription answers for it (RFC 3501 section 6.3.9)."""
    wanted = pattern(request.reference, request.patterns[0])
    found: dict[str, Entry] = {}
    for name in ordered(known.subscribed):
        if matches(wanted, name):
            missing = name not in known.folders
            found[name] = Entry(name, ["\\Noselect"] if missing else [], not missing)
        elif wanted.endswith("%"):
            for parent in above(name):
                if parent not in known.subscribed and matches(wanted, parent):
                    found[parent] = Entry(parent, ["\\Noselect"], False)
    return [found[name] for name in ordered(found)]


def above(name: str) -> list[str]:
    """Names of the levels above: "a/b/c" has "a" and "a/b"."""
    pieces = name.split("/")
    return ["/".join(pieces[:count]) for count in range(1, len(pieces))]


def ordered(names: Iterable[str]) -> list[str]:
    """INBOX and what is in it first, then by name."""
    return sorted(names, key=lambda name: (name != "INBOX", name))


def pattern(reference: str, text: str) -> str:
    """Reference and pattern joined; INBOX in any case is INBOX.

    Of wildcards side by side one is left: so `matches` is through with any pattern after as many steps as the name has
    characters.
    """
    joined = reference + text
    while "%%" in joined or "**" in joined or "%*" in joined or "*%" in joined:
        joined = joined.replace("%%", "%").replace("%*", "*").replace("*%", "*").replace("**", "*")
    head, slash, tail = joined.partition("/")
    return "INBOX" + slash + tail if head.upper() == "INBOX" else joined


def matches(wanted: str, name: str) -> bool:
    """`*` stands for anything, `%` for anything without `/`.

    Every place of the name that the pattern so far can reach is kept: time is at most name times pattern.
    """
    reached = {0}
    for char in wanted:
        if char == "*":
            reached = set(range(min(reached), len(name) + 1))
        elif char == "%":
            reached = _spread(reached, name)
        else:
            reached = {at + 1 for at in reached if at < len(name) and name[at] == char}
        if not reached:
            return False
    return len(name) in reached


def _spread(reached: set[int], name: str) -> set[int]:
    """Every place that can be reached without passing a `/`."""
    found = set()
    for start in reached:
        at = start
        while at not in found:
            found.add(at)
            if at == len(name) or name[at] == "/":
                break
            at += 1
    return found
