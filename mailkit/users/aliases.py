"""Addresses that stand for others: the file users/aliases.

    sales@example.test: alice, bob@example.test, Carol@elsewhere.example     exactly this address
    list-*@example.test: alice+*                                             pattern: one *, which matches no "@"
    *@old.example: *@example.test                                            a domain that stands for another
    @example.test: postmaster                                                catch-all: what nothing else takes

A target without "@" is in the domain of the address; a "*" in a target is what the * of the pattern matched. A target
that is the address itself means the mailbox of that name, in addition to the others. Of two lines for one address the
first counts; of patterns the first that fits; patterns go before catch-alls. A damaged line is named in the log and
skipped.
"""

from __future__ import annotations

from mailkit.exits import Perm, Temp
from mailkit.users import keyed, names
from mailkit.users.passwd import Passwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailkit.control import Home

CIRCLE = "4.4.6"  # the status code of aliases that run in a circle (RFC 3463 3.5: routing loop)
_SPECIALS = frozenset(' ()<>[]:;@\\,"')  # in no local part without quotes (RFC 5321 4.1.2)
_DEEPEST = 30  # aliases of aliases
_MOST = 10_000  # addresses one alias may lead to


class Alias:
    """One line. key: an address, a pattern with a *, or "@domain". targets: as written, with the domain added."""

    __slots__ = ("key", "targets")

    def __init__(self, key: str, targets: list[str]) -> None:
        self.key = key
        self.targets = targets

    def line(self) -> bytes:
        """As it stands in the file, without line end."""
        return f"{self.key}: {', '.join(self.targets)}".encode("utf-8", "surrogateescape")


def parse(line: bytes) -> Alias:
    """The Alias of a line. ValueError says what is wrong with it."""
    head, colon, rest = line.decode("utf-8", "surrogateescape").partition(":")
    if not colon:
        raise ValueError("has no colon")
    key = checked_key(head)
    domain = key.rpartition("@")[2]
    targets = [checked_target(target.strip(), domain) for target in rest.split(",") if target.strip()]
    if not targets:
        raise ValueError("names no target")
    return Alias(key, targets)


def checked_key(text: str) -> str:
    """The canonical form of an alias: address, pattern or "@domain". ValueError when it is none of these."""
    if text.startswith("@"):
        return "@" + names.domain(text[1:])
    if text.count("*") > 1:
        raise ValueError(f"{text!r} has more than one *")
    if "*" not in text:
        return names.canonical(text)
    # What a * stands for is part of an atom or a label: with such a part in its place the rest can be judged.
    part = "x"
    while part in text.lower():
        part += "x"
    return names.canonical(text.replace("*", part)).replace(part, "*")


def checked_target(text: str, domain: str) -> str:
    """A target with its domain. ValueError when mail cannot be sent there."""
    address = text if "@" in text else f"{text}@{domain}"
    local, _, host = address.rpartition("@")
    foreign = "@" not in text and text.startswith(("|", "/"))  # a program or a file elsewhere, and nobody's name here
    if not local or not host or not address.isprintable() or foreign or not _SPECIALS.isdisjoint(local):
        raise ValueError(f"target {text!r} is not an address")
    if "*" not in host:
        names.domain(host)
    return address


class Aliases:
    """The aliases of a home. Each look-up sees the file as it is now; Temp when it cannot be read, or the only lines of
    an address are damaged."""

    __slots__ = ("_home", "_keyed")

    def __init__(self, home: Home) -> None:
        self._home = home
        self._keyed = keyed.opened(home.aliases, home.run)

    @property
    def version(self) -> keyed.Version | None:
        """The file as it is now, as Keyed.current."""
        return self._keyed.current()

    def exact(self, address: str) -> list[str] | None:
        """What the line of exactly this address says; None when there is none."""
        key = names.key(address)
        return self._line(key) if key is not None and b"*" not in key else None

    def pattern(self, address: str) -> list[str] | None:
        """What the first pattern that fits, or else the domain's catch-all, says; None when there is neither."""
        key = names.key(address)
        if key is None:
            return None
        text = key.decode()
        for alias in self._patterns():
            middle = matched(alias.key, text)
            if middle is not None:
                return [target.replace("*", middle) for target in alias.targets]
        return self._line(b"@" + key.rpartition(b"@")[2])

    def expand(self, address: str, known: Callable[[str], bool] | None = None) -> list[str]:
        """The addresses an address finally leads to, each once; [] when no alias concerns it.

        known: is there a mailbox of this address? Then no pattern or catch-all takes its mail. Without it the passwd
        file is asked. Temp (CIRCLE) when aliases run in a circle or lead to more than 10,000 addresses.
        """
        found: dict[str, str] = {}
        for step in self.steps(address, known):
            if step[1] is None:
                found.setdefault(step[0].lower(), step[0])
        own = found.keys() == {address.lower()} and self.exact(address) is None
        return [] if own else list(found.values())

    def steps(
        self, address: str, known: Callable[[str], bool] | None = None
    ) -> Iterator[tuple[str, list[str] | None, int]]:
        """How an address is expanded, for people to read: (address, its targets or None at an end, depth)."""
        passwd = Passwd(self._home)
        is_known = known or (lambda name: passwd.lookup(name) is not None)
        waiting: list[tuple[str, tuple[str, ...]]] = [(address, ())]
        count = 0
        while waiting:
            name, chain = waiting.pop()
            key = name.lower()
            count += 1
            if key in chain[:-1] or len(chain) > _DEEPEST or count > _MOST:
                raise Temp("aliases run in a circle", code=CIRCLE, detail=f"aliases of {address}: at {name}")
            # An alias that names itself means the mailbox.
            targets = None if chain[-1:] == (key,) else self._targets(name, is_known)
            yield name, targets, len(chain)
            for target in reversed(targets or []):
                waiting.append((target, (*chain, key)))

    def every(self) -> Iterator[Alias]:
        """Every line that can be understood."""
        version = self._keyed.current()
        if version is None:
            return
        for number, line in version.every():
            try:
                yield parse(line)
            except ValueError as error:
                version.name_damage("aliases", error, number=number)

    def damaged(self) -> list[tuple[int, str]]:
        """Number of each line that does not count, and why."""
        version = self._keyed.current()
        if version is None:
            return []
        found = []
        for number, line in version.every():
            try:
                parse(line)
            except ValueError as error:
                found.append((number, str(error)))
        return found

    def _targets(self, name: str, is_known: Callable[[str], bool]) -> list[str] | None:
        exact = self.exact(name)
        if exact is not None or is_known(name):
            return exact
        return self.pattern(name)

    def _line(self, key: bytes) -> list[str] | None:
        version = self._keyed.current()
        if version is None:
            return None
        damage = ""
        for offset, line in version.lines(key):
            try:
                return parse(line).targets
            except ValueError as error:
                number = version.name_damage("aliases", error, offset=offset)
                damage = damage or f"{self._keyed.path} line {number}: {error}"
        if damage:
            raise Temp("user data is damaged", detail=damage)
        return None

    def _parsed(self, version: keyed.Version, offset: int, line: bytes) -> Alias | None:
        try:
            return parse(line)
        except ValueError as error:
            version.name_damage("aliases", error, offset=offset)
            return None

    def _patterns(self) -> list[Alias]:
        """The lines with a * in front of the colon, in file order; found again only when the file has changed."""
        version = self._keyed.current()
        if version is None:
            return []
        kept = _kept.get(self._keyed.path)
        if kept is not None and kept[0] is version:
            return kept[1]
        found = []
        for offset in version.holds(b"*"):
            line = version.line(offset)
            if b"*" in line.partition(b":")[0] and not line.startswith(b"#"):
                alias = self._parsed(version, offset, line)
                if alias is not None:
                    found.append(alias)
        _kept[self._keyed.path] = (version, found)
        return found


_kept: dict[str, tuple[object, list[Alias]]] = {}


def matched(pattern: str, address: str) -> str | None:
    """What the * of a pattern stands for in an address, None when it does not fit."""
    before, _, after = pattern.partition("*")
    if len(address) < len(before) + len(after) or not address.startswith(before) or not address.endswith(after):
        return None
    middle = address[len(before) : len(address) - len(after)]
    return middle if middle and "@" not in middle else None


def wanted(key: str, targets: list[str]) -> Alias:
    """The alias that these texts of a person mean. ValueError for what will not do."""
    key = checked_key(key)
    return Alias(key, [checked_target(target, key.rpartition("@")[2]) for target in targets])


def add(home: Home, key: str, targets: list[str]) -> Alias:
    """Make an alias lead to these targets too, and return it. ValueError for names that will not do."""
    result = wanted(key, targets)
    new = result.targets

    def added(old: bytes) -> bytes:
        found = _find(old, result.key)
        if found is None:
            return (old if old.endswith(b"\n") or not old else old + b"\n") + result.line() + b"\n"
        start, end, alias = found
        have = {target.lower() for target in alias.targets}
        result.targets = alias.targets + [target for target in new if target.lower() not in have]
        return old[:start] + result.line() + old[end:]

    keyed.edit(home.aliases, added)
    return result


def remove(home: Home, key: str, targets: list[str]) -> Alias | None:
    """Take these targets from an alias, or with none named all of it; what is left. Perm when it is not there."""
    named = wanted(key, targets)
    key = named.key
    unwanted = {target.lower() for target in named.targets}
    left: list[Alias] = []

    def removed(old: bytes) -> bytes:
        found = _find(old, key)
        if found is None:
            raise Perm(f"there is no alias {key}", code="5.1.1")
        start, end, alias = found
        missing = unwanted - {target.lower() for target in alias.targets}
        if missing:
            raise Perm(f"{key} does not lead to {', '.join(sorted(missing))}", code="5.1.1")
        alias.targets = [target for target in alias.targets if unwanted and target.lower() not in unwanted]
        if alias.targets:
            left.append(alias)
            return old[:start] + alias.line() + old[end:]
        return old[:start] + old[end:].removeprefix(b"\r").removeprefix(b"\n")

    keyed.edit(home.aliases, removed)
    return left[0] if left else None


def _find(old: bytes, key: str) -> tuple[int, int, Alias] | None:
    """Where the line that counts for a key starts and ends, and what it says."""
    offset = 0
    for line in old.split(b"\n"):
        text = line.rstrip(b"\r")
        if text.lower().startswith(key.encode() + b":"):
            try:
                return offset, offset + len(text), parse(text)
            except ValueError:
                pass  # a damaged line does not count, here as in look-ups
        offset += len(line) + 1
    return None
