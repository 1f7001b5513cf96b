"""Waiting for the client: octets from the connection into the engine.

Everything queued is sent before we wait, so nobody waits for an answer that waits in our buffer.
"""

from __future__ import annotations

from mailkit.imap.commands import LOGOUT
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad
from mailkit.lines import TooLong
from mailkit.net.conn import Gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailkit.imap.session import Session
    from mailkit.imap.wire.engine import Event


async def more(state: Session, between: bool = False) -> bool:
    """Feed what the client sends next; False at the end of the stream.

    between: no command is being run, so that the client is told what happens to the folders it follows (NOTIFY).
    """
    while True:
        following = state.following if between else None
        if following is not None:
            await following.look(state)
            if state.state == LOGOUT:
                return True
        await state.conn.flush()
        data = await heard(state, following is not None and following.watching)
        if data is not None:
            break
        assert following is not None
        following.woken()
    if not data:
        return False
    state.engine.feed(data)
    return True


async def heard(state: Session, wake: bool = False) -> bytes | None:
    """What `conn.more` gives; the waiting is spent on the full-text index when there is something to do for it."""
    return await (state.conn.more(wake) if state.filling is None else state.filling.more(state, wake))


def unfollow(state: Session) -> None:
    """The session is over, or another user's."""
    if state.following is not None:
        state.following.close()
        state.following = None


async def event(state: Session) -> Event:
    """The next event in the middle of a command. Gone when the client leaves before it."""
    while True:
        found = state.engine.event()
        if found is not None:
            return found
        if not await more(state):
            raise Gone


async def line(state: Session) -> bytes:
    """The line the client sends next, which is no command: an answer to `+`."""
    while True:
        try:
            found = state.engine.line()
        except TooLong:
            raise Bad("The answer is too long")
        if found is not None:
            return found
        if not await more(state):
            raise Gone


async def breathe(state: Session, done: int = 0, goal: int = 0) -> None:
    """Between two slices of long work: send what is queued and let other sessions have their turn.

    done, goal: messages that are dealt with, of how many, for `progress`; goal 0: the answers themselves show it.
    """
    if goal:
        state.progress.note(state, done, goal)
    await state.conn.flush()
    await state.conn.pause(0)


def writable(state: Session, need: str = "") -> None:
    """No when the selected folder was opened with EXAMINE, cannot be written, or the user lacks one of the rights."""
    assert state.view is not None
    assert state.mailbox is not None
    if state.view.readonly:
        raise No("The mailbox is open read-only")
    state.mailbox.need(need)


async def pass_on(state: Session, chunks: Iterable[bytes], size_octets: int) -> None:
    """The octets of a literal that was announced. Gone when the file has become another: no answer would be right."""
    left = size_octets
    try:
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                break
            state.conn.write(chunk)
            await breathe(state)
    except OSError:
        raise Gone
    if left:
        raise Gone
