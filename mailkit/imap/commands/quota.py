"""GETQUOTA and GETQUOTAROOT (RFC 9208 section 4.1). Limits are set by `mailkit-moduser`, not by clients."""

from __future__ import annotations

from mailkit.imap.folders import room, tree
from mailkit.imap.responses import No, mailbox, string, untagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.users.passwd import User


async def getquota(state: Session, reader: Reader) -> None:
    """quota-root."""
    root = reader.astring()
    reader.end()
    owner = await tree.attempt(state, _owner, state, root.decode("utf-8", "surrogateescape"))
    if owner is None:
        raise No("There is no such quota root", "NONEXISTENT")
    await tell(state, owner)


async def getquotaroot(state: Session, reader: Reader) -> None:
    """mailbox, there or not (RFC 9208 section 4.1.2): a name for a new one has the root of where it would be.

    How much others keep is told to those who may read what it is asked of (section 6).
    """
    name = reader.mailbox()
    reader.end()
    found = await tree.attempt(state, tree.of(state).locate, name)
    if found.owner is not state.user:
        found = await tree.mailbox(state, name, "r")
    account = found.account
    roots = [astring(room.root_of(state, account))] if account is not None and room.rooted(account) else []
    state.conn.write(untagged(b"QUOTAROOT", mailbox(name, state.utf8), *roots))
    if roots and account is not None:
        await tell(state, account)


async def tell(state: Session, owner: User) -> None:
    """`* QUOTA "" (STORAGE 10 512)`."""
    state.conn.write(untagged(b"QUOTA", astring(room.root_of(state, owner)), await room.described(state, owner)))


def astring(root: str) -> bytes:
    """The name of a quota root."""
    return string(root.encode("utf-8", "surrogateescape"))


def _owner(state: Session, root: str) -> User | None:
    """Whose quota root this is: the user's, or that of folders of which they may read one. Blocking."""
    if root == room.ROOT:  # without limits there is none: a QUOTA names a resource or more (RFC 9208 section 7)
        return state.user if room.rooted(state.user) else None
    forest = tree.of(state)
    if not forest.shares:
        return None
    public = forest.public_account()
    account = public if root == public.address else forest.sharer(root)
    if account is None or not room.rooted(account):
        return None
    folders = forest.shared_by_all() if account is public else forest.shared_by(account)
    return account if any("r" in found.granted() for found in folders) else None
