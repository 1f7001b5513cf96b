"""Annotations of mailboxes and of the server (RFC 5464): where they are, who sees and sets them, how they are sent.

    a mailbox                    mailkit-metadata in its directory
    another's mailbox, private   mailkit-metadata-others/GUID in the user's own Maildir
    the server, private          mailkit-metadata-server in the user's Maildir
    the server, shared           control/imapmetadata, which clients cannot change
    /private/specialuse          what the folder is for: see `uses`

So nobody fills another's disk, and nobody's private notes are in another's hands. Who may see and set is said by RFC
5464 section 3.3, but for one thing: shared entries are set by those who may write (w). The file format is
`maildir.metadata`'s, the grammar of names `wire.entries`'.
"""

from __future__ import annotations

import os

from mailkit import files
from mailkit.imap.folders import tree, uses
from mailkit.imap.responses import No, mailbox, nstring, paren, untagged
from mailkit.imap.searching import filters
from mailkit.imap.wire import entries
from mailkit.maildir import folder as folders
from mailkit.maildir import metadata as store
from mailkit.maildir.change import number
from mailkit.maildir.tree import canonical

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailkit.imap.folders.forest import Mailbox
    from mailkit.imap.session import Session

SERVER_FILE = f"{store.NAME}-server"
OTHERS_DIRECTORY = f"{store.NAME}-others"


async def read(state: Session, name: str, special: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """Every entry of a mailbox, or of the server for the name "", that this user may see. No: there is none such.

    special: the uses of folders, where they are asked for.
    """
    if not name:
        assert state.user is not None
        own = await state.conn.offload(store.read, f"{state.user.maildir}/{SERVER_FILE}")
        return {**shared_of_server(state), **own}
    found = await mailbox_of(state, name)
    entries_of: dict[str, bytes] = await state.conn.offload(store.read, f"{found.directory}/{store.NAME}")
    if found.who.owner:
        entries_of.pop(uses.ENTRY, None)
        use = (special or {}).get(canonical(name))
        return {**entries_of, **({uses.ENTRY: use.encode("ascii")} if use else {})}
    shared = {key: value for key, value in entries_of.items() if not private(key)}
    return {**await state.conn.offload(store.read, await private_path(state, found)), **shared}


async def change(state: Session, name: str, values: Mapping[str, bytes | None]) -> None:
    """Set entries, all or none. No [METADATA MAXSIZE], [METADATA TOOMANY] and whatever `read` says."""
    if any(len(value or b"") > store.VALUE_MOST_OCTETS for value in values.values()):
        raise No("That value is too long", f"METADATA MAXSIZE {store.VALUE_MOST_OCTETS}")
    if not name:
        filters.check(values)
        path = own_of_server(state, values)
        await state.conn.offload(files.mkdir, os.path.dirname(path))
        await write(state, path, values)
        return
    found = await mailbox_of(state, name)
    noted = {key: value for key, value in values.items() if key != uses.ENTRY}
    use = await uses.checked(state, found, values[uses.ENTRY]) if uses.ENTRY in values else None
    path = await path_for(state, found, values)
    if noted:
        await write(state, path, noted)
    if use is not None:
        await tree.attempt(state, found.tree.set_special, found.inner, use)
    if path.startswith(f"{found.directory}/"):
        await tree.attempt(state, number_change, found.directory)


def number_change(path: str) -> None:
    """The folder's own modseq rises (RFC 7162 section 3.2). Blocking."""
    folder = folders.open(path)
    try:
        if folder.writable:
            folder.sync()
            number(folder)
    finally:
        folder.close()


async def write(state: Session, path: str, values: Mapping[str, bytes | None]) -> None:
    """Set entries in a file. No [METADATA TOOMANY]."""
    try:
        await state.conn.offload(store.change, path, values)
    except store.Full:
        raise No(f"There is room for {store.ENTRIES_MOST} entries", "METADATA TOOMANY")


async def mailbox_of(state: Session, name: str) -> Mailbox:
    """A mailbox whose entries the user may see (RFC 5464 section 3.3). No."""
    found = await tree.mailbox(state, name, "l")
    if not set("rswip") & set(found.granted()):
        raise No("You have no right to its annotations", "NOPERM")
    return found


async def path_for(state: Session, found: Mailbox, values: Mapping[str, bytes | None]) -> str:
    """The file in which these entries of a mailbox are set. No: the user may not, or they are in two files."""
    shared = not all(map(private, values))
    if shared and "w" not in found.granted():
        raise No("You have no right to set shared annotations here", "NOPERM")
    if found.who.owner or not any(map(private, values)):
        return f"{found.directory}/{store.NAME}"
    if shared:
        raise No("Set private and shared annotations of another's mailbox one after the other", "CANNOT")
    path = await private_path(state, found)
    await state.conn.offload(files.mkdir, os.path.dirname(path))
    return path


async def private_path(state: Session, found: Mailbox) -> str:
    """Where the user's private entries of another's mailbox are: by its identity, which a renamed one keeps."""
    assert state.user is not None
    guid = (await tree.attempt(state, folders.status, found.directory)).guid.hex()
    return f"{state.user.maildir}/{OTHERS_DIRECTORY}/{guid}"


def private(key: str) -> bool:
    """An entry of the user's own."""
    return key.startswith("/private/")


def own_of_server(state: Session, values: Mapping[str, bytes | None]) -> str:
    """The file of a user's entries of the server. No: shared ones are the administrator's."""
    assert state.user is not None
    if any(key.startswith("/shared/") for key in values):
        raise No("The shared entries of the server are set by its administrator", "NOPERM")
    return f"{state.user.maildir}/{SERVER_FILE}"


def shared_of_server(state: Session) -> dict[str, bytes]:
    """`/shared/comment Welcome` a line of control/imapmetadata; /shared/admin leads to the postmaster if it is not
    there (RFC 5464 section 6.2.2)."""
    control = state.home.control
    admin = control.text("postmaster") or f"postmaster@{control.text('me')}"
    found = {"/shared/admin": f"mailto:{admin}".encode("utf-8", "surrogateescape")}
    for line in control.lines("imapmetadata"):
        name, _, value = line.partition(" ")
        if name.lower().startswith("/shared/"):
            found[entries.key(name)] = value.strip().encode("utf-8", "surrogateescape")
    return found


def chosen(known: Mapping[str, bytes], wanted: entries.Wanted) -> tuple[list[tuple[str, bytes | None]], int]:
    """(name and value of what GETMETADATA is answered with, octets of the longest value that is over its MAXSIZE or 0).

    An entry that is asked for by its very name and is not there is NIL.
    """
    found: dict[str, tuple[str, bytes | None]] = {}
    longest = 0
    for name in wanted.names:
        keys = [key for key in known if entries.below(name, wanted.depth, key)] if wanted.depth else [entries.key(name)]
        for key in keys:
            value = known.get(key)
            if wanted.maxsize is not None and value is not None and len(value) > wanted.maxsize:
                longest = max(longest, len(value))
            else:
                found.setdefault(key, (name if key == entries.key(name) else key, value))
    return list(found.values()), longest


def response(state: Session, name: str, values: list[tuple[str, bytes | None]]) -> bytes:
    """`* METADATA INBOX (/private/comment "mine" /shared/comment NIL)`."""
    parts = [part for entry, value in values for part in (shown_name(entry), shown_value(value))]
    return untagged(b"METADATA", mailbox(name, state.utf8), paren(parts))


def shown_name(name: str) -> bytes:
    """An astring: an atom, unless it holds what atoms cannot."""
    octets = name.encode("ascii")
    return octets if not octets.translate(None, entries.NAME_ATOM) else nstring(octets)


def shown_value(value: bytes | None) -> bytes:
    """nstring, or literal8 for what has a NUL in it (section 5)."""
    if value is not None and b"\0" in value:
        return b"~{%d}\r\n%b" % (len(value), value)
    return nstring(value)
