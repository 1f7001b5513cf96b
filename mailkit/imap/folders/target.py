"""The folder that APPEND, COPY and MOVE write to, kept open from one command to the next.

Who uploads a thousand messages sends a thousand commands with one target, and to open a large folder costs more than to
store a message. It is let go when another one is wanted, when the client goes to IDLE, when folders are deleted or
renamed, and at any trouble with it.
"""

from __future__ import annotations

from mailkit.imap.folders import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailkit.imap.session import Session
    from mailkit.maildir.folder import Folder


async def opened(state: Session, name: str) -> Folder:
    """The folder of that name, into which the user may put messages. No [TRYCREATE]: there is none."""
    from mailkit.maildir import folder as folders  # no part of the way to the greeting

    known = state.target_mailbox
    if known is not None and known.name == name and known.who.owner:
        known.need("i", "TRYCREATE")  # a look at two files: not worth the way to another thread
        mailbox = known
    else:
        mailbox = await tree.mailbox(state, name, "i", "TRYCREATE")
    state.target_mailbox, path = mailbox, mailbox.directory
    if state.target is not None and state.target.directory == path and await current(state, state.target):
        return state.target
    release(state)
    state.target, state.target_mailbox = await tree.attempt(state, folders.open, path), mailbox
    return state.target


def rights(state: Session) -> str:
    """What the user may do with the folder that is open: which flags a message keeps on its way in."""
    assert state.target_mailbox is not None
    return state.target_mailbox.granted()


def stored(state: Session, uids: Sequence[int]) -> None:
    """The client put these messages into it: NOTIFY does not tell of them."""
    if state.following is not None and state.target is not None:
        state.following.made(state, state.target, uids)


async def current(state: Session, folder: Folder) -> bool:
    """Bring the folder up to date; False when it was removed and another may be in its place."""
    try:
        if folder.stale():
            await state.conn.offload(folder.sync)
    except FileNotFoundError:
        return False
    return True


def release(state: Session) -> None:
    """Let it go."""
    if state.target is not None:
        state.target.close()
        state.target = None
    state.target_mailbox = None
