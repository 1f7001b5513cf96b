"""The folders a session can name: the user's own, those others share, the public ones of the domain.

    Sent/2024                                   the user's Maildir
    Other Users/alice@example.test/Projects     alice's Maildir; "/" and "%" in an address are written %2F and %25
    Public/Sales                                domains/DOMAIN/@public/Maildir, whose INBOX is not used

A folder of the user's own that is called like one of the others goes before it. A name becomes a path in two steps that
nobody else makes: the prefix and the address, which must be that of a user in its canonical form, then `maildir.tree`
for the rest. What somebody may do with a folder is in its dovecot-acl (`maildir.acl`); a public folder without one
has that of the Maildir they are in. Whoever lacks a right hears that it is missing if they may know of the folder, else
that there is no such folder, in the same words. What is stored counts for the owner; public folders of a domain have
one account together, with the limit of control/publicquota.

Everything here blocks, and reads the disk anew each time.
"""

from __future__ import annotations

import os

from mailkit import files
from mailkit.imap.folders import sharing
from mailkit.imap.responses import No
from mailkit.maildir import acl, subscriptions
from mailkit.maildir.tree import INBOX, Tree, canonical
from mailkit.users import names, shares
from mailkit.users.passwd import Passwd, User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailkit.control import Home

OTHERS = "Other Users"
PUBLIC = "Public"
_PUBLIC = "@public"
"""Stands for a local part. None has an @ in it, so no user's directory is called like this."""


class Mailbox:
    """One folder, there or not. name: as the client says it; owner: None for a public one; inner: its name in the tree;
    account: for whom counts what is in it, the owner or, in public folders, a user who is in no passwd file."""

    __slots__ = ("account", "inner", "name", "owner", "tree", "who")

    def __init__(
        self, name: str, tree: Tree, inner: str, owner: User | None, who: acl.Who, account: User | None = None
    ) -> None:
        self.account = account or owner
        self.name = name
        self.tree = tree
        self.inner = inner
        self.owner = owner
        self.who = who

    @property
    def directory(self) -> str:
        """Its path. ValueError: no folder can have this name."""
        return self.tree.path(self.inner)

    @property
    def public(self) -> bool:
        """It belongs to the domain."""
        return self.owner is None

    @property
    def exists(self) -> bool:
        """It is there. The root of the public folders is no folder."""
        return not (self.public and canonical(self.inner) == INBOX) and self.tree.exists(self.inner)

    def rights(self) -> str:
        """What the user of the session may do with it: letters; "" when it is not there, or cannot be looked at."""
        return self.granted() if self.exists else ""

    def granted(self) -> str:
        """The same of a folder that is there."""
        return self._granted(self.directory)

    def above(self) -> Mailbox | None:
        """The nearest folder above that is there."""
        inner = self.inner
        while "/" in inner:
            inner = inner.rpartition("/")[0]
            parent = Mailbox(self.name, self.tree, inner, self.owner, self.who, self.account)
            if parent.exists:
                return parent
        return None

    def rights_above(self) -> str:
        """What the user may do where this would be made: with the folder above, else with the whole tree."""
        parent = self.above()
        if parent is not None:
            return parent.rights()
        return self._granted(self.tree.maildir) if self.public else acl.granted((), self.who)

    def need(self, letters: str, code: str = "NONEXISTENT") -> None:
        """No, unless the user has every one of these rights. `code`: what a missing folder is told with."""
        found = self.rights()
        if set(letters) <= set(found):
            return
        if "l" in found:
            raise No("You have no right to do that", "NOPERM")
        raise missing(code)

    def need_above(self) -> None:
        """No, unless the user may make a folder here (RFC 4314 section 4, CREATE)."""
        found = self.rights_above()
        if "k" not in found and "l" not in found and not self.public:
            raise missing()
        if "k" not in found:
            raise No("You have no right to make a mailbox there", "NOPERM")

    def _granted(self, directory: str) -> str:
        try:
            if self.public and not os.path.exists(f"{directory}/{acl.NAME}"):
                directory = self.tree.maildir
            return acl.rights(directory, self.who)
        except OSError:
            return ""


def missing(code: str = "NONEXISTENT") -> No:
    """What is said of a folder that is not there, or must not be known of."""
    return No("There is no such mailbox", code)


def _reaches(patterns: Iterable[str], first: str) -> bool:
    """Could one of these match a name below this first level, or it alone?"""
    heads = [pattern.replace("%", "*").partition("*") for pattern in patterns]
    return any(f"{head}/".startswith(f"{first}/") or (star and f"{first}/".startswith(head)) for head, star, _ in heads)


class Forest:
    """All of them, for one user. Names are as in `tree.Tree`, whose methods of the same name these are.

    alone: this process serves nobody else and may not look at others' folders.
    """

    __slots__ = ("_guest", "_master", "alone", "home", "own", "user")

    def __init__(self, home: Home, user: User, alone: bool = False) -> None:
        self.home = home
        self.user = user
        self.alone = alone
        self.own = Tree(user.maildir)
        self._master = acl.Who(user.address, user.groups, owner=True)
        self._guest = acl.Who(user.address, user.groups)

    @property
    def shares(self) -> bool:
        """There are folders besides the user's own, or may be."""
        return not self.alone and shares.allowed(self.home)

    def locate(self, name: str) -> Mailbox:
        """Where a folder of this name is or would be. No [NONEXISTENT]: nowhere."""
        own = self._mine(name)
        first, _, rest = name.partition("/")
        if first not in (OTHERS, PUBLIC) or not self.shares or own.exists:
            return own
        if first == PUBLIC:
            return self._common(rest, self.public())
        entry, _, inner = rest.partition("/")
        owner = self.sharer(names.named(entry))
        if owner is None or entry != names.directory(owner.address):
            raise missing()
        return self._of(owner, inner)

    def exists(self, name: str) -> bool:
        """There is such a folder, and the user may know it."""
        try:
            return "l" in self.locate(name).rights()
        except (No, ValueError):
            return False

    def path(self, name: str) -> str:
        """The directory of a folder. ValueError; No."""
        return self.locate(name).directory

    def names(self, patterns: Iterable[str] = ("*",)) -> list[str]:
        """Every folder the user may know of; their own first, INBOX first of all.

        patterns of LIST: those of others and public ones are looked for only where one of these could match.
        """
        found = [name for name in self.own.names() if "l" in self._mine(name).granted()]
        if not self.shares:
            return found
        known = set(found)
        shared = self._shared() if _reaches(patterns, OTHERS) else []
        public = self.shared_by_all() if _reaches(patterns, PUBLIC) else []
        for mailbox in (*shared, *public):
            if mailbox.name not in known and "l" in mailbox.granted():
                found.append(mailbox.name)
        return found

    def create(self, name: str, use: str = "") -> None:
        """Make a folder, with the rights of the one above it, and a special use if it is the user's own.

        ValueError; FileExistsError; No.
        """
        mailbox = self.locate(name)
        if mailbox.public and canonical(mailbox.inner) == INBOX:
            raise ValueError("public folders have no INBOX")
        mailbox.need_above()
        if use and mailbox.owner is not self.user:
            raise ValueError("only folders of your own have a special use")
        self._refuse_one_more(mailbox)
        mailbox.tree.create(mailbox.inner)
        parent = mailbox.above()
        if parent is not None:
            acl.inherit(parent.directory, mailbox.directory)
        if use:
            mailbox.tree.set_special(mailbox.inner, use)

    def _refuse_one_more(self, mailbox: Mailbox) -> None:
        """No [OVERQUOTA], No [LIMIT]: the owner, or whoever it is, has as many folders as may be."""
        there = len(mailbox.tree.names())
        if mailbox.owner is not None and mailbox.owner.mailboxes is not None and there >= mailbox.owner.mailboxes:
            raise No(f"There may be {mailbox.owner.mailboxes} mailboxes, and no more", "OVERQUOTA")
        most = self.home.control.number("mailboxes")
        if most and there >= most:
            raise No(f"There may be {most} mailboxes, and no more", "LIMIT")

    def delete(self, name: str) -> None:
        """Remove a folder with its messages and rights. ValueError; FileNotFoundError; No."""
        mailbox = self.locate(name)
        mailbox.need("x")
        mailbox.tree.delete(mailbox.inner)

    def rename(self, old: str, new: str) -> None:
        """Rename a folder and all below it, within one tree. ValueError; FileExistsError; FileNotFoundError; No."""
        source, target = self.locate(old), self.locate(new)
        if source.exists:
            source.need("x")
        elif source.owner is not self.user:
            raise missing()
        if source.tree.maildir != target.tree.maildir:
            raise ValueError("a folder cannot be moved to another owner")
        target.need_above()
        if canonical(source.inner) == INBOX:
            self._refuse_one_more(target)
        if target.public and canonical(target.inner) == INBOX:
            raise ValueError("public folders have no INBOX")
        source.tree.rename(source.inner, target.inner)

    def subscriptions(self) -> set[str]:
        """The names the user subscribed, there or not."""
        return self.own.subscriptions()

    def subscribe(self, name: str) -> None:
        """Subscribe a name. ValueError; Temp; OSError; No."""
        self.locate(name).directory  # noqa: B018  raises
        files.mkdir(self.own.maildir)
        subscriptions.change(self.own.maildir, canonical(name), True)

    def unsubscribe(self, name: str) -> None:
        """The opposite; harmless when it was not."""
        self.own.unsubscribe(name)

    def special(self) -> dict[str, str]:
        """name -> use, of the user's own folders."""
        return self.own.special()

    def public(self) -> Tree:
        """The public folders of the user's domain, there or not."""
        return Tree(os.path.realpath(self.public_account().maildir))

    def public_account(self) -> User:
        """For whom counts what is in them."""
        most = self.home.control.octets("publicquota")
        fields = {"userdb_quota_rule": f"*:bytes={most}"} if most else {}
        return User(f"{_PUBLIC}@{self.user.domain}", fields=fields, domains=self.home.domains)

    def sharer(self, address: str) -> User | None:
        """The other user with this address, if folders may be shared between the two.

        None whose files are another system user's: what their directories lead to is not for this process to follow.
        """
        owner = Passwd(self.home).lookup(address)
        if owner is None or owner.address == self.user.address or not shares.reach(self.home, self.user, owner):
            return None
        return owner if owner.uid in (None, os.geteuid()) else None

    def shared_by(self, owner: User) -> list[Mailbox]:
        """The folders of one other user."""
        try:
            inner = Tree(owner.maildir).names()
        except OSError:
            return []
        return [self._of(owner, name) for name in inner]

    def _mine(self, name: str) -> Mailbox:
        return Mailbox(name, self.own, name, self.user, self._master)

    def _of(self, owner: User, inner: str) -> Mailbox:
        name = f"{OTHERS}/{names.directory(owner.address)}/{inner}"
        return Mailbox(name, Tree(owner.maildir), inner, owner, self._guest)

    def _shared(self) -> list[Mailbox]:
        sharing.ensure(self.home)
        owners = filter(None, map(self.sharer, shares.owners(self.home, self.user)))
        return [mailbox for owner in owners for mailbox in self.shared_by(owner)]

    def shared_by_all(self) -> list[Mailbox]:
        """The public folders."""
        tree = self.public()
        try:
            inner = tree.names()
        except OSError:
            return []
        return [self._common(name, tree) for name in inner if name != INBOX]

    def _common(self, inner: str, tree: Tree) -> Mailbox:
        return Mailbox(f"{PUBLIC}/{inner}", tree, inner, None, self._guest, self.public_account())
