"""Quota: is there room for what a client stores, and what it may be told of it (RFC 9208).

The count itself is kept by `deliver.quota`, in the file that Courier and Dovecot keep too. One quota root, "", is for
all folders of a user; users without limits have none. What is in another's folder counts for the account of that
folder (`forest.Mailbox`), whose address is the name of that quota root.
"""

from __future__ import annotations

from mailkit import log
from mailkit.exits import Temp
from mailkit.imap.responses import No
from mailkit.maildir.tree import Tree
from mailkit.users.passwd import Passwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailkit.control import Home
    from mailkit.imap.session import Session
    from mailkit.maildir.folder import Folder
    from mailkit.users.passwd import User

ROOT = ""


def limited(owner: User | None) -> bool:
    """The owner of a folder has a quota; public folders have no owner."""
    return owner is not None and owner.quota != (None, None)


def rooted(owner: User | None) -> bool:
    """The owner has a quota root: something is limited, if only the number of folders."""
    return limited(owner) or (owner is not None and owner.mailboxes is not None)


def root_of(state: Session, owner: User) -> str:
    """The name of the owner's quota root."""
    return ROOT if owner is state.user else owner.address


def same_owner(state: Session) -> bool:
    """What goes from the selected folder to the target stays within one quota."""
    assert state.mailbox is not None
    assert state.target_mailbox is not None
    return state.mailbox.tree.maildir == state.target_mailbox.tree.maildir


async def need(state: Session, octets: int, messages: int) -> None:
    """No [OVERQUOTA] when the owner of the target has no room for so much more."""
    assert state.target_mailbox is not None
    owner = state.target_mailbox.account
    if owner is None or not limited(owner) or (octets <= 0 and messages <= 0):
        return
    if not await state.conn.offload(_takes, state.home, owner, octets, messages):
        raise No("There is no room for it: remove something first", "OVERQUOTA")


def _takes(home: Home, owner: User, octets: int, messages: int) -> bool:
    """Is there room, by what the passwd file says now? It may have been given since the owner logged in."""
    from mailkit.deliver import quota

    try:
        owner = Passwd(home).lookup(owner.address) or owner
    except Temp:
        pass  # a process of one user sees no passwd file
    return quota.takes(owner, octets, messages)


async def came(state: Session, octets: int, messages: int) -> None:
    """Write down what came into the target."""
    assert state.target_mailbox is not None
    await _note(state, state.target_mailbox.account, octets, messages)


async def went(state: Session, octets: int, messages: int) -> None:
    """Write down what left the selected folder."""
    assert state.mailbox is not None
    await _note(state, state.mailbox.account, -octets, -messages)


async def _note(state: Session, owner: User | None, octets: int, messages: int) -> None:
    """A failure is made good by the next count."""
    if not limited(owner) or not messages:
        return
    from mailkit.deliver import quota

    try:
        await state.conn.offload(quota.add, owner, octets, messages)
    except OSError as error:
        log.event("quota", c=state.conn.id, error=error.strerror)


def total(folder: Folder, uids: Iterable[int]) -> int:
    """Octets of messages, as far as they are known; those nobody knows count when all is counted anew."""
    table = folder.table
    rows = [row for row in map(table.row, uids) if row is not None]
    return sum(table.detail.sizes[row] for row in rows)


async def described(state: Session, owner: User) -> bytes:
    """`(STORAGE 10 512 MESSAGE 3 100 MAILBOX 6 50)`: usage and limit of what is limited; STORAGE in units of 1024
    octets."""
    parts = []
    if limited(owner):
        from mailkit.deliver import quota

        usage = await state.conn.offload(quota.usage, owner)
        if usage.max_octets is not None:
            parts.append(b"STORAGE %d %d" % (-(-usage.octets // 1024), usage.max_octets // 1024))
        if usage.max_messages is not None:
            parts.append(b"MESSAGE %d %d" % (usage.messages, usage.max_messages))
    if owner.mailboxes is not None:
        parts.append(b"MAILBOX %d %d" % (len(await state.conn.offload(Tree(owner.maildir).names)), owner.mailboxes))
    return b"(" + b" ".join(parts) + b")"
