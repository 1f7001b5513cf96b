"""SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314 section 3)."""

from __future__ import annotations

from mailkit import log
from mailkit.exits import Temp
from mailkit.imap.folders import acl, tree
from mailkit.imap.folders.forest import missing
from mailkit.imap.responses import No, mailbox, untagged
from mailkit.maildir import acl as store
from mailkit.users import shares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.folders.forest import Mailbox
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def setacl(state: Session, reader: Reader) -> None:
    """mailbox SP identifier SP mod-rights."""
    name, who = _mailbox_and_identifier(reader)
    reader.space()
    sign, rights = acl.modification(reader.text())
    reader.end()
    found = await tree.mailbox(state, name, "a")
    key = acl.identifier(state, found, who)
    await tree.attempt(state, _set, state, found, key, sign, rights)
    _told(state, name, who, sign + rights)


async def deleteacl(state: Session, reader: Reader) -> None:
    """mailbox SP identifier; there or not."""
    name, who = _mailbox_and_identifier(reader)
    reader.end()
    found = await tree.mailbox(state, name, "a")
    key = acl.identifier(state, found, who)
    await tree.attempt(state, _delete, state, found, key)
    _told(state, name, who, None)


async def getacl(state: Session, reader: Reader) -> None:
    """mailbox."""
    name = reader.mailbox()
    reader.end()
    found = await tree.mailbox(state, name, "a")
    try:
        entries = await state.conn.offload(acl.entries, found)
    except ValueError as error:
        raise Temp("The rights of the mailbox cannot be read", detail=f"{found.directory}/{store.NAME}: {error}")
    pairs = [part for entry in entries for part in (acl.word(found, entry), acl.shown(entry.rights))]
    state.conn.write(untagged(b"ACL", mailbox(name, state.utf8), *pairs))


async def listrights(state: Session, reader: Reader) -> None:
    """mailbox SP identifier: what they always have, and what they may be given, no two rights tied together."""
    name, who = _mailbox_and_identifier(reader)
    reader.end()
    found = await tree.mailbox(state, name, "a")
    identifier, negative = acl.identifier(state, found, who)
    always = acl.KEPT if identifier == "owner" and not negative else ""
    others = [letter.encode("ascii") for letter in store.ALL + "".join(acl.OBSOLETE) if letter not in always]
    parts = (mailbox(name, state.utf8), acl.astring(who.encode("utf-8")), always.encode("ascii") or b'""')
    state.conn.write(untagged(b"LISTRIGHTS", *parts, *others))


async def myrights(state: Session, reader: Reader) -> None:
    """mailbox, to which the user has any right that shows it."""
    name = reader.mailbox()
    reader.end()
    found = await tree.attempt(state, tree.of(state).locate, name)
    rights = await tree.attempt(state, found.rights)
    if not set(acl.SEEN) & set(rights):
        raise missing()
    state.conn.write(acl.my_rights(state, name, rights))


def _told(state: Session, name: str, who: str, rights: str | None) -> None:
    """Rights are changed: an administrator may want to know by whom. rights: None when the entry is removed."""
    address = state.user.address if state.user is not None else None
    log.event("share", c=state.conn.id, user=address, mailbox=name, identifier=who, rights=rights)


def _mailbox_and_identifier(reader: Reader) -> tuple[str, str]:
    name = reader.mailbox()
    reader.space()
    return name, reader.text()


def _set(state: Session, found: Mailbox, key: tuple[str, bool], sign: str, rights: str) -> None:
    """Change the file, and the index of who shares with whom. Blocking."""
    if found.public and key[0] == "owner":
        raise No("Public mailboxes have no owner", "CANNOT")
    _refuse_stranger(state, key[0])
    store.change(found.directory, lambda known: acl.changed(found, _inherited(found, known), key, sign, rights))
    if found.owner is not None and key[0] != "owner" and not key[1]:
        shares.note(state.home, found.owner, key[0])


def _delete(state: Session, found: Mailbox, key: tuple[str, bool]) -> None:
    """The same. The index forgets whom no folder of the owner names any more. Blocking."""
    store.change(
        found.directory,
        lambda known: acl.kept(found, [entry for entry in _inherited(found, known) if entry.key != key]),
    )
    if found.owner is not None and key[0] != "owner" and not key[1] and not _named(found, key[0]):
        shares.forget(state.home, found.owner, key[0])


def _inherited(found: Mailbox, known: list[store.Entry] | None) -> list[store.Entry]:
    """The entries to change: a public folder without a file has those of the place."""
    if known is None and found.public:
        known = store.read(found.tree.maildir)
    return known or []


def _refuse_stranger(state: Session, identifier: str) -> None:
    """No, when this user cannot be: rights for nobody would be a typing error that nobody sees."""
    forest = tree.of(state)
    kind, _, address = identifier.partition("=")
    if kind != "owner" and not forest.shares:
        raise No("Folders cannot be shared here", "CANNOT")
    if kind != "user" or state.user is None or address == state.user.address:
        return
    if forest.sharer(address) is None:
        raise No("There is no such user to share with", "CANNOT")


def _named(found: Mailbox, identifier: str) -> bool:
    """Does a folder of the owner still name this identifier, or one that stands beside it in the index?"""
    assert found.owner is not None
    heading = shares.heading(found.owner, identifier)
    for name in found.tree.names():
        try:
            entries = store.read(found.tree.path(name)) or ()
        except (OSError, ValueError):
            return True
        others = (entry.identifier for entry in entries if entry.identifier != "owner")
        if any(shares.heading(found.owner, other) == heading for other in others):
            return True
    return False
