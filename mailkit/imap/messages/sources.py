"""Messages that URLs of a command name, wherever they are (RFC 4469, RFC 4467).

A folder that was opened for one URL stays open until the command ends: the next URL mostly names another part of the
same message.
"""

from __future__ import annotations

from mailkit.imap.folders import tree
from mailkit.imap.messages import sections
from mailkit.imap.responses import No
from mailkit.maildir import folder as folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.imap.session import Session
    from mailkit.imap.wire.items import Item
    from mailkit.imap.wire.urls import Url
    from mailkit.maildir.folder import Folder

OPEN_MOST = 20
"""Folders one command may hold open."""


class Sources:
    """The folders of one command; `close` them."""

    __slots__ = ("_open", "state")

    def __init__(self, state: Session) -> None:
        self.state = state
        self._open: dict[str, Folder] = {}

    def close(self) -> None:
        """Let them go."""
        for folder in self._open.values():
            folder.close()
        self._open.clear()

    async def folder(self, path: str) -> Folder:
        """The folder in a directory, up to date. No: there is none, or too many are open."""
        if path not in self._open:
            if len(self._open) == OPEN_MOST:
                raise No(f"A command reads of at most {OPEN_MOST} mailboxes", "LIMIT")
            self._open[path] = await tree.attempt(self.state, folders.open, path)
        folder = self._open[path]
        if folder.stale():
            await tree.attempt(self.state, folder.sync)
        return folder


async def path_of(state: Session, url: Url) -> str:
    """The directory of a folder of the user who is logged in. ValueError: it is somebody else's; No: there is none."""
    assert state.user is not None
    if url.user is not None and url.user.lower() != state.user.address.lower():
        raise ValueError("the URL is of somebody else")
    if url.host is not None and not of_this_server(state, url.host):
        raise ValueError("the URL is of another server")
    if url.mailbox is not None:
        return await tree.path_of(state, url.mailbox)
    if state.view is None:
        raise ValueError("no mailbox is selected")
    return state.view.folder.directory


def of_this_server(state: Session, host: str) -> bool:
    """A name of ours: our own, a domain whose mail is here, or what the client called us in TLS."""
    names = {state.home.control.text("me").lower(), *map(str.lower, state.home.control.lines("domains"))}
    if state.conn.tls is not None:
        names.add(state.conn.tls.sni.lower())
    return host in names


def names_one(folder: Folder, url: Url) -> bool:
    """The message of the URL is in this folder."""
    same = url.uidvalidity is None or url.uidvalidity == folder.uidvalidity
    return same and folder.row(url.uid) is not None


def octets(folder: Folder, uid: int, item: Item) -> Iterator[bytes]:
    """What the item names, in pieces as they are on the wire. Blocking.

    FileNotFoundError: the message is gone, or has no such part; OSError.
    """
    with sections.opened(folder, uid) as message:
        if message is None:
            raise FileNotFoundError(uid)
        if sections.whole(item):
            yield from message.wire_chunks(item)
            return
        found = sections.body(message, item)
        if found is None:
            raise FileNotFoundError(uid)
        yield found
