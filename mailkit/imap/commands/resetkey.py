"""RESETKEY (RFC 4467 section 7): the authorized URLs of a mailbox, or of all, are worth nothing any more."""

from __future__ import annotations

from mailkit.imap.folders import tree
from mailkit.imap.messages import authorized
from mailkit.imap.responses import No
from mailkit.maildir import accesskey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.maildir.tree import Tree


async def resetkey(state: Session, reader: Reader) -> str:
    """[mailbox *(SP mechanism)]."""
    if reader.done:
        await state.conn.offload(forget_all, tree.of(state).own)
        return "Every key is forgotten"
    name = reader.mailbox()
    while not reader.done:
        reader.space()
        if reader.word() != authorized.MECHANISM:
            raise No(f"The mechanism is {authorized.MECHANISM}")
    await state.conn.offload(accesskey.forget, (await authorized.owned(state, name)).directory)
    return f"[URLMECH {authorized.MECHANISM}] The key is forgotten"


def forget_all(folders: Tree) -> None:
    """The keys of all folders of a user. Blocking. OSError."""
    for name in folders.names():
        accesskey.forget(folders.path(name))
